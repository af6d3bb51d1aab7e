#include "tests/cri/oci/spec_fixture.hpp"

#include <gmock/gmock.h>

namespace keelson::cri::test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using BuildSpec = SpecFixture;

json::object linux_of(const json::object& config) {
  return config.at("linux").as_object();
}

TEST_F(BuildSpec, HasWhatEveryContainerHas) {
  const json::object config = this->config();
  EXPECT_EQ(config.at("ociVersion"), "1.0.2");
  EXPECT_EQ(config.at("root").at("path"), "/run/rootfs");
  EXPECT_EQ(config.at("root").at("readonly"), false);
  EXPECT_EQ(config.at("process").at("cwd"), "/");
  EXPECT_EQ(config.at("linux").at("cgroupsPath"), "/keelson/c1");
  EXPECT_FALSE(config.contains("hooks"));
  EXPECT_FALSE(config.contains("hostname"));
  EXPECT_FALSE(linux_of(config).contains("sysctl"));
  EXPECT_FALSE(linux_of(config).contains("seccomp"));
  EXPECT_THAT(warnings, IsEmpty());
}

TEST_F(BuildSpec, NamespacesAreOwnJoinedOrAbsent) {
  namespaces.ipc = NamespaceSource::host();
  const json::array list = config().at("linux").at("namespaces").as_array();
  EXPECT_EQ(list, json::array({{{"type", "pid"}},
                               {{"type", "uts"}, {"path", "/ns/uts"}},
                               {{"type", "mount"}},
                               {{"type", "network"}, {"path", "/ns/net"}}}));
  node.cgroup_v2 = true;
  EXPECT_EQ(config().at("linux").at("namespaces").as_array().back(), (json::value{{"type", "cgroup"}}));
}

TEST_F(BuildSpec, ProcessOfExecIsThatOfTheContainer) {
  user.uid = 1000;
  user.gid = 3000;
  user.additional_gids = {3000, 4000};
  security().set_no_new_privs(true);
  security().mutable_capabilities()->add_drop_capabilities("ALL");
  security().mutable_capabilities()->add_add_capabilities("NET_BIND_SERVICE");
  seccomp = std::shared_ptr<const SeccompProfile>(std::shared_ptr<void>(), &default_seccomp_profile());
  resources().set_oom_score_adj(500);
  const json::object config = this->config();
  const json::value& json_process = config.at("process");
  EXPECT_EQ(json_process.at("user").at("uid"), 1000);
  EXPECT_EQ(json_process.at("user").at("additionalGids"), json::array({3000, 4000}));
  EXPECT_EQ(json_process.at("noNewPrivileges"), true);
  EXPECT_EQ(json_process.at("oomScoreAdj"), 500);
  EXPECT_THAT(strings(json_process.at("capabilities").at("effective")), ElementsAre("CAP_NET_BIND_SERVICE"));
  EXPECT_THAT(strings(json_process.at("capabilities").at("inheritable")), IsEmpty());
  EXPECT_EQ(process.uid, 1000U);
  EXPECT_TRUE(process.no_new_privs);
  EXPECT_EQ(process.capabilities.effective, std::uint64_t{1} << 10);
  EXPECT_EQ(process.oom_score_adj, 500);
  ASSERT_TRUE(process.seccomp);
  EXPECT_EQ(json::to_text(config.at("linux").at("seccomp")), seccomp_filter_json(*process.seccomp));
}

// CVE-2024-3154, CVE-2026-53488, CVE-2023-6476
TEST_F(BuildSpec, NoAnnotationOrLabelOfPodOrImageGetsIn) {
  for (const char* key : {"org.systemd.property.ExecStart", "run.oci.handler", "io.kubernetes.cri.sandbox-id",
                          "dev.keelson.container.id", "io.kubernetes.cri-o.TTY", "cpu-load-balancing.crio.io"}) {
    (*container.mutable_annotations())[key] = "evil-value";
    (*container.mutable_labels())[key] = "evil-value";
    (*sandbox.mutable_annotations())[key] = "evil-value";
    (*sandbox.mutable_labels())[key] = "evil-value";
    image.labels[key] = "evil-value";
  }
  (*container.mutable_image()->mutable_annotations())["run.oci.handler"] = "evil-value";
  const json::object config = this->config();
  EXPECT_EQ(config.at("annotations"),
            (json::value{{"dev.keelson.container.id", "c1"}, {"dev.keelson.sandbox.id", "s1"}}));
  EXPECT_THAT(json::to_text(config), Not(HasSubstr("evil-value")));
}

TEST_F(BuildSpec, MaskedAndReadOnlyPathsAreThoseOfTheRequest) {
  security().add_masked_paths("/proc/kcore");
  security().add_readonly_paths("/proc/sys/");
  json::object config = this->config();
  EXPECT_THAT(strings(config.at("linux").at("maskedPaths")), ElementsAre("/proc/kcore"));
  EXPECT_THAT(strings(config.at("linux").at("readonlyPaths")), ElementsAre("/proc/sys"));
  make_privileged();
  config = this->config();
  EXPECT_FALSE(linux_of(config).contains("maskedPaths"));
  EXPECT_FALSE(linux_of(config).contains("readonlyPaths"));
  security().set_privileged(false);
  security().add_masked_paths("/proc/../etc");
  EXPECT_THAT(refusal(Code::invalid_argument), HasSubstr("masked_paths"));
}

TEST_F(BuildSpec, DefaultPathsHideWhatKubeletHides) {
  EXPECT_THAT(default_masked_paths(2), Contains("/proc/interrupts"));
  EXPECT_THAT(default_masked_paths(2), Contains("/sys/devices/virtual/powercap"));
  EXPECT_THAT(default_masked_paths(2), Contains("/sys/devices/system/cpu/cpu1/thermal_throttle"));
  EXPECT_THAT(default_readonly_paths(), Contains("/proc/sysrq-trigger"));
}

TEST_F(BuildSpec, PrivilegedNeedsAPrivilegedSandbox) {
  security().set_privileged(true);
  EXPECT_THAT(refusal(Code::invalid_argument), HasSubstr("sandbox"));
  make_privileged();
  const json::object config = this->config();
  EXPECT_EQ(config.at("linux").at("resources").at("devices"), json::array({{{"allow", true}, {"access", "rwm"}}}));
  EXPECT_THAT(strings(config.at("process").at("capabilities").at("bounding")), Contains("CAP_SYS_ADMIN"));
  EXPECT_FALSE(linux_of(config).contains("seccomp"));
}

TEST_F(BuildSpec, PrivilegedGetsOnlyWhatTheNodeHas) {
  make_privileged();
  node.bounding = ~(std::uint64_t{1} << 24);
  EXPECT_THAT(strings(config().at("process").at("capabilities").at("bounding")), Not(Contains("CAP_SYS_RESOURCE")));
  EXPECT_THAT(warnings, IsEmpty());
}

TEST_F(BuildSpec, DevicesGetANodeAndARule) {
  devices = {{"/dev/fuse", 'c', 10, 229, 0666, 0, 0, "rw"}};
  const json::object config = this->config();
  EXPECT_EQ(config.at("linux").at("devices").at(0), (json::value{{"path", "/dev/fuse"},
                                                                 {"type", "c"},
                                                                 {"major", 10},
                                                                 {"minor", 229},
                                                                 {"fileMode", 0666},
                                                                 {"uid", 0},
                                                                 {"gid", 0}}));
  const json::array& rules = config.at("linux").at("resources").at("devices").as_array();
  EXPECT_EQ(rules.front(), (json::value{{"allow", false}, {"access", "rwm"}}));
  EXPECT_EQ(rules.back(),
            (json::value{{"allow", true}, {"type", "c"}, {"major", 10}, {"minor", 229}, {"access", "rw"}}));
}

TEST_F(BuildSpec, ResourcesAreWritten) {
  resources().set_cpu_shares(512);
  resources().set_cpu_quota(50000);
  resources().set_cpu_period(100000);
  resources().set_cpuset_cpus("0-1,3");
  resources().set_memory_limit_in_bytes(64 << 20);
  auto* pages = resources().add_hugepage_limits();
  pages->set_page_size("2MB");
  pages->set_limit(4 << 20);
  pids_limit = 100;
  const json::object config = this->config();
  const json::value& written = config.at("linux").at("resources");
  EXPECT_EQ(written.at("cpu"), (json::value{{"shares", 512}, {"quota", 50000}, {"period", 100000}, {"cpus", "0-1,3"}}));
  EXPECT_EQ(written.at("memory"), (json::value{{"limit", 64 << 20}, {"swap", 64 << 20}}));
  EXPECT_EQ(written.at("pids").at("limit"), 100);
  EXPECT_EQ(written.at("hugepageLimits").at(0), (json::value{{"pageSize", "2MB"}, {"limit", 4 << 20}}));
}

TEST_F(BuildSpec, ResourcesThatTheNodeLacksAreLeftOut) {
  node.swap_accounting = false;
  node.hugetlb = false;
  resources().set_memory_limit_in_bytes(64 << 20);
  auto* pages = resources().add_hugepage_limits();
  pages->set_page_size("2MB");
  EXPECT_FALSE(config().at("linux").at("resources").as_object().contains("hugepageLimits"));
  EXPECT_THAT(warnings, IsEmpty()) << "kubelet sends a zero limit for every page size";
  pages->set_limit(1);
  const json::object config = this->config();
  EXPECT_EQ(config.at("linux").at("resources").at("memory"), (json::value{{"limit", 64 << 20}}));
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("hugetlb")));
}

TEST_F(BuildSpec, BadResourcesAreRefused) {
  using Resources = runtime::v1::LinuxContainerResources;
  const std::vector<std::function<void(Resources&)>> cases = {
      [](Resources& r) { r.set_cpu_shares(-1); },
      [](Resources& r) { r.set_cpu_period(-1); },
      [](Resources& r) { r.set_memory_limit_in_bytes(-5); },
      [](Resources& r) { r.set_memory_limit_in_bytes(100), r.set_memory_swap_limit_in_bytes(50); },
      [](Resources& r) { r.set_memory_swap_limit_in_bytes(-2); },
      [](Resources& r) { r.set_cpuset_cpus("0\n1"); },
      [](Resources& r) { r.set_cpuset_mems("all"); },
      [](Resources& r) { r.set_oom_score_adj(1001); },
      [](Resources& r) { r.set_oom_score_adj(-1001); },
      [](Resources& r) { r.add_hugepage_limits()->set_page_size("2M"); },
      [](Resources& r) { r.add_hugepage_limits()->set_page_size("../2MB"); },
  };
  for (std::size_t i = 0; i < cases.size(); ++i) {
    resources().Clear();
    cases[i](resources());
    EXPECT_NE(refusal(Code::invalid_argument), "") << i;
  }
}

TEST_F(BuildSpec, UnifiedKeysAreControllerFiles) {
  (*resources().mutable_unified())["memory.high"] = "1000000";
  (*resources().mutable_unified())["hugetlb.2MB.max"] = "0";
  EXPECT_NE(refusal(Code::failed_precondition), "") << "v1 has no such files";
  node.cgroup_v2 = true;
  EXPECT_EQ(config().at("linux").at("resources").at("unified"),
            (json::value{{"hugetlb.2MB.max", "0"}, {"memory.high", "1000000"}}));
  for (const char* key :
       {"cgroup.procs", "memory", "memory.", "../memory.max", "memory/max", "", "devices.allow", "memory.max\n"}) {
    resources().mutable_unified()->clear();
    (*resources().mutable_unified())[key] = "1";
    EXPECT_NE(refusal(Code::invalid_argument), "") << key;
  }
  resources().mutable_unified()->clear();
  (*resources().mutable_unified())["memory.max"] = "1\n2";
  EXPECT_NE(refusal(Code::invalid_argument), "");
}

TEST_F(BuildSpec, WithoutSysResourceValuesAreClampedAndSaid) {
  node.cap_sys_resource = false;
  node.min_oom_score_adj = 0;
  node.hard_limits = {{"RLIMIT_NOFILE", 1024}};
  resources().set_oom_score_adj(-997);
  rlimits = {{"RLIMIT_NOFILE", 4096, 8192}, {"RLIMIT_NPROC", 10, 20}};
  const json::object config = this->config();
  EXPECT_EQ(config.at("process").at("oomScoreAdj"), 0);
  EXPECT_EQ(process.oom_score_adj, 0);
  EXPECT_EQ(config.at("process").at("rlimits").at(0),
            (json::value{{"type", "RLIMIT_NOFILE"}, {"hard", 1024}, {"soft", 1024}}));
  EXPECT_EQ(process.rlimits[1], (Rlimit{"RLIMIT_NPROC", 10, 20}));
  EXPECT_EQ(warnings.size(), 2U);
  node.cap_sys_resource = true;
  EXPECT_EQ(this->config().at("process").at("oomScoreAdj"), -997);
  EXPECT_THAT(warnings, IsEmpty());
}

TEST_F(BuildSpec, RlimitsOfUnknownNameAreRefused) {
  rlimits = {{"NOFILE", 1, 1}};
  EXPECT_NE(refusal(Code::invalid_argument), "");
  rlimits = {{"RLIMIT_NOFILE", 2, 1}};
  EXPECT_NE(refusal(Code::invalid_argument), "");
}

TEST_F(BuildSpec, SelinuxLabelsAreRefusedOnlyWhereTheyWouldMeanSomething) {
  security().mutable_selinux_options()->set_type("container_t");
  EXPECT_TRUE(build());
  node.selinux = true;
  EXPECT_THAT(refusal(Code::unimplemented), HasSubstr("seLinuxOptions"));
  security().clear_selinux_options();
  EXPECT_TRUE(build());
}

TEST_F(BuildSpec, AppArmorIsPassedWhereTheNodeHasIt) {
  security().mutable_apparmor()->set_profile_type(runtime::v1::SecurityProfile::RuntimeDefault);
  EXPECT_FALSE(config().at("process").as_object().contains("apparmorProfile"));
  security().mutable_apparmor()->set_profile_type(runtime::v1::SecurityProfile::Localhost);
  security().mutable_apparmor()->set_localhost_ref("my-profile");
  EXPECT_THAT(refusal(Code::failed_precondition), HasSubstr("my-profile"));
  node.apparmor = true;
  EXPECT_EQ(config().at("process").at("apparmorProfile"), "my-profile");
  EXPECT_EQ(process.apparmor_profile, "my-profile");
  for (const char* bad : {"", "a b", "a\nb", "localhost/"}) {
    security().mutable_apparmor()->set_localhost_ref(bad);
    EXPECT_NE(refusal(Code::invalid_argument), "") << bad;
  }
}

TEST_F(BuildSpec, SeccompWithoutKernelSupportIsNeverSilentlyDropped) {
  node.seccomp = false;
  seccomp = std::shared_ptr<const SeccompProfile>(std::shared_ptr<void>(), &default_seccomp_profile());
  EXPECT_FALSE(linux_of(config()).contains("seccomp"));
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("seccomp")));
  security().mutable_seccomp()->set_profile_type(runtime::v1::SecurityProfile::Localhost);
  EXPECT_NE(refusal(Code::failed_precondition), "");
}

TEST_F(BuildSpec, WhatIsNotSupportedSaysSo) {
  security().mutable_namespace_options()->mutable_userns_options()->set_mode(runtime::v1::NODE);
  config();
  security().mutable_namespace_options()->mutable_userns_options()->set_mode(runtime::v1::POD);
  EXPECT_THAT(refusal(Code::unimplemented), HasSubstr("user namespaces"));
  security().clear_namespace_options();
  container.add_cdi_devices()->set_name("vendor.example/gpu=0");
  EXPECT_THAT(refusal(Code::unimplemented), HasSubstr("vendor.example/gpu=0"));
}

TEST_F(BuildSpec, UnknownCapabilityIsNamed) {
  security().mutable_capabilities()->add_add_capabilities("NET_ADMINS");
  EXPECT_THAT(refusal(Code::invalid_argument), HasSubstr("NET_ADMINS"));
}

TEST_F(BuildSpec, EqualInputGivesEqualText) {
  for (int i = 0; i < 20; ++i) (*resources().mutable_unified())[fmt::format("memory.k{}", i)] = "1";
  node.cgroup_v2 = true;
  const auto first = build();
  const runtime::v1::ContainerConfig copy = container;
  container.Clear();
  container.ParseFromString(copy.SerializeAsString());
  EXPECT_EQ(build()->config_json, first->config_json);
}

} // namespace
} // namespace keelson::cri::test
