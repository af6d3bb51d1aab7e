#include "base/file.hpp"
#include "daemon/pods/pod_volumes.hpp"
#include "tests/daemon/pods/pod_fixture.hpp"
#include "tests/support/mounts.hpp"
#include "tests/support/requirements.hpp"
#include "tests/support/temp_dir.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <atomic>
#include <thread>

namespace keelson::daemon::test {
namespace {

class SubPath : public ::testing::Test {
 protected:
  void SetUp() override {
    KEELSON_REQUIRE(keelson::test::is_root(), "bind mounts need root");
    ASSERT_TRUE(make_dirs(dir_ / "volume", 0777));
    ASSERT_TRUE(make_dirs(dir_ / "secret", 0700));
    ASSERT_TRUE(write_file_atomic(dir_ / "secret/file", "host"));
  }
  keelson::test::TempDir dir_{"subpath"};
};

TEST_F(SubPath, BindsDirectoriesAndFilesAndMakesWhatIsMissing) {
  ASSERT_TRUE(bind_sub_path(dir_ / "volume", "a/b", dir_ / "target"));
  ASSERT_TRUE(write_file_atomic(dir_ / "volume/a/b/file", "content"));
  EXPECT_EQ(read_file(dir_ / "target/file").value_or(""), "content");
  ASSERT_TRUE(bind_sub_path(dir_ / "volume", "a/b/file", dir_ / "target")) << "again, with another type";
  EXPECT_EQ(read_file(dir_ / "target").value_or(""), "content");
}

TEST_F(SubPath, RefusesToLeaveTheVolume) {
  ASSERT_EQ(::symlink((dir_ / "secret").c_str(), (dir_ / "volume/absolute").c_str()), 0);
  ASSERT_EQ(::symlink("../secret", (dir_ / "volume/relative").c_str()), 0);
  ASSERT_EQ(::symlink("/proc/self/root", (dir_ / "volume/magic").c_str()), 0);
  for (const char* path :
       {"absolute", "relative", "absolute/file", "magic/etc", "../secret", "x/../../secret", "/etc"}) {
    const auto bound = bind_sub_path(dir_ / "volume", path, dir_ / "target");
    EXPECT_FALSE(bound.has_value()) << path;
    EXPECT_FALSE(exists(dir_ / "target/file")) << path;
  }
}

TEST_F(SubPath, HoldsAgainstASymlinkThatIsSwappedMeanwhile) {
  ASSERT_TRUE(make_dirs(dir_ / "volume/real", 0755));
  ASSERT_EQ(::symlink("../secret", (dir_ / "volume/evil").c_str()), 0);
  std::atomic<bool> stop{false};
  std::thread attacker([&] {
    const std::string at = dir_ / "volume/at";
    while (!stop) {
      ::unlink(at.c_str());
      static_cast<void>(::rename((dir_ / "volume/real").c_str(), at.c_str()));
      static_cast<void>(::rename(at.c_str(), (dir_ / "volume/real").c_str()));
      static_cast<void>(!::symlink("../secret", at.c_str()));
    }
  });
  int bound = 0;
  for (int i = 0; i < 2000; ++i) {
    if (!bind_sub_path(dir_ / "volume", "at", dir_ / "target")) continue;
    ++bound;
    EXPECT_FALSE(exists(dir_ / "target/file")) << "the host's file is in reach";
  }
  stop = true;
  attacker.join();
  RecordProperty("bound", bound);
}

class PodVolumesTest : public ::testing::Test {
 protected:
  void SetUp() override { KEELSON_REQUIRE(keelson::test::is_root(), "tmpfs and groups need root"); }
  void TearDown() override {
    EXPECT_TRUE(volumes_.tear_down("u1", PodVolumes::Extent::everything));
    for (const std::string& mount : keelson::test::mount_points())
      EXPECT_FALSE(keelson::test::is_below(mount, dir_.path())) << mount;
    EXPECT_FALSE(exists(dir_ / "pods/u1"));
  }
  std::string volume(const std::string& plugin, const std::string& name) const {
    return dir_ / ("pods/u1/volumes/kubernetes.io~" + plugin + "/" + name);
  }
  keelson::test::TempDir dir_{"volumes"};
  PodVolumes volumes_{dir_.path()};
};

TEST_F(PodVolumesTest, MakesEmptyDirs) {
  const auto pod = make_pod(R"({"securityContext":{"fsGroup":4242},"volumes":[{"name":"disk","emptyDir":{}},
      {"name":"mem","emptyDir":{"medium":"Memory","sizeLimit":"1Mi"}}],"containers":[{"name":"web","image":"i:1"}]})");
  ASSERT_TRUE(volumes_.set_up(pod, {}));
  ASSERT_TRUE(volumes_.set_up(pod, {})) << "repeated";
  struct stat status {};
  ASSERT_EQ(::stat(volume("empty-dir", "disk").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 02777U);
  EXPECT_EQ(status.st_gid, 4242U);
  struct statfs fs {};
  ASSERT_EQ(::statfs(volume("empty-dir", "mem").c_str(), &fs), 0);
  EXPECT_EQ(fs.f_type, 0x01021994) << "tmpfs";
  EXPECT_EQ(static_cast<std::uint64_t>(fs.f_blocks) * static_cast<std::uint64_t>(fs.f_bsize), 1U << 20);
}

TEST_F(PodVolumesTest, WritesTheDownwardApi) {
  const auto pod = make_pod(
      R"({"volumes":[{"name":"info","downwardAPI":{"items":[{"path":"meta/name","fieldRef":{"fieldPath":"metadata.name"},"mode":256}]}}],
          "containers":[{"name":"web","image":"i:1","volumeMounts":[{"name":"info","mountPath":"/info"}]}]})");
  ASSERT_TRUE(volumes_.set_up(pod, {}));
  EXPECT_EQ(read_file(volume("downward-api", "info") + "/meta/name").value_or(""), "web-n1");
  struct stat status {};
  ASSERT_EQ(::stat((volume("downward-api", "info") + "/meta/name").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0400U);
  const auto mounts = volumes_.mounts_of(pod, pod.spec.containers[0], {});
  ASSERT_TRUE(mounts.has_value());
  EXPECT_TRUE(mounts->at(0).read_only);
}

TEST_F(PodVolumesTest, ChecksHostPaths) {
  const auto check = [&](const std::string& path, const std::string& type) {
    const auto pod = make_pod(R"({"volumes":[{"name":"h","hostPath":{"path":")" + path + R"(","type":")" + type +
                              R"("}}],"containers":[{"name":"web","image":"i:1"}]})");
    const auto done = volumes_.set_up(pod, {});
    return done ? std::string() : done.error().message;
  };
  EXPECT_NE(check("/etc/passwd", "Directory").find("hostPath type check failed: /etc/passwd is not a Directory"),
            std::string::npos);
  EXPECT_EQ(check("/etc/passwd", "File"), "");
  EXPECT_EQ(check("/dev/null", "CharDevice"), "");
  EXPECT_NE(check("/dev/null", "BlockDevice"), "");
  EXPECT_NE(check(dir_ / "absent", "Socket"), "");
  EXPECT_EQ(check(dir_ / "made/deep", "DirectoryOrCreate"), "");
  EXPECT_TRUE(exists(dir_ / "made/deep"));
  EXPECT_EQ(check(dir_ / "file", "FileOrCreate"), "");
  EXPECT_TRUE(exists(dir_ / "file"));
}

TEST_F(PodVolumesTest, ExpandsSubPathsAndCleansThem) {
  const auto pod = make_pod(
      R"json({"volumes":[{"name":"d","emptyDir":{}}],"containers":[{"name":"web","image":"i:1",
          "volumeMounts":[{"name":"d","mountPath":"/a","subPathExpr":"logs/$(WHO)"}]}]})json");
  ASSERT_TRUE(volumes_.set_up(pod, {}));
  const auto mounts = volumes_.mounts_of(pod, pod.spec.containers[0], {{"WHO", "me"}});
  ASSERT_TRUE(mounts.has_value()) << mounts.error().message;
  EXPECT_TRUE(exists(volume("empty-dir", "d") + "/logs/me"));
  EXPECT_NE(mounts->at(0).host_path.find("volume-subpaths/d/web/0"), std::string::npos);
  EXPECT_FALSE(volumes_.mounts_of(pod, pod.spec.containers[0], {{"WHO", "../../.."}}).has_value());
}

TEST_F(PodVolumesTest, WritesHosts) {
  auto pod = make_pod(
      R"({"hostAliases":[{"ip":"192.0.2.5","hostnames":["a.test","b.test"]}],"containers":[{"name":"web","image":"i:1"}]})");
  const auto path = volumes_.write_hosts(pod, {"10.0.0.7", "fd00::7"});
  ASSERT_TRUE(path.has_value());
  const std::string text = read_file(*path).value_or("");
  EXPECT_NE(text.find("\n10.0.0.7\tweb-n1\nfd00::7\tweb-n1\n192.0.2.5\ta.test\tb.test\n"), std::string::npos) << text;
  struct stat before {};
  struct stat after {};
  ASSERT_EQ(::stat(path->c_str(), &before), 0);
  ASSERT_TRUE(volumes_.write_hosts(pod, {"10.0.0.8"}));
  ASSERT_EQ(::stat(path->c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino) << "containers have the file mounted";
}

} // namespace
} // namespace keelson::daemon::test
