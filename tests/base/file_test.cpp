#include "base/file.hpp"
#include "tests/support/leak_check.hpp"
#include "tests/support/temp_dir.hpp"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace keelson {

namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class File : public testing::Test {
 protected:
  test::TempDir dir_;
  std::string path_ = dir_ / "file";
};

mode_t mode_of(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
}

TEST_F(File, IsReplacedAtomically) {
  ASSERT_TRUE(write_file_atomic(path_, "one", 0640).has_value());
  EXPECT_EQ(mode_of(path_), 0640U);
  const auto old = open_at(AT_FDCWD, path_, O_RDONLY);
  ASSERT_TRUE(old.has_value());
  ASSERT_TRUE(write_file_atomic(path_, "second", 0600, Durability::power_loss).has_value());
  EXPECT_EQ(read_all(old->get(), 100).value_or(""), "one"); // a reader keeps what it opened
  EXPECT_EQ(read_file(path_).value_or(""), "second");
  EXPECT_THAT(*list_dir(dir_.path()), ElementsAre("file"));
}

TEST_F(File, ThatCannotBeWrittenStaysAsItWas) {
  ASSERT_TRUE(write_file_atomic(path_, "one").has_value());
  struct rlimit before {};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit small = {1000, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  const auto written = write_file_atomic(path_, std::string(5000, 'x'));
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, handler);
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().sys_errno, EFBIG);
  EXPECT_EQ(read_file(path_).value_or(""), "one");
  EXPECT_THAT(*list_dir(dir_.path()), ElementsAre("file"));
}

TEST_F(File, IsReadUpToALimit) {
  ASSERT_TRUE(write_file_atomic(path_, std::string(100, 'x')).has_value());
  EXPECT_TRUE(read_file(path_, 100).has_value());
  const auto too_long = read_file(path_, 99);
  ASSERT_FALSE(too_long.has_value());
  EXPECT_EQ(too_long.error().code, Code::resource_exhausted);
  EXPECT_THAT(too_long.error().message, HasSubstr(path_));
  EXPECT_EQ(read_file("/dev/zero", 4096).error().code, Code::resource_exhausted);
  EXPECT_EQ(read_file(dir_ / "none").error().code, Code::not_found);
}

TEST_F(File, DescriptorsAreCloseOnExec) {
  const auto file = open_at(AT_FDCWD, path_, O_CREAT | O_RDWR, 0600);
  const auto directory = open_dir(dir_.path());
  const auto inside = open_in_root(directory->get(), "file", O_RDONLY);
  for (const auto* fd : {&file, &directory, &inside}) {
    ASSERT_TRUE(fd->has_value());
    EXPECT_NE(::fcntl((*fd)->get(), F_GETFD) & FD_CLOEXEC, 0);
  }
}

TEST_F(File, NoPathLeadsOutOfItsRoot) {
  ASSERT_TRUE(make_dirs(dir_ / "root/etc", 0700).has_value());
  ASSERT_TRUE(write_file_atomic(dir_ / "root/etc/passwd", "inside").has_value());
  ASSERT_TRUE(write_file_atomic(dir_ / "secret", "outside").has_value());
  ASSERT_EQ(::symlink("/etc", (dir_ / "root/absolute").c_str()), 0);
  ASSERT_EQ(::symlink("../../../../etc", (dir_ / "root/dots").c_str()), 0);
  ASSERT_EQ(::symlink("/proc/self/fd/0", (dir_ / "root/magic").c_str()), 0);
  const auto root = open_dir(dir_ / "root");
  ASSERT_TRUE(root.has_value());
  for (const char* path : {"/etc/passwd", "absolute/passwd", "dots/passwd", "../../etc/passwd"}) {
    const auto file = open_in_root(root->get(), path, O_RDONLY);
    ASSERT_TRUE(file.has_value()) << path << ": " << file.error().message;
    EXPECT_EQ(read_all(file->get(), 100).value_or(""), "inside") << path;
  }
  EXPECT_FALSE(open_in_root(root->get(), "../secret", O_RDONLY).has_value());
  EXPECT_FALSE(open_in_root(root->get(), "magic", O_RDONLY).has_value());
}

TEST_F(File, TreesAreRemovedWithoutFollowingLinks) {
  ASSERT_TRUE(make_dirs(dir_ / "tree/a/b", 0700).has_value());
  ASSERT_TRUE(make_dirs(dir_ / "kept", 0700).has_value());
  ASSERT_TRUE(write_file_atomic(dir_ / "kept/file", "x").has_value());
  ASSERT_EQ(::symlink((dir_ / "kept").c_str(), (dir_ / "tree/a/link").c_str()), 0);
  ASSERT_EQ(::symlink((dir_ / "kept").c_str(), (dir_ / "link").c_str()), 0);
  ASSERT_EQ(::mkfifo((dir_ / "tree/fifo").c_str(), 0600), 0);
  ASSERT_EQ(::chmod((dir_ / "tree/a/b").c_str(), 0), 0);
  EXPECT_TRUE(remove_tree(dir_ / "tree").has_value());
  EXPECT_TRUE(remove_tree(dir_ / "tree").has_value()); // absent is fine
  EXPECT_TRUE(remove_tree(dir_ / "link").has_value()); // the link, not what it names
  EXPECT_THAT(*list_dir(dir_.path()), ElementsAre("kept"));
  EXPECT_TRUE(exists(dir_ / "kept/file"));
}

TEST_F(File, DirectoriesAreMadeWithTheirParents) {
  ASSERT_TRUE(make_dirs(dir_ / "a/b/c", 0711).has_value());
  ASSERT_TRUE(make_dirs(dir_ / "a/b/c", 0711).has_value());
  EXPECT_EQ(mode_of(dir_ / "a/b"), 0711U);
  ASSERT_TRUE(write_file_atomic(path_, "x").has_value());
  EXPECT_FALSE(make_dirs(path_, 0700).has_value());
  EXPECT_FALSE(make_dirs(path_ + "/below", 0700).has_value());
}

TEST_F(File, ErrorsNameThePathAndTheValue) {
  const auto written = write_kernel_file("/proc/self/oom_score_adj", "nonsense");
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().sys_errno, EINVAL);
  EXPECT_THAT(written.error().message, HasSubstr("/proc/self/oom_score_adj"));
  EXPECT_THAT(written.error().message, HasSubstr("nonsense"));
}

TEST_F(File, TreesOfAnyDepthAreRemoved) {
  const std::string name(255, 'd');
  ASSERT_TRUE(make_dirs(dir_ / "deep", 0700));
  auto at = open_dir(dir_ / "deep");
  for (int level = 0; level < 5000; ++level) {
    ASSERT_TRUE(at) << at.error().message;
    ASSERT_TRUE(make_dir_at(at->get(), name, 0700));
    at = open_dir_at(at->get(), name);
  }
  at = open_dir(dir_.path());
  const auto removed = remove_tree(dir_ / "deep");
  EXPECT_TRUE(removed) << removed.error().message;
  EXPECT_FALSE(exists(dir_ / "deep"));
}

TEST_F(File, LocksExcludeAndEndWithTheirHolder) {
  const auto others_view = [this] { // how another process fares
    const pid_t child = ::fork();
    if (child == 0) {
      const auto lock = LockFile::acquire(dir_ / "lock");
      ::_exit(lock ? 0 : lock.error().code == Code::already_exists ? 1 : 2);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WEXITSTATUS(status);
  };
  {
    const auto lock = LockFile::acquire(dir_ / "lock");
    ASSERT_TRUE(lock.has_value());
    EXPECT_EQ(others_view(), 1);
  }
  EXPECT_EQ(others_view(), 0);
}

TEST_F(File, FailuresLeakNoDescriptor) {
  const test::LeakCheck check({.paths = {dir_.path()}, .descriptors = true});
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(read_file("/dev/zero", 10).has_value());
    EXPECT_FALSE(list_dir("/proc/self/status").has_value());
    EXPECT_FALSE(write_file_atomic(dir_ / "no/such/file", "x", 0600, Durability::power_loss).has_value());
    EXPECT_FALSE(write_kernel_file("/proc/self/oom_score_adj", "x").has_value());
  }
  EXPECT_THAT(check.leaks(std::chrono::milliseconds(0)), IsEmpty());
}

} // namespace

} // namespace keelson
