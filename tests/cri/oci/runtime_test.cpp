// Built specs in the hands of real OCI runtimes: what the kernel says of the container is what was asked.
#include "base/file.hpp"
#include "base/process.hpp"
#include "base/random.hpp"
#include "base/text.hpp"
#include "cri/oci/capabilities.hpp"
#include "cri/oci/rootfs_guard.hpp"
#include "cri/oci/seccomp_compiler.hpp"
#include "tests/cri/oci/spec_fixture.hpp"
#include "tests/support/requirements.hpp"
#include "tests/support/temp_dir.hpp"

#include <gmock/gmock.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>

namespace keelson::cri::test {
namespace {

using keelson::test::TempDir;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kCgroupParent = "keelson-test-oci";

struct RuntimeFixture : SpecFixture {
  virtual std::string runtime_name() const { return "runc"; }

  void SetUp() override {
    KEELSON_REQUIRE(keelson::test::is_root(), "needs root");
    KEELSON_REQUIRE(keelson::test::has_program(runtime_name()), runtime_name() + " is not installed");
    node = detect_node_facts(keelson::test::has_unified_cgroups());
    namespaces = {};
    cgroup_parent = fmt::format("{}-{}", kCgroupParent, random_hex(4));
    make_rootfs();
    shell("true");
    use_default_seccomp();
  }

  void TearDown() override {
    const auto controllers = list_dir("/sys/fs/cgroup");
    if (!controllers || cgroup_parent.empty()) return;
    std::vector<std::string> parents = {"/sys/fs/cgroup/" + cgroup_parent};
    for (const std::string& controller : *controllers)
      parents.push_back(fmt::format("/sys/fs/cgroup/{}/{}", controller, cgroup_parent));
    for (const std::string& parent : parents) {
      ::rmdir(parent.c_str());
      EXPECT_FALSE(exists(parent)) << "cgroup left behind";
    }
  }

  void make_rootfs() {
    for (const char* name : {"bin", "etc", "tmp", "root"}) ASSERT_TRUE(make_dirs(rootfs(name), 0755));
    ASSERT_EQ(::chmod(rootfs("tmp").c_str(), 01777), 0);
    ASSERT_TRUE(check_output({"cp", "/bin/busybox", rootfs("bin/busybox")}));
    ASSERT_TRUE(check_output({"cp", KEELSON_SYSCALL_PROBE, rootfs("bin/probe")}));
    for (const char* name : {"sh", "id", "cat", "env", "ls", "mknod", "touch", "dd", "pwd", "stat", "ulimit"})
      ASSERT_EQ(::symlink("busybox", rootfs("bin/" + std::string(name)).c_str()), 0);
    image.env = {"PATH=/bin"};
  }

  std::string rootfs(const std::string& name) const { return dir / ("rootfs/" + name); }

  void use_default_seccomp() {
    seccomp = std::shared_ptr<const SeccompProfile>(std::shared_ptr<void>(), &default_seccomp_profile());
  }

  void shell(const std::string& script) {
    container.clear_command();
    for (const std::string& word : {std::string("/bin/sh"), std::string("-c"), script}) container.add_command(word);
  }

  Result<RunOutput> try_run() {
    const std::string id = "t" + random_hex(6);
    const std::string rootfs_path = dir / "rootfs";
    const std::string cgroup = fmt::format("/{}/{}", cgroup_parent, id);
    SpecInput in = input();
    in.rootfs = rootfs_path;
    in.cgroups_path = cgroup;
    TRY_ASSIGN(const BuiltSpec built, build_spec(in));
    process = built.process;
    TRY_ASSIGN(const UniqueFd root, open_dir(rootfs_path));
    TRY(prepare_rootfs(root.get(), rootfs_plan(built, image, container.linux().security_context().privileged())));
    TRY(write_file_atomic(dir / "config.json", built.config_json));
    SpawnOptions options;
    options.argv = {runtime_name(), "--root", dir / "state", "run", "--bundle", dir.path(), id};
    auto output = run_command(std::move(options), {Deadline::after(std::chrono::seconds(60)), 1 << 20});
    EXPECT_FALSE(exists(dir / ("state/" + id))) << "the container was left behind";
    return output;
  }

  // Standard output of a run that must succeed.
  std::string run() {
    auto output = try_run();
    if (!output) {
      ADD_FAILURE() << output.error().message;
      return {};
    }
    EXPECT_TRUE(output->status.success()) << output->err << output->out;
    return output->out + output->err;
  }

  std::map<std::string, std::string> status() {
    shell("cat /proc/self/status");
    std::map<std::string, std::string> fields;
    const std::string text = run();
    for (const std::string_view line : split(text, '\n')) {
      const std::size_t colon = line.find(':');
      if (colon != std::string_view::npos) fields.emplace(line.substr(0, colon), trim(line.substr(colon + 1)));
    }
    return fields;
  }

  TempDir dir;
  std::string cgroup_parent;
};

std::string hex(std::uint64_t mask) {
  return fmt::format("{:016x}", mask);
}

using Runc = RuntimeFixture;

TEST_F(Runc, ConfinementIsInTheKernel) {
  security().set_no_new_privs(true);
  auto fields = status();
  EXPECT_EQ(fields["Seccomp"], "2");
  EXPECT_EQ(fields["NoNewPrivs"], "1");
  const std::uint64_t caps = default_capabilities() & node.bounding;
  EXPECT_EQ(fields["CapEff"], hex(caps));
  EXPECT_EQ(fields["CapPrm"], hex(caps));
  EXPECT_EQ(fields["CapBnd"], hex(caps));
  EXPECT_EQ(fields["CapInh"], hex(0));
  EXPECT_EQ(fields["CapAmb"], hex(0));
}

TEST_F(Runc, CapabilitiesAreThoseAskedFor) {
  security().mutable_capabilities()->add_drop_capabilities("ALL");
  security().mutable_capabilities()->add_add_capabilities("NET_BIND_SERVICE");
  security().mutable_capabilities()->add_add_capabilities("KILL");
  security().mutable_capabilities()->add_add_ambient_capabilities("KILL");
  user.uid = 1000;
  user.gid = 3000;
  user.additional_gids = {3000, 4000};
  auto fields = status();
  EXPECT_EQ(fields["CapBnd"], hex(process.capabilities.bounding));
  EXPECT_EQ(fields["CapBnd"], hex(1U << 10 | 1U << 5));
  EXPECT_EQ(fields["CapAmb"], hex(1U << 5));
  EXPECT_EQ(fields["CapEff"], hex(1U << 5)) << "an unprivileged user keeps only ambient capabilities through exec";
}

// CVE-2023-25173
TEST_F(Runc, GroupsAreExactlyThePrimaryAndTheRequested) {
  user.uid = 1000;
  user.gid = 3000;
  user.additional_gids = {3000, 4000, 5000};
  shell("id -u; id -G");
  EXPECT_EQ(run(), "1000\n3000 4000 5000\n");
}

TEST_F(Runc, DefaultSeccompProfileHolds) {
  container.clear_command();
  container.add_command("/bin/probe");
  EXPECT_EQ(run(), "mkdir 0\nunshare 1\nkeyctl 1\nclone3 38\nvsock 1\ninet 0\nmount 1\nio_uring 1\nnewer 38\nptrace 0\n"
                   "fds 0 1 2\n");
}

TEST_F(Runc, UnconfinedHasNoFilter) {
  seccomp = nullptr;
  EXPECT_EQ(status()["Seccomp"], "0");
}

TEST_F(Runc, MaskedAndReadOnlyPathsHold) {
  for (const std::string& path : default_masked_paths(2)) security().add_masked_paths(path);
  for (const std::string& path : default_readonly_paths()) security().add_readonly_paths(path);
  const std::string before = *read_file("/proc/sys/kernel/core_pattern");
  shell("cat /proc/interrupts /proc/timer_list; for f in /proc/sys/kernel/core_pattern /proc/sysrq-trigger; do "
        "(echo x > $f) 2>&1; done; true");
  const std::string out = run();
  EXPECT_THAT(out, HasSubstr("core_pattern: Read-only file system"));
  if (exists("/proc/sysrq-trigger")) {
    EXPECT_THAT(out, HasSubstr("sysrq-trigger: Read-only file system"));
  }
  EXPECT_THAT(out, Not(HasSubstr("CPU0")));
  EXPECT_EQ(*read_file("/proc/sys/kernel/core_pattern"), before);
}

// CVE-2025-31133: what the image has at /dev/null is not what masks.
TEST_F(Runc, DevNullOfTheImageLeadsNowhere) {
  const std::string before = *read_file("/proc/sys/kernel/core_pattern");
  ASSERT_TRUE(make_dirs(rootfs("dev"), 0755));
  ASSERT_EQ(::symlink("/proc/sys/kernel/core_pattern", rootfs("dev/null").c_str()), 0);
  security().add_masked_paths("/proc/timer_list");
  security().add_readonly_paths("/proc/sys");
  shell("echo pwned > /proc/timer_list; echo pwned > /dev/null; stat -c %F /dev/null");
  const auto output = try_run();
  ASSERT_TRUE(output) << output.error().message;
  EXPECT_THAT(output->out, HasSubstr("character special file"));
  EXPECT_EQ(*read_file("/proc/sys/kernel/core_pattern"), before);
}

// CVE-2026-41579
TEST_F(Runc, DevLinkOfTheImageIsRefusedBeforeTheRuntimeRuns) {
  ASSERT_EQ(::symlink("/etc", rootfs("dev").c_str()), 0);
  const auto before = *list_dir("/etc");
  const auto output = try_run();
  ASSERT_FALSE(output);
  EXPECT_THAT(output.error().message, HasSubstr("/dev"));
  EXPECT_EQ(*list_dir("/etc"), before);
}

// CVE-2024-5154
TEST_F(Runc, GeneratedFilesLandInsideWhereverEtcLeads) {
  ASSERT_EQ(::rmdir(rootfs("etc").c_str()), 0);
  ASSERT_EQ(::symlink("../../../../../..", rootfs("etc").c_str()), 0);
  ASSERT_TRUE(write_file_atomic(dir / "hosts", "10.0.0.1 web\n"));
  generated.hosts = dir / "hosts";
  shell("cat /hosts");
  EXPECT_EQ(run(), "10.0.0.1 web\n");
  EXPECT_FALSE(exists("/hosts"));
}

TEST_F(Runc, MountsHoldTheirAccessAndOrder) {
  ASSERT_TRUE(make_dirs(dir / "volume/sub", 0755));
  ASSERT_TRUE(write_file_atomic(dir / "hosts", "127.0.0.1 here\n", 0644));
  ASSERT_TRUE(write_file_atomic(dir / "volume/sub/hidden", "hidden"));
  ASSERT_TRUE(make_dirs(dir / "inner", 0755));
  generated.hosts = dir / "hosts";
  auto* inner = container.add_mounts();
  inner->set_container_path("/data/sub");
  inner->set_host_path(dir / "inner");
  auto* outer = container.add_mounts();
  outer->set_container_path("/data");
  outer->set_host_path(dir / "volume");
  outer->set_readonly(true);
  security().set_readonly_rootfs(true);
  shell("cat /etc/hosts; ls /data/sub; touch /data/sub/made; (touch /data/x /x /etc/hosts) 2>&1; touch /dev/shm/ok; "
        "true");
  const std::string out = run();
  EXPECT_THAT(out, HasSubstr("127.0.0.1 here"));
  EXPECT_THAT(out, Not(HasSubstr("hidden")));
  EXPECT_THAT(out, HasSubstr("/data/x: Read-only file system"));
  EXPECT_THAT(out, HasSubstr("/x: Read-only file system"));
  EXPECT_TRUE(exists(dir / "inner/made"));
}

TEST_F(Runc, DevicesAreLimitedToThoseGiven) {
  devices = {{"/dev/hole", 'c', 1, 3, 0666, 0, 0, "rw"}};
  shell("echo x > /dev/hole && stat -c %t:%T /dev/hole; mknod /tmp/mem c 1 1; dd if=/tmp/mem count=1 2>&1; true");
  const std::string out = run();
  EXPECT_THAT(out, HasSubstr("1:3\n"));
  EXPECT_THAT(out, HasSubstr("Operation not permitted"));
}

TEST_F(Runc, PrivilegedIsWhatTheNodeHas) {
  make_privileged();
  seccomp = nullptr;
  auto fields = status();
  EXPECT_EQ(fields["Seccomp"], "0");
  EXPECT_EQ(fields["CapEff"], hex(((std::uint64_t{1} << 41) - 1) & node.bounding));
  shell("mknod /tmp/mem c 1 1 && stat -c %n /tmp/mem; cat /proc/mounts");
  EXPECT_THAT(run(), HasSubstr("sysfs /sys sysfs rw"));
}

TEST_F(Runc, ScoreLimitsAndDirectoryArrive) {
  resources().set_oom_score_adj(-998);
  rlimits = {{"RLIMIT_NOFILE", 100, 200}};
  container.set_working_dir("/made/by/runtime");
  shell("cat /proc/self/oom_score_adj; ulimit -n; ulimit -Hn; pwd");
  EXPECT_EQ(run(),
            fmt::format("{}\n100\n200\n/made/by/runtime\n", node.cap_sys_resource ? -998 : node.min_oom_score_adj));
}

// CVE-2022-4318
TEST_F(Runc, NewlinesInTheEnvironmentMakeNoLines) {
  ASSERT_TRUE(write_file_atomic(rootfs("etc/passwd"), "root:x:0:0::/root:/bin/sh\n", 0644));
  auto* variable = container.add_envs();
  variable->set_key("HOME");
  variable->set_value("/root\nevil::0:0::/:/bin/sh");
  shell("cat /etc/passwd; echo \"$HOME\"");
  EXPECT_EQ(run(), "root:x:0:0::/root:/bin/sh\n/root\nevil::0:0::/:/bin/sh\n");
}

// CVE-2024-21626: a link to a descriptor of the runtime is no working directory.
TEST_F(Runc, NoWorkingDirectoryLeadsToTheHost) {
  for (int fd = 3; fd <= 16; ++fd) {
    const std::string name = fmt::format("fd{}", fd);
    ASSERT_EQ(::symlink(fmt::format("/proc/self/fd/{}", fd).c_str(), rootfs(name).c_str()), 0);
    container.set_working_dir("/" + name);
    const auto output = try_run();
    ASSERT_FALSE(output) << fd;
    EXPECT_THAT(output.error().message, HasSubstr("/proc/self/fd"));
  }
}

TEST_F(Runc, PrivilegedDevicesAreTheHosts) {
  make_privileged();
  seccomp = nullptr;
  devices = *resolve_devices(container);
  shell("ls /dev");
  const std::string out = run();
  for (const HostDevice& device : devices) {
    const std::string name = device.container_path.substr(5);
    if (name.find('/') != std::string::npos) continue;
    EXPECT_THAT(out, HasSubstr(name));
  }
}

TEST_F(Runc, ResourcesReachTheCgroup) {
  KEELSON_REQUIRE(!node.cgroup_v2, "reads files of cgroup v1");
  resources().set_memory_limit_in_bytes(64 << 20);
  resources().set_cpu_shares(512);
  resources().set_cpu_quota(50000);
  resources().set_cpu_period(100000);
  pids_limit = 77;
  shell("for f in memory/memory.limit_in_bytes cpu/cpu.shares cpu/cpu.cfs_quota_us pids/pids.max; do cat "
        "/sys/fs/cgroup/$f; done");
  EXPECT_EQ(run(), "67108864\n512\n50000\n77\n");
}

struct Crun : RuntimeFixture {
  std::string runtime_name() const override { return "crun"; }
  void SetUp() override {
    KEELSON_NEEDS_VM(keelson::test::has_unified_cgroups(), "crun refuses hybrid cgroups");
    RuntimeFixture::SetUp();
  }
};

TEST_F(Crun, ConfinementIsInTheKernel) {
  auto fields = status();
  EXPECT_EQ(fields["Seccomp"], "2");
  EXPECT_EQ(fields["CapEff"], hex(default_capabilities() & node.bounding));
}

TEST_F(Crun, DefaultSeccompProfileHolds) {
  container.clear_command();
  container.add_command("/bin/probe");
  const std::string out = run();
  EXPECT_THAT(out, HasSubstr("unshare 1\nkeyctl 1\nclone3 38\nvsock 1\ninet 0\nmount 1\nio_uring 1\n"));
}

TEST(ProbeRuntime, ReportsTheInstalledOne) {
  KEELSON_REQUIRE(keelson::test::has_program("runc"), "runc is not installed");
  const auto info = probe_runtime("runc");
  ASSERT_TRUE(info) << info.error().message;
  EXPECT_EQ(info->version.name, "runc");
  EXPECT_TRUE(at_least(info->version, 1, 0, 0));
  const auto missing = probe_runtime("/nonexistent/runc");
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr("install"));
}

} // namespace
} // namespace keelson::cri::test
