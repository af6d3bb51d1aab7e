// How containers are confined, as the kernel shows it.
#include "base/file.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "tests/support/requirements.hpp"
#include "tests/system/node_fixture.hpp"

#include <gmock/gmock.h>
#include <sys/mount.h>

#include <algorithm>

namespace keelson::test {

namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int kInvalidArgument = 3;

// CAP_CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, NET_RAW, SYS_CHROOT, MKNOD,
// AUDIT_WRITE, SETFCAP: what containers get by default.
constexpr const char* kDefaultCapabilities = "00000000a80425fb";

class Confinement : public NodeTest {
 protected:
  void SetUp() override {
    NodeTest::SetUp();
    if (!IsSkipped() && !HasFatalFailure()) pod_ = use().run_pod("confined");
  }
  json::object& security(json::object& config) { return at(config, "linux.security_context"); }
  // Runs a sleeper that is confined as given, and returns its id.
  std::string sleeper(const std::string& name, const json::object& confinement) {
    auto config = container_config(name, "sleep 1000");
    security(config) = confinement;
    return use().run(pod_, config);
  }
  std::string pod_;
};

TEST_F(Confinement, UserAndGroupsAreExactlyThose) {
  const auto ids = [&](const std::string& name, const json::object& confinement) {
    const std::string id = sleeper(name, confinement);
    const pid_t pid = use().pid_of(id);
    EXPECT_EQ(use().exec(id, {"id", "-u"}).out,
              proc_status(pid, "Uid").substr(0, proc_status(pid, "Uid").find('\t')) + "\n");
    const std::string status = proc_status(pid, "Groups");
    std::vector<std::string> groups;
    for (const auto word : split_words(status)) groups.emplace_back(word);
    return fmt::format("{}:{}:{}", split_words(proc_status(pid, "Uid"))[0], split_words(proc_status(pid, "Gid"))[0],
                       join(groups, ","));
  };
  EXPECT_EQ(ids("numeric", {{"run_as_user", {{"value", 4321}}}, {"run_as_group", {{"value", 44}}}}), "4321:44:44");
  EXPECT_EQ(ids("name", {{"run_as_username", "app"}}), "1000:1000:1000,2000");
  EXPECT_EQ(ids("groups", {{"run_as_user", {{"value", 1000}}}, {"supplemental_groups", {7, 8}}}),
            "1000:1000:7,8,1000,2000");
  EXPECT_EQ(ids("strict", {{"run_as_user", {{"value", 1000}}},
                           {"supplemental_groups", {7, 8}},
                           {"supplemental_groups_policy", "Strict"}}),
            "1000:1000:7,8,1000");
}

TEST_F(Confinement, CapabilitiesAreTheDefaultOnesAddedAndDropped) {
  const std::string plain = sleeper("plain", {});
  for (const char* set : {"CapEff", "CapPrm", "CapBnd"})
    EXPECT_EQ(proc_status(use().pid_of(plain), set), kDefaultCapabilities) << set;
  for (const char* set : {"CapInh", "CapAmb"})
    EXPECT_EQ(proc_status(use().pid_of(plain), set), "0000000000000000") << set;
  const std::string changed = sleeper(
      "changed", {{"capabilities", {{"add_capabilities", {"NET_ADMIN"}}, {"drop_capabilities", {"CHOWN", "KILL"}}}}});
  EXPECT_EQ(proc_status(use().pid_of(changed), "CapEff"), "00000000a80435da");
  const std::string none = sleeper("none", {{"capabilities", {{"drop_capabilities", json::array{"ALL"}}}}});
  EXPECT_EQ(proc_status(use().pid_of(none), "CapBnd"), "0000000000000000");
  const std::string user = sleeper("user", {{"run_as_user", {{"value", 1000}}}});
  EXPECT_EQ(proc_status(use().pid_of(user), "CapEff"), "0000000000000000");
  EXPECT_EQ(proc_status(use().pid_of(user), "CapBnd"), kDefaultCapabilities);
  auto bad = container_config("bad", "true");
  security(bad)["capabilities"] = json::object{{"add_capabilities", json::array{"FLY"}}};
  EXPECT_EQ(use().code("CreateContainer", {{"pod_sandbox_id", pod_}, {"config", bad}}), kInvalidArgument);
}

TEST_F(Confinement, SeccompAndNoNewPrivilegesAreOn) {
  const std::string filtered =
      sleeper("filtered", {{"seccomp", {{"profile_type", "RuntimeDefault"}}}, {"no_new_privs", true}});
  EXPECT_EQ(proc_status(use().pid_of(filtered), "Seccomp"), "2");
  EXPECT_EQ(proc_status(use().pid_of(filtered), "NoNewPrivs"), "1");
  const std::string open = sleeper("open", {{"seccomp", {{"profile_type", "Unconfined"}}}});
  EXPECT_EQ(proc_status(use().pid_of(open), "Seccomp"), "0");
  EXPECT_EQ(proc_status(use().pid_of(open), "NoNewPrivs"), "0");
  for (const char* bad : {"", "no/such/profile.json"}) {
    auto config = container_config("bad", "true");
    security(config)["seccomp"] = json::object{{"profile_type", "Localhost"}, {"localhost_ref", bad}};
    EXPECT_NE(use().code("CreateContainer", {{"pod_sandbox_id", pod_}, {"config", config}}), 0) << bad; // CVE-2023-2431
  }
}

TEST_F(Confinement, ALocalhostProfileIsEnforced) {
  const std::string profile = node().dir() + "/profile.json";
  ASSERT_TRUE(write_file_atomic(
      profile,
      R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":1}]})"));
  auto config = container_config("c", "mkdir /tmp/x 2>/dev/null || echo refused");
  security(config)["seccomp"] = json::object{{"profile_type", "Localhost"}, {"localhost_ref", profile}};
  EXPECT_EQ(use().output(pod_, config), "refused\n");
}

TEST_F(Confinement, ExecIsConfinedAsTheContainerIs) {
  const std::string id = sleeper("same", {{"run_as_user", {{"value", 1000}}},
                                          {"no_new_privs", true},
                                          {"capabilities", {{"drop_capabilities", json::array{"CHOWN"}}}}});
  const std::string inside = use().exec(id, {"cat", "/proc/self/status"}).out;
  const pid_t pid = use().pid_of(id);
  for (const char* key :
       {"Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp"}) {
    const std::string wanted = proc_status(pid, key);
    std::string found = "<absent>";
    for (const auto line : split(inside, '\n'))
      if (line.starts_with(std::string(key) + ":")) found = trim(line.substr(std::string(key).size() + 1));
    EXPECT_EQ(found, wanted) << key;
  }
  // Each exec is tracked in a cgroup below the container's, on v1 of the freezer alone; everything else is the
  // container's.
  const auto cgroups = [&](const char* who) {
    return use().exec_shell(id, fmt::format("sed 's,/keelson-exec-[0-9]*,,; s,:$,:/,' /proc/{}/cgroup", who)).out;
  };
  EXPECT_EQ(cgroups("self"), cgroups("1"));
}

TEST_F(Confinement, PathsAreMaskedAndReadOnly) {
  auto config = container_config("paths", "sleep 1000");
  security(config)["masked_paths"] = json::array{"/proc/keys", "/proc/timer_list", "/sys/firmware"};
  security(config)["readonly_paths"] = json::array{"/proc/sys", "/proc/bus"};
  const std::string id = use().run(pod_, config);
  EXPECT_EQ(use().exec_shell(id, "cat /proc/timer_list | wc -c").out, "0\n");
  EXPECT_NE(use().exec_shell(id, "echo 1 > /proc/sys/kernel/domainname").exit_code, 0);
  EXPECT_EQ(use().exec_shell(id, "grep -c ' /proc/sys .*ro,' /proc/mounts").out, "1\n");
}

TEST_F(Confinement, TheRootIsReadOnlyOnRequest) {
  auto config = container_config("c", "sleep 1000");
  security(config)["readonly_rootfs"] = true;
  const std::string id = use().run(pod_, config);
  EXPECT_NE(use().exec_shell(id, "touch /file").exit_code, 0);
  EXPECT_EQ(use().exec_shell(id, "touch /dev/shm/file").exit_code, 0);
}

TEST_F(Confinement, PrivilegedSeesTheNodesDevicesAndHasEveryCapability) {
  auto pod = pod_config("privileged");
  at(pod, "linux.security_context")["privileged"] = true;
  const std::string sandbox = use().run_pod(pod);
  auto config = container_config("c", "sleep 1000");
  security(config)["privileged"] = true;
  const std::string id = use().run(sandbox, config);
  EXPECT_EQ(proc_status(use().pid_of(id), "CapEff"), proc_status(node().pid(), "CapEff"));
  EXPECT_EQ(proc_status(use().pid_of(id), "Seccomp"), "0");
  EXPECT_EQ(use().exec_shell(id, "test -c /dev/kmsg && echo there").out, "there\n");
  EXPECT_EQ(use().exec_shell(id, "mount -t tmpfs x /tmp && echo mounted").out, "mounted\n");
}

TEST_F(Confinement, DevicesAreThoseAskedFor) {
  const char* const candidates[] = {"/dev/fuse", "/dev/vda", "/dev/sda", "/dev/nvme0n1", "/dev/ubda"};
  const auto* const device = std::find_if(std::begin(candidates), std::end(candidates), exists);
  KEELSON_REQUIRE(device != std::end(candidates), "needs a device that no container has by itself");
  auto config = container_config("c", "sleep 1000");
  config["devices"] =
      json::array{json::object{{"host_path", *device}, {"container_path", "/dev/given"}, {"permissions", "r"}}};
  const std::string id = use().run(pod_, config);
  EXPECT_EQ(use().exec_shell(id, "exec 3</dev/given").exit_code, 0);
  EXPECT_NE(use().exec_shell(id, "exec 3>/dev/given").exit_code, 0); // the device cgroup has no w
  EXPECT_NE(use().exec_shell(id, "test -e /dev/kmsg -o -e /dev/mem").exit_code, 0);
}

TEST_F(Confinement, MountsAreReadOnlyOrNotAndPropagateAsAsked) {
  const std::string base = node().dir() + "/mounts";
  for (const char* dir : {"/rw", "/ro", "/slave", "/shared"}) ASSERT_TRUE(make_dirs(base + dir, 0755));
  ASSERT_EQ(::mount("tmpfs", (base + "/shared").c_str(), "tmpfs", 0, nullptr), 0);
  ASSERT_EQ(::mount(nullptr, (base + "/shared").c_str(), nullptr, MS_SHARED, nullptr), 0);
  ASSERT_TRUE(make_dirs(base + "/shared/sub", 0755));
  auto config = container_config("c", "sleep 1000");
  config["mounts"] =
      json::array{json::object{{"host_path", base + "/rw"}, {"container_path", "/mnt/rw"}},
                  json::object{{"host_path", base + "/ro"}, {"container_path", "/mnt/ro"}, {"readonly", true}},
                  json::object{{"host_path", base + "/shared"}, {"container_path", "/mnt/private"}},
                  json::object{{"host_path", base + "/shared"},
                               {"container_path", "/mnt/slave"},
                               {"propagation", "PROPAGATION_HOST_TO_CONTAINER"}}};
  const std::string id = use().run(pod_, config);
  EXPECT_EQ(use().exec_shell(id, "echo x > /mnt/rw/file").exit_code, 0);
  EXPECT_EQ(content(base + "/rw/file"), "x");
  EXPECT_NE(use().exec_shell(id, "echo x > /mnt/ro/file").exit_code, 0);
  ASSERT_EQ(::mount("tmpfs", (base + "/shared/sub").c_str(), "tmpfs", 0, nullptr), 0);
  ASSERT_TRUE(write_file_atomic(base + "/shared/sub/late", "late"));
  EXPECT_EQ(use().exec_shell(id, "cat /mnt/slave/sub/late").out, "late");
  EXPECT_NE(use().exec_shell(id, "test -e /mnt/private/sub/late").exit_code, 0);
  EXPECT_EQ(text(use().status(id), "/mounts/1/readonly"), "true");
  // What is not there is made, a directory, as containerd and CRI-O do.
  auto absent = container_config("absent", "ls -d /mnt");
  absent["mounts"] = json::array{json::object{{"host_path", base + "/none"}, {"container_path", "/mnt"}}};
  EXPECT_EQ(use().output(pod_, absent), "/mnt\n");
  EXPECT_TRUE(exists(base + "/none"));
  for (const char* mounted : {"/shared/sub", "/shared"}) EXPECT_EQ(::umount2((base + mounted).c_str(), MNT_DETACH), 0);
}

TEST_F(Confinement, BidirectionalMountsReachTheNode) {
  const std::string base = node().dir() + "/bidirectional";
  ASSERT_TRUE(make_dirs(base, 0755));
  ASSERT_EQ(::mount("tmpfs", base.c_str(), "tmpfs", 0, nullptr), 0);
  ASSERT_EQ(::mount(nullptr, base.c_str(), nullptr, MS_SHARED, nullptr), 0);
  ASSERT_TRUE(make_dirs(base + "/sub", 0755));
  auto config = container_config("c", "sleep 1000");
  security(config)["privileged"] = true;
  config["mounts"] = json::array{
      json::object{{"host_path", base}, {"container_path", "/mnt"}, {"propagation", "PROPAGATION_BIDIRECTIONAL"}}};
  auto pod = pod_config("bidirectional");
  at(pod, "linux.security_context")["privileged"] = true;
  const std::string id = use().run(use().run_pod(pod), config);
  const auto mounted = use().exec_shell(id, "mount -t tmpfs x /mnt/sub && echo seen > /mnt/sub/file");
  EXPECT_EQ(mounted.exit_code, 0) << mounted.err;
  EXPECT_EQ(content(base + "/sub/file"), "seen");
  for (const std::string& place : {base + "/sub", base}) EXPECT_EQ(::umount2(place.c_str(), MNT_DETACH), 0) << place;
}

TEST_F(Confinement, GeneratedFilesFollowNoSymlinkOutOfTheRoot) {
  // An image whose /etc leads out of its root must not make files on the node: tests/cri/oci has such images. Here: a
  // container cannot reach the node's files by its own /etc/hosts mount.
  const std::string id = sleeper("files", {});
  EXPECT_EQ(use().exec_shell(id, "grep -c ' /etc/hosts ' /proc/mounts").out, "1\n");
  const std::string before = content("/etc/hosts");
  use().exec_shell(id, "echo 6.6.6.6 evil >> /etc/hosts");
  EXPECT_EQ(content("/etc/hosts"), before);
}

TEST_F(Confinement, LimitsAndOomScoreAreThoseOfTheRequest) {
  auto config = container_config("c", "sleep 1000");
  at(config, "linux")["resources"] = json::object{{"oom_score_adj", 500}};
  const std::string id = use().run(pod_, config);
  EXPECT_EQ(content(fmt::format("/proc/{}/oom_score_adj", use().pid_of(id))), "500");
  EXPECT_EQ(use().exec_shell(id, "cat /proc/self/oom_score_adj").out, "500\n");
  EXPECT_THAT(content(fmt::format("/proc/{}/limits", use().pid_of(id))), HasSubstr("Max open files"));
}

} // namespace

} // namespace keelson::test
