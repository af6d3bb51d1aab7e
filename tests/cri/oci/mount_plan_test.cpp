#include "tests/cri/oci/spec_fixture.hpp"

#include <gmock/gmock.h>

namespace keelson::cri::test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

struct PlanMounts : SpecFixture {
  runtime::v1::Mount& add(const std::string& inside, const std::string& outside) {
    auto* mount = container.add_mounts();
    mount->set_container_path(inside);
    mount->set_host_path(outside);
    return *mount;
  }

  std::vector<std::string> destinations() {
    std::vector<std::string> list;
    const json::object spec = config();
    for (const json::value& mount : spec.at("mounts").as_array())
      list.emplace_back(mount.at("destination").as_string());
    return list;
  }

  json::object mount_on(std::string_view destination) {
    json::object found;
    const json::object spec = config();
    for (const json::value& mount : spec.at("mounts").as_array())
      if (mount.at("destination").as_string() == destination) found = mount.as_object();
    return found;
  }

  std::vector<std::string> options_on(std::string_view destination) {
    const json::object mount = mount_on(destination);
    return mount.empty() ? std::vector<std::string>{"no such mount"} : strings(mount.at("options"));
  }
};

TEST_F(PlanMounts, DefaultsComeFirst) {
  EXPECT_THAT(destinations(),
              ElementsAre("/proc", "/dev", "/dev/pts", "/dev/mqueue", "/sys", "/sys/fs/cgroup", "/dev/shm"));
  EXPECT_THAT(options_on("/sys"), Contains("ro"));
  EXPECT_THAT(options_on("/sys/fs/cgroup"), Contains("ro"));
  EXPECT_THAT(options_on("/dev"), ElementsAre("nosuid", "strictatime", "mode=755", "size=65536k"));
  make_privileged();
  EXPECT_THAT(options_on("/sys"), Contains("rw"));
  EXPECT_THAT(options_on("/sys/fs/cgroup"), Contains("rw"));
}

TEST_F(PlanMounts, GeneratedFilesYieldToTheConfig) {
  generated = {"/g/hosts", "/g/hostname", "/g/resolv.conf", "/g/shm"};
  add("/etc/hosts", "/kubelet/hosts");
  EXPECT_EQ(mount_on("/etc/hosts").at("source"), "/kubelet/hosts");
  EXPECT_EQ(mount_on("/etc/hostname").at("source"), "/g/hostname");
  EXPECT_EQ(mount_on("/etc/resolv.conf").at("source"), "/g/resolv.conf");
  EXPECT_EQ(mount_on("/dev/shm").at("source"), "/g/shm");
  EXPECT_THAT(options_on("/etc/hostname"), Contains("rw"));
  security().set_readonly_rootfs(true);
  EXPECT_THAT(options_on("/etc/hostname"), Contains("ro"));
}

TEST_F(PlanMounts, ParentsComeBeforeChildrenInTheGivenOrder) {
  add("/a/b/c", "/1");
  add("/x", "/2");
  add("/a", "/3");
  add("/a/b", "/4");
  auto all = destinations();
  all.erase(all.begin(), all.begin() + 7);
  EXPECT_THAT(all, ElementsAre("/x", "/a", "/a/b", "/a/b/c"));
}

TEST_F(PlanMounts, AMountTakesTheDefaultsPlace) {
  add("/dev/shm", "/volume");
  EXPECT_EQ(mount_on("/dev/shm").at("source"), "/volume");
  EXPECT_EQ(destinations().size(), 7U);
}

TEST_F(PlanMounts, PropagationAndAccessAreOptions) {
  add("/a", "/1");
  add("/b", "/2").set_propagation(runtime::v1::PROPAGATION_HOST_TO_CONTAINER);
  EXPECT_THAT(options_on("/a"), ElementsAre("rbind", "rprivate", "rw"));
  EXPECT_THAT(options_on("/b"), ElementsAre("rbind", "rslave", "rw"));
  EXPECT_EQ(config().at("linux").at("rootfsPropagation"), "rslave");
  auto& shared = add("/c", "/3");
  shared.set_propagation(runtime::v1::PROPAGATION_BIDIRECTIONAL);
  shared.set_readonly(true);
  EXPECT_THAT(options_on("/c"), ElementsAre("rbind", "rshared", "ro"));
  EXPECT_EQ(config().at("linux").at("rootfsPropagation"), "rshared");
}

TEST_F(PlanMounts, RecursiveReadOnlyNeedsReadOnlyPrivateAndTheRuntime) {
  auto& mount = add("/a", "/1");
  mount.set_recursive_read_only(true);
  EXPECT_NE(refusal(Code::invalid_argument), "");
  mount.set_readonly(true);
  EXPECT_THAT(options_on("/a"), ElementsAre("rbind", "rprivate", "rro"));
  mount.set_propagation(runtime::v1::PROPAGATION_HOST_TO_CONTAINER);
  EXPECT_NE(refusal(Code::invalid_argument), "");
  mount.set_propagation(runtime::v1::PROPAGATION_PRIVATE);
  runtime.recursive_read_only = false;
  EXPECT_THAT(refusal(Code::failed_precondition), HasSubstr("mounts[0]"));
}

TEST_F(PlanMounts, ImageVolumesAreReadOnly) {
  auto& mount = add("/models", "");
  mount.mutable_image()->set_image("models:1");
  sources = {"/run/images/1"};
  EXPECT_EQ(mount_on("/models").at("source"), "/run/images/1");
  EXPECT_THAT(options_on("/models"), ElementsAre("rbind", "rprivate", "ro", "nosuid", "nodev"));
}

TEST_F(PlanMounts, SourcesAreTheResolvedOnes) {
  add("/a", "/link");
  sources = {"/real"};
  EXPECT_EQ(mount_on("/a").at("source"), "/real");
  EXPECT_THAT(build()->mounts.back().source, "/real");
}

TEST_F(PlanMounts, BadPathsAreRefused) {
  for (const char* inside : {"", "a", "/", "//", "/.", "/..", "/a/../b", "/a\nb", "/\xff"}) {
    container.clear_mounts();
    add(inside, "/1");
    EXPECT_THAT(refusal(Code::invalid_argument), HasSubstr("mounts[0]")) << inside;
  }
  for (const char* outside : {"", "relative", "/\xff"}) {
    container.clear_mounts();
    add("/a", outside);
    EXPECT_NE(refusal(Code::invalid_argument), "") << outside;
  }
  container.clear_mounts();
  add("/a", "/1").add_uidmappings();
  EXPECT_NE(refusal(Code::unimplemented), "");
  container.clear_mounts();
  add("/a", "/1").add_mount_options("size=1");
  EXPECT_NE(refusal(Code::invalid_argument), "");
}

TEST_F(PlanMounts, KernelPathsAreForPrivilegedContainers) {
  for (const char* inside :
       {"/proc", "/proc/sys", "/proc/self/attr", "/proc/../proc/sys", "/sys", "/sys/fs/cgroup", "/dev", "/dev/null",
        "/dev/console", "/dev/pts", "/dev/pts/0", "/dev/ptmx", "//dev/./null"}) {
    container.clear_mounts();
    add(inside, "/volume");
    EXPECT_NE(refusal(Code::invalid_argument), "") << inside;
  }
  make_privileged();
  container.clear_mounts();
  add("/proc/sys", "/volume");
  EXPECT_THAT(destinations(), Contains("/proc/sys"));
}

TEST_F(PlanMounts, PartsOfTheHostsOwnKernelPathsAreAllowed) {
  add("/sys", "/sys").set_readonly(true);
  add("/dev", "/dev");
  add("/proc/meminfo", "/var/lib/lxcfs/proc/meminfo");
  add("/dev/fuse", "/dev/fuse");
  EXPECT_THAT(destinations(), Contains("/proc/meminfo"));
  EXPECT_EQ(mount_on("/dev").at("source"), "/dev");
  EXPECT_EQ(mount_on("/sys").at("type"), "bind");
}

} // namespace
} // namespace keelson::cri::test
