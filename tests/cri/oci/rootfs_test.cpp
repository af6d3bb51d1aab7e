// Hostile root file systems: what the guard and the user lookup read and create stays inside, and nothing blocks.
#include "base/file.hpp"
#include "cri/oci/rootfs_guard.hpp"
#include "cri/oci/rootfs_user.hpp"
#include "tests/support/temp_dir.hpp"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace keelson::cri {
namespace {

using keelson::test::TempDir;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Rootfs : ::testing::Test {
  void SetUp() override {
    ASSERT_TRUE(make_dirs(path("etc"), 0755));
    ASSERT_TRUE(make_dirs(outside("secret"), 0755));
    ASSERT_TRUE(write_file_atomic(outside("file"), "host"));
    fd = std::move(*open_dir(dir / "rootfs"));
  }

  std::string path(const std::string& name) const { return dir.path() + "/rootfs/" + name; }
  std::string outside(const std::string& name) const { return dir.path() + "/" + name; }
  void link(const std::string& target, const std::string& name) const {
    ASSERT_EQ(::symlink(target.c_str(), path(name).c_str()), 0);
  }
  void write(const std::string& name, std::string_view text) const { ASSERT_TRUE(write_file_atomic(path(name), text)); }

  Result<> prepare(std::vector<MountTarget> mounts, const std::string& cwd = "/",
                   std::vector<std::string> volumes = {}) {
    return prepare_rootfs(fd.get(), {std::move(mounts), std::move(volumes), cwd, false});
  }
  std::string refusal(std::vector<MountTarget> mounts, const std::string& cwd = "/") {
    const auto result = prepare(std::move(mounts), cwd);
    if (result) return "accepted";
    EXPECT_EQ(result.error().code, Code::failed_precondition) << result.error().message;
    return result.error().message;
  }
  Result<ResolvedUser> user(const std::string& name) {
    UserRequest request;
    request.who = *parse_user_text(name);
    return resolve_user(fd.get(), request);
  }
  // Everything outside the root file system is as it was made.
  void TearDown() override {
    EXPECT_THAT(*list_dir(dir.path()), ElementsAre("file", "rootfs", "secret"));
    EXPECT_THAT(*list_dir(outside("secret")), ElementsAre());
    EXPECT_EQ(*read_file(outside("file")), "host");
  }

  TempDir dir;
  UniqueFd fd;
};

const std::vector<MountTarget> kDefaults = {{"/proc", true, ""},       {"/dev", true, ""}, {"/dev/pts", true, ""},
                                            {"/dev/mqueue", true, ""}, {"/sys", true, ""}, {"/sys/fs/cgroup", true, ""},
                                            {"/dev/shm", true, "/tmp"}};

std::vector<MountTarget> with(MountTarget mount) {
  std::vector<MountTarget> mounts = kDefaults;
  mounts.push_back(std::move(mount));
  return mounts;
}

TEST_F(Rootfs, MountPointsAreMade) {
  ASSERT_TRUE(prepare(with({"/var/lib/data", true, outside("secret")}), "/", {"/volume/deep", "/dev/x", "/var"}));
  EXPECT_THAT(*list_dir(path("")), ElementsAre("dev", "etc", "proc", "sys", "var", "volume"));
  EXPECT_THAT(*list_dir(path("dev")), ElementsAre()) << "below a mount there is nothing to make";
  EXPECT_TRUE(exists(path("var/lib/data")));
  EXPECT_TRUE(exists(path("volume/deep")));
  ASSERT_TRUE(prepare(with({"/etc/hosts", true, outside("file")})));
  struct stat status {};
  ASSERT_EQ(::lstat(path("etc/hosts").c_str(), &status), 0);
  EXPECT_TRUE(S_ISREG(status.st_mode));
  EXPECT_TRUE(prepare(with({"/etc/hosts", true, outside("file")}))) << "again";
}

// CVE-2026-41579 and its kin
TEST_F(Rootfs, SymlinksForKernelDirectoriesAreRefused) {
  for (const char* name : {"dev", "proc", "sys"}) {
    ::rmdir(path(name).c_str()); // made while another one was the symlink
    for (const char* target : {"/etc", "../secret", "/", "/proc", "nowhere"}) {
      link(target, name);
      EXPECT_THAT(refusal(kDefaults), HasSubstr(std::string("/") + name)) << target;
      ASSERT_EQ(::unlink(path(name).c_str()), 0);
    }
    write(name, "a file");
    EXPECT_THAT(refusal(kDefaults), HasSubstr("a file"));
    ASSERT_EQ(::unlink(path(name).c_str()), 0);
  }
}

// CVE-2024-5154: /etc leads up and out; the generated file lands inside.
TEST_F(Rootfs, LinksThatClimbEndAtTheRoot) {
  ASSERT_EQ(::rmdir(path("etc").c_str()), 0);
  link("../../../../..", "etc");
  ASSERT_TRUE(prepare(with({"/etc/hosts", true, outside("file")})));
  EXPECT_TRUE(exists(path("hosts")));
  ASSERT_EQ(::unlink(path("etc").c_str()), 0);
  link("/../../secret", "etc");
  ASSERT_TRUE(prepare(with({"/etc/hosts", true, outside("file")})));
  EXPECT_TRUE(exists(path("secret/hosts")));
}

TEST_F(Rootfs, LinksIntoKernelDirectoriesAreRefused) {
  link("/proc/sys", "a");
  link("/dev", "b");
  link("/a/../proc", "c");
  link("loop", "loop");
  link("/", "root");
  ASSERT_TRUE(make_dirs(path("data"), 0755));
  link("/data/../proc/self", "d");
  EXPECT_THAT(refusal(with({"/a/kernel", true, "/tmp"})), HasSubstr("/proc/sys"));
  EXPECT_THAT(refusal(with({"/b/null", true, outside("file")})), HasSubstr("/dev/null"));
  EXPECT_THAT(refusal(with({"/c/x", true, "/tmp"})), HasSubstr("/proc"));
  EXPECT_THAT(refusal(with({"/loop/x", true, "/tmp"})), HasSubstr("symlinks"));
  EXPECT_THAT(refusal(with({"/root", true, "/tmp"})), HasSubstr("root directory"));
  auto mounts = with({"/data", true, "/tmp"});
  mounts.push_back({"/d/attr", true, "/tmp"});
  EXPECT_THAT(refusal(mounts), HasSubstr("/proc/self"));
}

// CVE-2024-21626
TEST_F(Rootfs, WorkingDirectoriesThatLeadToDescriptorsAreRefused) {
  link("/proc/self/fd/7", "work");
  link("work", "again");
  link("../../../proc/self/fd/7", "climb");
  link("/dev/fd/7", "device");
  for (const char* cwd : {"/work", "/again", "/again/../..", "/climb", "/device", "/work/.."})
    EXPECT_THAT(refusal(kDefaults, cwd), HasSubstr("working directory")) << cwd;
  EXPECT_TRUE(prepare(kDefaults, "/not/there/yet"));
  EXPECT_TRUE(prepare(kDefaults, "/etc"));
}

TEST_F(Rootfs, DirectoriesAndFilesAreNotMixedUp) {
  write("etc/hosts", "x");
  EXPECT_THAT(refusal(with({"/etc/hosts", true, "/tmp"})), HasSubstr("is a file"));
  EXPECT_THAT(refusal(with({"/etc", true, outside("file")})), HasSubstr("is a directory"));
}

// CVE-2022-23648
TEST_F(Rootfs, ImageVolumesStayInside) {
  EXPECT_FALSE(prepare(kDefaults, "/", {"/../../secret/x"}));
  link("../../secret", "up");
  ASSERT_TRUE(prepare(kDefaults, "/", {"/up/x", "relative"}));
  EXPECT_TRUE(exists(path("secret/x")));
  EXPECT_TRUE(exists(path("relative")));
}

TEST_F(Rootfs, UsersComeFromItsOwnFiles) {
  write("etc/passwd", "web:x:5:6::/w:/bin/sh\n");
  write("etc/group", "web:x:6:\nextra:x:7:web\n");
  const auto found = user("web");
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_THAT(found->additional_gids, ElementsAre(6, 7));
  EXPECT_FALSE(user("root"));
}

TEST_F(Rootfs, AbsentAccountFilesAreEmpty) {
  EXPECT_EQ(user("1000")->uid, 1000U);
  EXPECT_EQ(user("web").error().code, Code::not_found);
}

TEST_F(Rootfs, AccountFilesOutsideAreNotReached) {
  ASSERT_TRUE(write_file_atomic(outside("file"), "host"));
  link("../../file", "etc/passwd");
  EXPECT_EQ(user("root").error().code, Code::not_found);
  ASSERT_EQ(::unlink(path("etc/passwd").c_str()), 0);
  link("/proc/self/environ", "etc/passwd");
  EXPECT_EQ(user("root").error().code, Code::not_found);
}

// CVE-2026-47262
TEST_F(Rootfs, AccountFilesThatAreNoSmallFilesFailFast) {
  ASSERT_EQ(::mkfifo(path("etc/passwd").c_str(), 0644), 0);
  EXPECT_EQ(user("web").error().code, Code::failed_precondition);
  ASSERT_EQ(::unlink(path("etc/passwd").c_str()), 0);
  ASSERT_TRUE(make_dirs(path("etc/passwd"), 0755));
  EXPECT_EQ(user("web").error().code, Code::failed_precondition);
  ASSERT_EQ(::rmdir(path("etc/passwd").c_str()), 0);
  write("etc/passwd", "");
  ASSERT_EQ(::truncate(path("etc/passwd").c_str(), off_t{1} << 40), 0);
  EXPECT_EQ(user("web").error().code, Code::resource_exhausted);
}

TEST_F(Rootfs, LargeAccountFilesCostNoMoreThanTheirSize) {
  write("etc/passwd", "web:x:5:6::/w:/bin/sh\n" + std::string(std::size_t{9} << 20, '\n'));
  write(
      "etc/group", "g:x:7:" + [] {
        std::string members;
        while (members.size() < std::size_t{9} << 20) members += "a,";
        return members;
      }() + "\n");
  rusage before{};
  ::getrusage(RUSAGE_SELF, &before);
  ASSERT_TRUE(user("web"));
  rusage after{};
  ::getrusage(RUSAGE_SELF, &after);
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 64 * 1024); // KiB
}

} // namespace
} // namespace keelson::cri
