// Sandboxes: what a pod has before any container runs in it.
#include "base/file.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "tests/support/mounts.hpp"
#include "tests/support/poll_until.hpp"
#include "tests/system/node_fixture.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <thread>

namespace keelson::test {

namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;
using testing::UnorderedElementsAre;

constexpr int kInvalidArgument = 3;
constexpr int kAlreadyExists = 6;
constexpr int kFailedPrecondition = 9;

class Sandboxes : public NodeTest {
 protected:
  std::vector<std::string> list(const json::object& filter = {}) {
    std::vector<std::string> ids;
    const auto reply = use().ok("ListPodSandbox", {{"filter", filter}});
    for (const auto& item : reply.at("items").as_array()) ids.push_back(text(item, "/id"));
    return ids;
  }
  static json::object with_namespaces(const std::string& name, const json::object& options) {
    auto config = pod_config(name);
    at(config, "linux.security_context")["namespace_options"] = options;
    return config;
  }
};

TEST_F(Sandboxes, AreShownAsTheyWereAskedFor) {
  auto config = pod_config("shown");
  config["labels"] = json::object{{"app", "web"}, {"tier", "front"}};
  config["annotations"] = json::object{{"note", "a\nb"}};
  const std::string id = use().run_pod(config);
  const auto reply = use().ok("PodSandboxStatus", {{"pod_sandbox_id", id}});
  EXPECT_EQ(text(reply, "/status/id"), id);
  EXPECT_EQ(text(reply, "/status/state"), "SANDBOX_READY");
  EXPECT_EQ(text(reply, "/status/metadata/name"), "shown");
  EXPECT_EQ(text(reply, "/status/metadata/namespace"), "default");
  EXPECT_EQ(text(reply, "/status/labels/tier"), "front");
  EXPECT_EQ(text(reply, "/status/annotations/note"), "a\nb");
  EXPECT_EQ(text(reply, "/status/runtime_handler"), "runc");
  EXPECT_GT(number(reply, "/status/created_at"), 1'700'000'000'000'000'000); // nanoseconds
  const auto item = use().ok("ListPodSandbox").at("items").at(0);
  EXPECT_EQ(text(item, "/labels/app"), "web");
  EXPECT_EQ(text(item, "/annotations/note"), "a\nb");
  EXPECT_EQ(text(item, "/created_at"), text(reply, "/status/created_at"));
}

TEST_F(Sandboxes, AreListedByIdPrefixStateAndLabels) {
  auto web = pod_config("web");
  web["labels"] = json::object{{"app", "web"}, {"tier", "front"}};
  auto db = pod_config("db");
  db["labels"] = json::object{{"app", "db"}};
  const std::string first = use().run_pod(web);
  const std::string second = use().run_pod(db);
  EXPECT_THAT(list(), UnorderedElementsAre(first, second));
  EXPECT_THAT(list({{"id", first}}), ElementsAre(first));
  EXPECT_THAT(list({{"id", first.substr(0, 13)}}), ElementsAre(first));
  EXPECT_THAT(list({{"label_selector", {{"app", "web"}, {"tier", "front"}}}}), ElementsAre(first));
  EXPECT_THAT(list({{"label_selector", {{"app", "web"}, {"tier", "back"}}}}), ElementsAre());
  use().ok("StopPodSandbox", {{"pod_sandbox_id", second}});
  EXPECT_THAT(list({{"state", {{"state", "SANDBOX_NOTREADY"}}}}), ElementsAre(second));
  EXPECT_THAT(list({{"state", {{"state", "SANDBOX_READY"}}}}), ElementsAre(first));
}

TEST_F(Sandboxes, TheSameRequestTwiceAtOnceMakesOne) {
  const auto config = pod_config("once", "uid-once");
  std::string ids[2];
  {
    std::vector<std::thread> callers;
    for (std::string& id : ids)
      callers.emplace_back([&] {
        id = text(node().call("RunPodSandbox", {{"config", config}}).json, "/pod_sandbox_id");
      });
    for (auto& caller : callers) caller.join();
  }
  EXPECT_EQ(ids[0], ids[1]);
  EXPECT_THAT(list(), ElementsAre(ids[0]));
  use().ok("StopPodSandbox", {{"pod_sandbox_id", ids[0]}});
  EXPECT_EQ(use().code("RunPodSandbox", {{"config", config}}), kAlreadyExists);
  auto next = config;
  next["metadata"].as_object()["attempt"] = 1;
  EXPECT_NE(use().run_pod(next), ids[0]);
}

TEST_F(Sandboxes, StopEndsEverythingButTheRecordAndRemoveEndsThatToo) {
  const std::string id = use().run_pod("ends");
  const std::string container = use().run(id, "sleeper", "sleep 1000");
  const pid_t pid = use().pid_of(container);
  use().ok("StopPodSandbox", {{"pod_sandbox_id", id}});
  EXPECT_FALSE(exists(fmt::format("/proc/{}", pid)));
  EXPECT_EQ(text(use().ok("PodSandboxStatus", {{"pod_sandbox_id", id}}), "/status/state"), "SANDBOX_NOTREADY");
  EXPECT_EQ(text(use().status(container), "/state"), "CONTAINER_EXITED");
  for (const auto& point : mount_points()) EXPECT_THAT(point, Not(HasSubstr(id)));
  EXPECT_THAT(node_processes(node().cgroup_parent() + "-monitors"),
              testing::Each(testing::Field(&NodeProcess::program, "keelsond")));
  use().ok("StopPodSandbox", {{"pod_sandbox_id", id}});
  EXPECT_EQ(use().code("CreateContainer", {{"pod_sandbox_id", id}, {"config", container_config("late", "true")}}),
            kFailedPrecondition);
  use().ok("RemovePodSandbox", {{"pod_sandbox_id", id}});
  use().ok("RemovePodSandbox", {{"pod_sandbox_id", id}});
  EXPECT_THAT(list(), ElementsAre());
  EXPECT_THAT(use().ok("ListContainers").at("containers").as_array(), SizeIs(0)); // they go with their sandbox
}

TEST_F(Sandboxes, ContainersShareNetworkIpcAndUtsButNotPid) {
  const std::string id = use().run_pod("shared");
  const pid_t one = use().pid_of(use().run(id, "one", "sleep 1000"));
  const pid_t two = use().pid_of(use().run(id, "two", "sleep 1000"));
  for (const char* kind : {"ns/net", "ns/ipc", "ns/uts"}) {
    EXPECT_EQ(link_of(one, kind), link_of(two, kind)) << kind;
    EXPECT_NE(link_of(one, kind), link_of(::getpid(), kind)) << kind;
  }
  for (const char* kind : {"ns/pid", "ns/mnt"}) EXPECT_NE(link_of(one, kind), link_of(two, kind)) << kind;
  struct stat pinned {};
  ASSERT_EQ(::stat(text(use().pod_info(id), "/netns").c_str(), &pinned), 0);
  EXPECT_EQ(link_of(one, "ns/net"), fmt::format("net:[{}]", pinned.st_ino));
}

TEST_F(Sandboxes, SharePidNamespaceOnRequest) {
  const std::string id = use().run_pod(with_namespaces("pids", {{"pid", "POD"}}));
  auto config = container_config("one", "sleep 1000");
  at(config, "linux.security_context")["namespace_options"] = json::object{{"pid", "POD"}};
  const std::string one = use().run(id, config);
  config["metadata"].as_object()["name"] = "two";
  const std::string two = use().run(id, config);
  EXPECT_EQ(link_of(use().pid_of(one), "ns/pid"), link_of(use().pid_of(two), "ns/pid"));
  EXPECT_NE(link_of(use().pid_of(one), "ns/pid"), link_of(::getpid(), "ns/pid"));
  const auto seen = use().exec(one, {"ps", "-o", "args"});
  EXPECT_THAT(seen.out, HasSubstr("sleep 1000"));
  // Each sees the other, and neither is PID 1.
  EXPECT_EQ(use().exec_shell(two, "ps -o args | grep -c '^sleep 1000'").out, "2\n") << seen.out;
  EXPECT_THAT(use().exec_shell(one, "readlink /proc/1/exe").out, Not(HasSubstr("busybox")));
}

TEST_F(Sandboxes, TargetPidNamespaceJoinsAnotherContainer) {
  const std::string id = use().run_pod(with_namespaces("target", {{"pid", "CONTAINER"}}));
  const std::string main = use().run(id, "main", "sleep 1000");
  auto debugger = container_config("debugger", "sleep 1000");
  at(debugger, "linux.security_context")["namespace_options"] = json::object{{"pid", "TARGET"}, {"target_id", main}};
  const std::string helper = use().run(id, debugger);
  EXPECT_EQ(link_of(use().pid_of(main), "ns/pid"), link_of(use().pid_of(helper), "ns/pid"));
}

TEST_F(Sandboxes, HostNamespacesAreTheNodes) {
  const json::object host{{"network", "NODE"}, {"ipc", "NODE"}, {"pid", "NODE"}};
  const std::string id = use().run_pod(with_namespaces("host", host));
  auto config = container_config("c", "sleep 1000");
  at(config, "linux.security_context")["namespace_options"] = host;
  const std::string container = use().run(id, config);
  const pid_t pid = use().pid_of(container);
  for (const char* kind : {"ns/net", "ns/ipc", "ns/uts", "ns/pid"})
    EXPECT_EQ(link_of(pid, kind), link_of(::getpid(), kind)) << kind;
  EXPECT_EQ(use().pod_ip(id), "");
  // Host processes are visible: this test is one.
  EXPECT_EQ(use().exec_shell(container, fmt::format("test -d /proc/{} && echo seen", ::getpid())).out, "seen\n");
  use().ok("StopContainer", {{"container_id", container}, {"timeout", 0}});
  EXPECT_TRUE(eventually([&] { return !exists(fmt::format("/proc/{}", pid)); }));
}

TEST_F(Sandboxes, HostnameDnsAndHostsAreInTheContainer) {
  auto config = pod_config("files");
  config["hostname"] = "web-0";
  config["dns_config"] = json::object{{"servers", {"10.96.0.10", "2001:db8::53"}},
                                      {"searches", {"default.svc.cluster.local", "cluster.local"}},
                                      {"options", json::array{"ndots:5"}}};
  const std::string id = use().run_pod(config);
  const std::string container = use().run(id, "c", "sleep 1000");
  EXPECT_EQ(use().exec(container, {"hostname"}).out, "web-0\n");
  EXPECT_EQ(use().exec(container, {"cat", "/etc/hostname"}).out, "web-0\n");
  EXPECT_EQ(use().exec(container, {"cat", "/etc/resolv.conf"}).out,
            "search default.svc.cluster.local cluster.local\nnameserver 10.96.0.10\nnameserver 2001:db8::53\n"
            "options ndots:5\n");
  const std::string hosts = use().exec(container, {"cat", "/etc/hosts"}).out;
  EXPECT_THAT(hosts, HasSubstr(use().pod_ip(id)));
  EXPECT_THAT(hosts, HasSubstr("web-0"));
  EXPECT_THAT(hosts, HasSubstr("localhost"));
  EXPECT_EQ(use().exec_shell(container, "touch /dev/shm/x && grep ' /dev/shm ' /proc/mounts | grep -c tmpfs").out,
            "1\n");
}

TEST_F(Sandboxes, ShmIsSharedByThePod) {
  const std::string id = use().run_pod("shm");
  const std::string writer = use().run(id, "writer", "echo word > /dev/shm/mail; sleep 1000");
  const std::string reader = use().run(id, "reader", "sleep 1000");
  EXPECT_TRUE(eventually([&] { return use().exec(reader, {"cat", "/dev/shm/mail"}).out == "word\n"; })) << writer;
}

TEST_F(Sandboxes, SysctlsAreAppliedOrRefused) {
  auto config = pod_config("sysctls");
  at(config, "linux")["sysctls"] =
      json::object{{"net.ipv4.ip_unprivileged_port_start", "81"}, {"kernel.shm_rmid_forced", "1"}};
  const std::string container = use().run(use().run_pod(config), "c", "sleep 1000");
  EXPECT_EQ(use().exec(container, {"cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start"}).out, "81\n");
  EXPECT_EQ(use().exec(container, {"cat", "/proc/sys/kernel/shm_rmid_forced"}).out, "1\n");
  const std::string core_pattern = content("/proc/sys/kernel/core_pattern");
  const std::vector<std::pair<std::string, std::string>> refused = {
      {"kernel.core_pattern", "|/bin/evil"},
      {"vm.swappiness", "1"},
      {"kernel.shm_rmid_forced", "1+kernel.core_pattern=|/bin/evil"}, // cr8escape, CVE-2022-0811
      {"net.ipv4.ip_forward", "1\nkernel.core_pattern=x"},
      {"net.ipv4.ip_forward/../../../kernel/core_pattern", "x"}};
  for (const auto& [key, value] : refused) {
    auto bad = pod_config("bad");
    at(bad, "linux")["sysctls"] = json::object{{key, value}};
    EXPECT_EQ(use().code("RunPodSandbox", {{"config", bad}}), kInvalidArgument) << key << "=" << value;
  }
  auto host = with_namespaces("host", {{"network", "NODE"}});
  at(host, "linux")["sysctls"] = json::object{{"net.ipv4.ip_forward", "1"}};
  EXPECT_EQ(use().code("RunPodSandbox", {{"config", host}}), kInvalidArgument);
  EXPECT_EQ(content("/proc/sys/kernel/core_pattern"), core_pattern);
}

TEST_F(Sandboxes, HaveAnAddressOfEachFamilyAndReachEachOther) {
  const std::string first = use().run_pod("first");
  const std::string second = use().run_pod("second");
  const auto status = use().ok("PodSandboxStatus", {{"pod_sandbox_id", first}});
  const std::string v4 = text(status, "/status/network/ip");
  const std::string v6 = text(status, "/status/network/additional_ips/0/ip");
  EXPECT_THAT(v4, testing::StartsWith("10."));
  EXPECT_THAT(v6, testing::StartsWith("fd00:e2e:"));
  EXPECT_NE(v4, use().pod_ip(second));
  const std::string server = use().run(first, "server", "nc -ll -p 8080 -e /bin/echo hello");
  const std::string client = use().run(second, "client", "sleep 1000");
  const auto ask = [&](const std::string& ip) {
    return eventually([&] { return use().exec(client, {"nc", "-w", "2", ip, "8080"}).out == "hello\n"; });
  };
  EXPECT_TRUE(ask(v4)) << server;
  const std::string addresses = use().exec(client, {"ip", "addr"}).out;
  EXPECT_THAT(addresses, HasSubstr(use().pod_ip(second)));
  EXPECT_THAT(addresses, HasSubstr("lo:"));
}

TEST_F(Sandboxes, HostPortsLeadToThePodUntilItStops) {
  auto config = pod_config("ports");
  config["port_mappings"] =
      json::array{json::object{{"protocol", "TCP"}, {"container_port", 8080}, {"host_port", 18080}},
                  json::object{{"protocol", "TCP"}, {"container_port", 8081}}}; // no host port: nothing
  const std::string id = use().run_pod(config);
  use().run(id, "server", "nc -ll -p 8080 -e /bin/echo forwarded");
  EXPECT_TRUE(eventually([&] { return shell("busybox nc -w 2 127.0.0.1 18080 </dev/null") == "forwarded\n"; }));
  EXPECT_THAT(shell("iptables-save -t nat"), HasSubstr("18080"));
  use().ok("StopPodSandbox", {{"pod_sandbox_id", id}});
  EXPECT_THAT(shell("iptables-save -t nat"), Not(HasSubstr("18080")));
}

TEST_F(Sandboxes, MakeTheirLogDirectory) {
  auto config = pod_config("logs");
  config["log_directory"] = node().dir() + "/logs/deep/er";
  const std::string id = use().run_pod(config);
  EXPECT_TRUE(exists(node().dir() + "/logs/deep/er"));
  auto outside = container_config("outside", "true");
  outside["log_path"] = "../../escape.log";
  EXPECT_EQ(use().code("CreateContainer", {{"pod_sandbox_id", id}, {"config", outside}}), kInvalidArgument);
}

TEST_F(Sandboxes, LiveBelowTheCgroupThatTheyAreGiven) {
  const std::string parent = "/" + node().cgroup_parent() + "/burstable/poduid";
  for (const char* controller : {"cpu", "memory", "pids", "freezer", "cpuset", "blkio", "devices"})
    (void)make_dirs(cgroup_dir(controller, parent), 0755).has_value();
  auto config = pod_config("tier");
  at(config, "linux")["cgroup_parent"] = parent;
  const std::string id = use().run_pod(config);
  const std::string container = use().run(id, "c", "sleep 1000");
  EXPECT_THAT(use().cgroup_of(container), testing::StartsWith(parent + "/"));
  EXPECT_THAT(content(fmt::format("/proc/{}/cgroup", use().pid_of(container))), HasSubstr(":" + parent + "/"));
  node().remove_all();
  EXPECT_TRUE(exists(cgroup_dir("memory", parent))); // its maker's to remove
  shell("for d in /sys/fs/cgroup /sys/fs/cgroup/*; do rmdir $d" + parent + " $d/" + node().cgroup_parent() +
        "/burstable; done");
}

} // namespace

} // namespace keelson::test
