// What base/ promises about mounts, full disks and namespaces: needs root, on mounts and namespaces of the test's own.
#include "base/file.hpp"
#include "base/namespace_thread.hpp"
#include "base/process.hpp"
#include "tests/support/leak_check.hpp"
#include "tests/support/requirements.hpp"
#include "tests/support/temp_dir.hpp"

#include <gmock/gmock.h>
#include <net/if.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

namespace keelson {

namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class FileOnMounts : public testing::Test {
 protected:
  void SetUp() override { KEELSON_REQUIRE(test::is_root(), "mounting needs root"); }
  void mount_tmpfs(const std::string& where, const char* options = nullptr) {
    ASSERT_TRUE(make_dirs(where, 0700).has_value());
    ASSERT_EQ(::mount("tmpfs", where.c_str(), "tmpfs", 0, options), 0);
  }
  test::TempDir dir_;
};

TEST_F(FileOnMounts, TreeWithAMountIsNotRemovedBelowIt) {
  mount_tmpfs(dir_ / "tree/a/mount");
  ASSERT_TRUE(write_file_atomic(dir_ / "tree/a/mount/data", "precious").has_value());
  const auto removed = remove_tree(dir_ / "tree");
  ASSERT_FALSE(removed.has_value());
  EXPECT_EQ(removed.error().code, Code::failed_precondition);
  EXPECT_THAT(removed.error().message, HasSubstr("tree/a/mount"));
  EXPECT_EQ(read_file(dir_ / "tree/a/mount/data").value_or(""), "precious");
  ASSERT_EQ(::umount((dir_ / "tree/a/mount").c_str()), 0);
  EXPECT_TRUE(remove_tree(dir_ / "tree").has_value());
}

// A bind mount of the same file system has the same device number: st_dev would not show it.
TEST_F(FileOnMounts, TreeWithABindMountOfItsOwnFileSystemIsNotRemovedBelowIt) {
  ASSERT_TRUE(make_dirs(dir_ / "volume", 0700).has_value());
  ASSERT_TRUE(write_file_atomic(dir_ / "volume/data", "precious").has_value());
  ASSERT_TRUE(make_dirs(dir_ / "tree/mount", 0700).has_value());
  ASSERT_EQ(::mount((dir_ / "volume").c_str(), (dir_ / "tree/mount").c_str(), nullptr, MS_BIND, nullptr), 0);
  EXPECT_EQ(remove_tree(dir_ / "tree").error().code, Code::failed_precondition);
  EXPECT_EQ(read_file(dir_ / "volume/data").value_or(""), "precious");
  ASSERT_EQ(::umount((dir_ / "tree/mount").c_str()), 0);
  ASSERT_TRUE(write_file_atomic(dir_ / "tree/file", "").has_value());
  ASSERT_EQ(::mount((dir_ / "volume/data").c_str(), (dir_ / "tree/file").c_str(), nullptr, MS_BIND, nullptr), 0);
  EXPECT_FALSE(remove_tree(dir_ / "tree").has_value());
  EXPECT_EQ(read_file(dir_ / "volume/data").value_or(""), "precious");
}

TEST_F(FileOnMounts, FullDiskLeavesTheOldFileAndNothingElse) {
  mount_tmpfs(dir_ / "disk", "size=64k");
  ASSERT_TRUE(write_file_atomic(dir_ / "disk/record", "old").has_value());
  const auto written = write_file_atomic(dir_ / "disk/record", std::string(1 << 20, 'x'));
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().sys_errno, ENOSPC);
  EXPECT_EQ(written.error().code, Code::resource_exhausted);
  EXPECT_EQ(read_file(dir_ / "disk/record").value_or(""), "old");
  EXPECT_THAT(*list_dir(dir_ / "disk"), ElementsAre("record"));
  EXPECT_TRUE(write_file_atomic(dir_ / "disk/record", "new").has_value()); // the space is free again
}

TEST_F(FileOnMounts, ReadOnlyDiskIsNamedInTheError) {
  mount_tmpfs(dir_ / "disk");
  ASSERT_EQ(::mount(nullptr, (dir_ / "disk").c_str(), nullptr, MS_REMOUNT | MS_RDONLY | MS_BIND, nullptr), 0);
  const auto written = write_file_atomic(dir_ / "disk/record", "x");
  EXPECT_EQ(written.error().sys_errno, EROFS);
  EXPECT_THAT(written.error().message, HasSubstr("disk/record"));
}

class NamespaceThread : public testing::Test {
 protected:
  void SetUp() override { KEELSON_REQUIRE(test::is_root(), "namespaces need root"); }
};

TEST_F(NamespaceThread, KeepsItsNamespacesToItself) {
  const test::LeakCheck check({.paths = {"/nonexistent"}, .descriptors = true});
  struct stat before {};
  struct stat inside {};
  struct stat after {};
  ASSERT_EQ(::stat("/proc/thread-self/ns/net", &before), 0);
  UniqueFd made;
  const auto done = run_on_namespace_thread([&]() -> Result<> {
    if (::unshare(CLONE_NEWNET | CLONE_NEWNS) != 0) return fail_errno(errno, "unshare");
    TRY_ASSIGN(made, open_at(AT_FDCWD, "/proc/thread-self/ns/net", O_RDONLY));
    ::stat("/proc/thread-self/ns/net", &inside);
    return {};
  });
  ASSERT_TRUE(done.has_value()) << done.error().message;
  ASSERT_EQ(::stat("/proc/thread-self/ns/net", &after), 0);
  EXPECT_NE(inside.st_ino, before.st_ino);
  EXPECT_EQ(after.st_ino, before.st_ino);
  bool only_loopback = false;
  EXPECT_TRUE(run_in_net_namespace(made.get(), [&]() -> Result<> {
                only_loopback = ::if_nametoindex("lo") == 1 && ::if_nametoindex("eth0") == 0;
                return {};
              }).has_value());
  EXPECT_TRUE(only_loopback);
  SpawnOptions options;
  options.argv = {"readlink", "/proc/self/ns/net"};
  options.net_namespace = made.get();
  EXPECT_THAT(run_command(options)->out, HasSubstr(std::to_string(inside.st_ino)));
  made.reset();
  EXPECT_THAT(check.leaks(), IsEmpty());
}

TEST_F(NamespaceThread, GivesTheErrorOfItsWork) {
  EXPECT_EQ(run_on_namespace_thread([]() -> Result<> { return fail(Code::aborted, "no"); }).error().code,
            Code::aborted);
  EXPECT_FALSE(run_in_net_namespace(-1, []() -> Result<> { return {}; }).has_value());
}

} // namespace

} // namespace keelson
