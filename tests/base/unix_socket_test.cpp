#include "base/file.hpp"
#include "base/unix_socket.hpp"
#include "tests/support/leak_check.hpp"
#include "tests/support/temp_dir.hpp"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>

namespace keelson {

namespace {

using testing::IsEmpty;

class UnixSocket : public testing::Test {
 protected:
  test::TempDir dir_;
  std::string path_ = dir_ / "socket";
};

TEST_F(UnixSocket, HasTheModeItWasGiven) {
  const auto listener = listen_unix(path_, 0660, 0);
  ASSERT_TRUE(listener.has_value()) << listener.error().message;
  struct stat info {};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0660U);
  EXPECT_TRUE(connect_unix(path_, 0).has_value());
}

TEST_F(UnixSocket, IsNotTakenFromOneThatListens) {
  const auto listener = listen_unix(path_, 0600, 0);
  ASSERT_TRUE(listener.has_value());
  EXPECT_EQ(listen_unix(path_, 0600, 0).error().code, Code::already_exists);
  EXPECT_TRUE(connect_unix(path_, 0).has_value());
}

TEST_F(UnixSocket, ReplacesADeadOne) {
  { ASSERT_TRUE(listen_unix(path_, 0600, 0).has_value()); }
  EXPECT_TRUE(exists(path_));
  EXPECT_EQ(connect_unix(path_, 0).error().sys_errno, ECONNREFUSED);
  EXPECT_TRUE(listen_unix(path_, 0600, 0).has_value());
}

TEST_F(UnixSocket, NeverReplacesAPlainFile) {
  ASSERT_TRUE(write_file_atomic(path_, "precious").has_value());
  EXPECT_FALSE(listen_unix(path_, 0600, 0).has_value());
  EXPECT_EQ(read_file(path_).value_or(""), "precious");
}

TEST_F(UnixSocket, MayHaveALongPath) {
  const auto deep = dir_ / (std::string(100, 'a') + "/" + std::string(100, 'b'));
  ASSERT_TRUE(make_dirs(deep, 0700).has_value());
  const auto listener = listen_unix(deep + "/socket", 0600, 0);
  ASSERT_TRUE(listener.has_value()) << listener.error().message;
  EXPECT_TRUE(connect_unix(deep + "/socket", 0).has_value());
}

TEST_F(UnixSocket, CarriesDescriptors) {
  const test::LeakCheck check({.paths = {dir_.path()}, .descriptors = true});
  {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    const UniqueFd one(ends[0]);
    const UniqueFd two(ends[1]);
    int pipe_ends[2];
    ASSERT_EQ(::pipe2(pipe_ends, O_CLOEXEC), 0);
    const UniqueFd reader(pipe_ends[0]);
    UniqueFd writer(pipe_ends[1]);
    ASSERT_TRUE(send_with_fds(one.get(), "hello", {writer.get()}).has_value());
    writer.reset();
    std::array<char, 64> buffer{};
    auto received = receive_with_fds(two.get(), buffer.data(), buffer.size());
    ASSERT_TRUE(received.has_value());
    EXPECT_EQ(std::string(buffer.data(), received->size), "hello");
    ASSERT_EQ(received->fds.size(), 1U);
    EXPECT_NE(::fcntl(received->fds[0].get(), F_GETFD) & FD_CLOEXEC, 0);
    ASSERT_TRUE(write_all(received->fds[0].get(), "through").has_value());
    received->fds.clear();
    EXPECT_EQ(read_all(reader.get(), 100).value_or(""), "through");
  }
  EXPECT_THAT(check.leaks(), IsEmpty());
}

TEST_F(UnixSocket, SaysWhenThePeerIsGone) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd one(ends[0]);
  ::close(ends[1]);
  char byte = 0;
  EXPECT_EQ(receive_with_fds(one.get(), &byte, 1)->size, 0U);
  EXPECT_EQ(send_with_fds(one.get(), "x", {}).error().sys_errno, EPIPE); // and no SIGPIPE
}

} // namespace

} // namespace keelson
