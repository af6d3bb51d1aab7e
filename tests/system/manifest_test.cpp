// Pods from manifests on a whole node, seen through keelsonctl: tiers, restarts, volumes, changes, removal, and the end
// of the node.
#include "base/file.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "tests/support/mounts.hpp"
#include "tests/system/node_fixture.hpp"

#include <gmock/gmock.h>

namespace keelson::test {

namespace {

using testing::HasSubstr;
using testing::Not;

// A manifest; `containers` is YAML, indented by two.
std::string manifest(const std::string& name, const std::string& containers, const std::string& rest = "") {
  return fmt::format("apiVersion: v1\nkind: Pod\nmetadata: {{name: {}}}\nspec:\n  terminationGracePeriodSeconds: 0\n{}"
                     "  containers:\n{}",
                     name, rest, containers);
}

std::string container(const std::string& name, const std::string& script, const std::string& rest = "") {
  return fmt::format("  - name: {}\n    image: {}\n    command: [sh, -c, '{}']\n{}", name, kBusybox, script, rest);
}

class Manifests : public OwnNodeTest {
 protected:
  void SetUp() override {
    OwnNodeTest::SetUp();
    if (!IsSkipped() && !HasFatalFailure()) start_node({.parts = "cri,pods"});
  }
  // A pod of a manifest comes back when its sandbox is removed: the manifests go first.
  void TearDown() override {
    if (own_ && own_->pid() != 0) {
      shell("rm -f " + own_->dir() + "/manifests/*");
      EXPECT_TRUE(eventually([&] { return pods().empty(); }));
    }
    OwnNodeTest::TearDown();
  }

  void add(const std::string& name, const std::string& text) {
    ASSERT_TRUE(write_file_atomic(own_->dir() + "/manifests/" + name + ".yaml", text, 0600));
  }
  std::string ctl(const std::string& arguments) { return shell(own_->ctl() + " " + arguments); }
  json::value ctl_json(const std::string& arguments) {
    const auto parsed = json::parse(ctl(arguments + " -o json"));
    return parsed ? *parsed : json::value(json::object{{"items", json::array{}}});
  }
  json::array pods() { return ctl_json("pods").at("items").as_array(); }
  // The pod's object; null if there is none.
  json::value pod(const std::string& name) {
    for (const auto& item : pods())
      if (text(item, "/metadata/name").starts_with(name)) return item;
    return nullptr;
  }
  std::string phase(const std::string& name) { return text(pod(name), "/status/phase"); }
  std::int64_t restarts(const std::string& name) {
    return number(pod(name), "/status/containerStatuses/0/restartCount");
  }
  bool comes_up(const std::string& name) {
    return eventually([&] { return text(pod(name), "/status/containerStatuses/0/ready") == "true"; });
  }
  std::string state(const std::string& name) {
    const json::value found = pod(name);
    return text(found, "/status/containerStatuses/0/state");
  }
};

TEST_F(Manifests, EachClassGetsItsTierAndVerifyAgrees) {
  const std::string guaranteed =
      "    resources: {requests: {cpu: 100m, memory: 32Mi}, limits: {cpu: 100m, memory: 32Mi}}\n";
  const std::string burstable = "    resources: {requests: {cpu: 50m}, limits: {memory: 64Mi}}\n";
  add("g", manifest("g", container("c", "exec sleep 1000", guaranteed)));
  add("b", manifest("b", container("c", "exec sleep 1000", burstable)));
  add("e", manifest("e", container("c", "exec sleep 1000")));
  for (const char* name : {"g", "b", "e"}) ASSERT_TRUE(comes_up(name)) << json::to_text(pod(name)) << ctl("events");
  EXPECT_EQ(text(pod("g"), "/status/qosClass"), "Guaranteed");
  EXPECT_EQ(text(pod("b"), "/status/qosClass"), "Burstable");
  EXPECT_EQ(text(pod("e"), "/status/qosClass"), "BestEffort");
  const std::string memory = cgroup_dir("memory", "/" + own_->cgroup_parent());
  const auto below = [&](const std::string& tier, const char* name) {
    return exists(memory + tier + "/pod" + text(pod(name), "/metadata/uid"));
  };
  EXPECT_TRUE(below("", "g"));
  EXPECT_TRUE(below("/burstable", "b"));
  EXPECT_TRUE(below("/besteffort", "e"));
  EXPECT_THAT(ctl("cgroup verify; echo status $?"), HasSubstr("status 0"));
  const std::string group = cgroup_dir("cpu", "/" + own_->cgroup_parent() + "/burstable");
  const std::string file = exists(group + "/cpu.shares") ? "/cpu.shares" : "/cpu.weight";
  ASSERT_TRUE(write_kernel_file(group + file, "77"));
  const std::string verified = ctl("cgroup verify; echo status $?");
  EXPECT_THAT(verified, HasSubstr("status 1"));
  EXPECT_THAT(verified, HasSubstr("77"));
}

TEST_F(Manifests, AFailedLivenessProbeRestartsAndAKillOfTheDaemonDoesNot) {
  add("live", manifest("live", container("c", "touch /tmp/healthy; exec sleep 1000",
                                         "    livenessProbe: {exec: {command: [cat, /tmp/healthy]}, periodSeconds: 1, "
                                         "failureThreshold: 3}\n")));
  ASSERT_TRUE(comes_up("live")) << ctl("events");
  const std::string before = state("live");
  ASSERT_TRUE(own_->kill9());
  ASSERT_TRUE(own_->start());
  ASSERT_TRUE(comes_up("live"));
  EXPECT_EQ(state("live"), before);
  EXPECT_EQ(restarts("live"), 0);
  ctl("exec live -- rm /tmp/healthy");
  EXPECT_TRUE(eventually([&] { return restarts("live") == 1; })) << ctl("events");
  EXPECT_TRUE(comes_up("live"));
  EXPECT_THAT(ctl("events"), HasSubstr("Unhealthy"));
}

TEST_F(Manifests, InitContainersRunInOrderAndShareVolumes) {
  const std::string mount = "    volumeMounts: [{name: shared, mountPath: /shared}]\n";
  const std::string init = "  initContainers:\n" + container("first", "echo one >> /shared/order", mount) +
                           container("second", "echo two >> /shared/order", mount) +
                           "  volumes: [{name: shared, emptyDir: {medium: Memory, sizeLimit: 1Mi}}]\n";
  add("ordered", manifest("ordered", container("c", "cat /shared/order; exec sleep 1000", mount), init));
  ASSERT_TRUE(comes_up("ordered")) << ctl("events");
  EXPECT_TRUE(eventually([&] { return ctl("logs ordered") == "one\ntwo\n"; })) << ctl("logs ordered");
}

TEST_F(Manifests, ACrashingContainerBacksOffAndAChangedManifestReplacesThePod) {
  add("app", manifest("app", container("c", "exit 3")));
  EXPECT_TRUE(eventually([&] { return state("app").find("CrashLoopBackOff") != std::string::npos; })) << state("app");
  const std::string uid = text(pod("app"), "/metadata/uid");
  add("app", manifest("app", container("c", "exec sleep 1000")));
  ASSERT_TRUE(comes_up("app")) << ctl("events");
  EXPECT_NE(text(pod("app"), "/metadata/uid"), uid);
}

TEST_F(Manifests, ABadManifestIsToldWithItsPathAndHurtsNoOther) {
  add("bad", manifest("bad", container("c", "exec sleep 1000", "    resources: {limits: {cpu: minus}}\n")));
  add("good", manifest("good", container("c", "exec sleep 1000")));
  ASSERT_TRUE(comes_up("good")) << ctl("events");
  EXPECT_THAT(own_->log(), HasSubstr("resources.limits"));
  EXPECT_THAT(own_->log(), HasSubstr("bad.yaml"));
}

TEST_F(Manifests, OneThatFinishesStaysFinished) {
  add("once", manifest("once", container("c", "echo done"), "  restartPolicy: Never\n"));
  EXPECT_TRUE(eventually([&] { return phase("once") == "Succeeded"; })) << ctl("events");
  ASSERT_TRUE(own_->kill9());
  ASSERT_TRUE(own_->start());
  EXPECT_TRUE(eventually([&] { return phase("once") == "Succeeded"; }));
  EXPECT_EQ(restarts("once"), 0);
}

TEST_F(Manifests, CleanUpLeavesNothingOfRunningPods) {
  const std::string mount = "    volumeMounts: [{name: memory, mountPath: /memory}, {name: disk, mountPath: /disk}]\n";
  add("p", manifest("p", container("c", "exec sleep 1000", mount),
                    "  volumes: [{name: memory, emptyDir: {medium: Memory}}, {name: disk, emptyDir: {}}]\n"));
  ASSERT_TRUE(comes_up("p")) << ctl("events");
  ASSERT_TRUE(own_->end());
  const auto cleaned = own_->clean_up();
  ASSERT_TRUE(cleaned && cleaned->status.success()) << (cleaned ? cleaned->err : cleaned.error().message);
  for (const auto& point : mount_points())
    EXPECT_FALSE(is_below(point, own_->root()) || is_below(point, own_->state())) << point;
  EXPECT_THAT(cgroups_with("", own_->cgroup_parent()), testing::IsEmpty());
  EXPECT_EQ(shell("ls " + own_->root() + "/pods 2>/dev/null"), "");
  EXPECT_THAT(shell("ip -o link"), Not(HasSubstr(" " + own_->bridge() + ":")));
}

} // namespace

} // namespace keelson::test
