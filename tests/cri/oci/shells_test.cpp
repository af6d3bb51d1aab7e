// The parts that look at the host: devices, mount sources, node facts.
#include "base/file.hpp"
#include "cri/oci/devices.hpp"
#include "cri/oci/mount_sources.hpp"
#include "cri/oci/node_facts.hpp"
#include "cri/proto/runtime_v1.pb.h"
#include "tests/support/temp_dir.hpp"

#include <gmock/gmock.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>

namespace keelson::cri {
namespace {

using keelson::test::TempDir;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

runtime::v1::ContainerConfig with_device(const std::string& host, const std::string& inside,
                                         const std::string& access) {
  runtime::v1::ContainerConfig config;
  auto* device = config.add_devices();
  device->set_host_path(host);
  device->set_container_path(inside);
  device->set_permissions(access);
  return config;
}

TEST(ResolveDevices, LooksUpNumbers) {
  const auto devices = resolve_devices(with_device("/dev/null", "/dev/hole", "r"));
  ASSERT_TRUE(devices) << devices.error().message;
  ASSERT_EQ(devices->size(), 1U);
  EXPECT_EQ(devices->front().container_path, "/dev/hole");
  EXPECT_EQ(devices->front().type, 'c');
  EXPECT_EQ(devices->front().major, 1U);
  EXPECT_EQ(devices->front().minor, 3U);
  EXPECT_EQ(devices->front().permissions, "r");
}

TEST(ResolveDevices, FollowsLinksOfTheHost) {
  const TempDir dir;
  ASSERT_EQ(::symlink("/dev/zero", (dir / "link").c_str()), 0);
  EXPECT_EQ(resolve_devices(with_device(dir / "link", "/dev/z", ""))->front().minor, 5U);
}

TEST(ResolveDevices, RefusesWhatIsNoDevice) {
  EXPECT_EQ(resolve_devices(with_device("/etc/hostname", "/dev/x", "")).error().code, Code::invalid_argument);
  EXPECT_EQ(resolve_devices(with_device("/dev/no-such-device", "", "")).error().code, Code::not_found);
  for (const char* access : {"x", "rr", "rwmx", "R"})
    EXPECT_EQ(resolve_devices(with_device("/dev/null", "", access)).error().code, Code::invalid_argument) << access;
  EXPECT_FALSE(resolve_devices(with_device("/dev/../dev/null", "", "")));
  EXPECT_FALSE(resolve_devices(with_device("/dev/null", "relative", "")));
}

TEST(ResolveDevices, PrivilegedGetsTheHostsButNoTerminals) {
  runtime::v1::ContainerConfig config;
  config.mutable_linux()->mutable_security_context()->set_privileged(true);
  const auto devices = resolve_devices(config);
  ASSERT_TRUE(devices) << devices.error().message;
  const auto has = [&](const std::string& path) {
    return std::any_of(devices->begin(), devices->end(), [&](const HostDevice& d) { return d.container_path == path; });
  };
  EXPECT_TRUE(has("/dev/null"));
  EXPECT_FALSE(has("/dev/ptmx"));
  EXPECT_FALSE(has("/dev/pts/ptmx"));
}

constexpr std::string_view kMountinfo = "22 1 0:20 / / rw - ext4 /dev/sda rw\n"
                                        "23 22 0:21 / /var/lib rw shared:5 - ext4 /dev/sdb rw\n"
                                        "24 23 0:22 / /var/lib/a\\040b rw master:5 - tmpfs tmpfs rw\n"
                                        "25 23 0:23 / /var/library rw shared:9 master:8 - tmpfs tmpfs rw\n"
                                        "garbage\n";

TEST(MountHolding, IsTheLongestOne) {
  EXPECT_EQ(mount_holding(kMountinfo, "/var/lib/x")->mount_point, "/var/lib");
  EXPECT_TRUE(mount_holding(kMountinfo, "/var/lib/x")->shared);
  EXPECT_FALSE(mount_holding(kMountinfo, "/var/libx")->shared);
  EXPECT_TRUE(mount_holding(kMountinfo, "/var/lib/a b/c")->slave);
  EXPECT_TRUE(mount_holding(kMountinfo, "/var/library")->shared);
  EXPECT_FALSE(mount_holding("", "/x"));
}

TEST(ResolveMountSources, FollowsLinksAndMakesDirectories) {
  const TempDir dir;
  ASSERT_TRUE(make_dirs(dir / "real", 0755));
  ASSERT_EQ(::symlink("real", (dir / "link").c_str()), 0);
  runtime::v1::ContainerConfig config;
  config.add_mounts()->set_host_path(dir / "link");
  config.add_mounts()->set_host_path(dir / "absent/deep");
  const auto sources = resolve_mount_sources(config);
  ASSERT_TRUE(sources) << sources.error().message;
  EXPECT_THAT(*sources, ElementsAre(dir / "real", dir / "absent/deep"));
  EXPECT_TRUE(exists(dir / "absent/deep"));
  config.add_mounts()->set_host_path("relative");
  EXPECT_EQ(resolve_mount_sources(config).error().code, Code::invalid_argument);
}

TEST(ResolveMountSources, ImageSubPathsStayInTheImage) {
  const TempDir dir;
  ASSERT_TRUE(make_dirs(dir / "image/models", 0755));
  ASSERT_TRUE(make_dirs(dir / "secret", 0755));
  ASSERT_EQ(::symlink("../../secret", (dir / "image/up").c_str()), 0);
  runtime::v1::ContainerConfig config;
  auto* mount = config.add_mounts();
  mount->mutable_image()->set_image("models");
  mount->set_image_sub_path("models");
  EXPECT_THAT(*resolve_mount_sources(config, {dir / "image"}), ElementsAre(dir / "image/models"));
  for (const char* path : {"up", "../secret", "missing"}) {
    mount->set_image_sub_path(path);
    EXPECT_FALSE(resolve_mount_sources(config, {dir / "image"})) << path;
  }
  EXPECT_FALSE(resolve_mount_sources(config));
}

TEST(NodeFacts, AreThoseOfThisProcess) {
  const NodeFacts facts = detect_node_facts(false);
  EXPECT_GE(facts.kernel, (KernelVersion{5, 8}));
  EXPECT_EQ(facts.hard_limits.size(), 16U);
  EXPECT_NE(facts.bounding, ~std::uint64_t{0});
  EXPECT_EQ(facts.cap_sys_resource, facts.min_oom_score_adj == -1000);
}

} // namespace
} // namespace keelson::cri
