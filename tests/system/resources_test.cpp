// Resources: what is written to cgroups, and what is read from them.
#include "base/file.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "tests/system/node_fixture.hpp"

#include <gmock/gmock.h>

namespace keelson::test {

namespace {

using testing::ElementsAre;

constexpr int kFailedPrecondition = 9;

class Resources : public NodeTest {
 protected:
  void SetUp() override {
    NodeTest::SetUp();
    if (!IsSkipped() && !HasFatalFailure()) pod_ = use().run_pod("resources");
  }
  std::string knob(const std::string& container, const std::string& controller, const std::string& file) {
    return content(cgroup_dir(controller, use().cgroup_of(container)) + "/" + file);
  }
  static bool v1() { return exists("/sys/fs/cgroup/memory/cgroup.procs"); }
  std::string pod_;
};

TEST_F(Resources, AreWrittenAtCreateAndUpdated) {
  if (!v1()) GTEST_SKIP() << "file names of cgroup v1";
  auto config = container_config("c", "sleep 1000");
  at(config, "linux")["resources"] = json::object{{"cpu_shares", 512},
                                                  {"cpu_quota", 50000},
                                                  {"cpu_period", 100000},
                                                  {"memory_limit_in_bytes", 64 << 20},
                                                  {"cpuset_cpus", "0"}};
  const std::string id = use().run(pod_, config);
  EXPECT_EQ(knob(id, "cpu", "cpu.shares"), "512");
  EXPECT_EQ(knob(id, "cpu", "cpu.cfs_quota_us"), "50000");
  EXPECT_EQ(knob(id, "memory", "memory.limit_in_bytes"), std::to_string(64 << 20));
  EXPECT_EQ(knob(id, "cpuset", "cpuset.cpus"), "0");
  use().ok("UpdateContainerResources",
           {{"container_id", id},
            {"linux", {{"cpu_shares", 1024}, {"cpu_quota", 80000}, {"memory_limit_in_bytes", 128 << 20}}}});
  EXPECT_EQ(knob(id, "cpu", "cpu.shares"), "1024");
  EXPECT_EQ(knob(id, "cpu", "cpu.cfs_quota_us"), "80000");
  EXPECT_EQ(knob(id, "cpu", "cpu.cfs_period_us"), "100000"); // 0 leaves it
  EXPECT_EQ(knob(id, "memory", "memory.limit_in_bytes"), std::to_string(128 << 20));
  EXPECT_EQ(knob(id, "cpuset", "cpuset.cpus"), "0");
  const auto status = use().status(id);
  EXPECT_EQ(number(status, "/resources/linux/cpu_shares"), 1024);
  EXPECT_EQ(number(status, "/resources/linux/cpu_period"), 100000);
  const auto refused =
      node().call("UpdateContainerResources", {{"container_id", id}, {"linux", {{"cpuset_cpus", "4095"}}}});
  EXPECT_NE(refused.code, 0);
  EXPECT_THAT(refused.message, testing::HasSubstr("cpuset"));
  use().ok("StopContainer", {{"container_id", id}, {"timeout", 0}});
  use().wait_exited(id);
  EXPECT_EQ(use().code("UpdateContainerResources", {{"container_id", id}, {"linux", {{"cpu_shares", 2}}}}),
            kFailedPrecondition);
}

TEST_F(Resources, ContainerStatsGrowWithTheWork) {
  const std::string id =
      use().run(pod_, "c", "dd if=/dev/zero of=/file bs=1M count=3 2>/dev/null; echo written; while true; do :; done");
  ASSERT_TRUE(use().wait_log(id, "written"));
  const auto cpu = [](const json::value& stats) { return number(stats, "/cpu/usage_core_nano_seconds/value"); };
  const auto stats = [&] { return use().ok("ContainerStats", {{"container_id", id}}).at("stats"); };
  const auto first = stats();
  EXPECT_EQ(text(first, "/attributes/id"), id);
  EXPECT_EQ(text(first, "/attributes/metadata/name"), "c");
  EXPECT_GT(number(first, "/memory/working_set_bytes/value"), 4096);
  EXPECT_GT(number(first, "/cpu/timestamp"), 1'700'000'000'000'000'000);
  EXPECT_TRUE(eventually([&] { return cpu(stats()) > cpu(first) + 50'000'000; }));
  EXPECT_TRUE(eventually([&] { return number(stats(), "/cpu/usage_nano_cores/value") > 1'000'000; }));
  EXPECT_TRUE(eventually([&] { return number(stats(), "/writable_layer/used_bytes/value") >= 3 << 20; }));
  EXPECT_EQ(text(first, "/writable_layer/fs_id/mountpoint"), node().root());
  EXPECT_GE(number(stats(), "/writable_layer/inodes_used/value"), 1);
}

TEST_F(Resources, StatsAreListedByFilter) {
  const std::string other = use().run_pod("other");
  auto labelled = container_config("one", "sleep 1000");
  labelled["labels"] = json::object{{"app", "x"}};
  const std::string one = use().run(pod_, labelled);
  const std::string two = use().run(other, "two", "sleep 1000");
  use().wait_exited(use().run(other, "ended", "true"));
  const auto ids = [&](const json::object& filter) {
    std::set<std::string> found;
    const auto reply = use().ok("ListContainerStats", {{"filter", filter}});
    for (const auto& stats : reply.at("stats").as_array()) found.insert(text(stats, "/attributes/id"));
    return found;
  };
  EXPECT_THAT(ids({}), testing::UnorderedElementsAre(one, two));
  EXPECT_THAT(ids({{"pod_sandbox_id", other}}), ElementsAre(two));
  EXPECT_THAT(ids({{"label_selector", {{"app", "x"}}}}), ElementsAre(one));
  EXPECT_THAT(ids({{"id", two}}), ElementsAre(two));
  const auto pods = use().ok("ListPodSandboxStats", {{"filter", {{"id", other}}}});
  ASSERT_EQ(pods.at("stats").as_array().size(), 1U);
  EXPECT_EQ(text(pods, "/stats/0/attributes/id"), other);
}

TEST_F(Resources, SandboxStatsAreThoseOfAllContainersAndOfTheNetwork) {
  const std::string other = use().run_pod("talker");
  const std::string id =
      use().run(pod_, "c", "i=0; while test $i -lt 100000; do i=$((i+1)); done; echo worked; sleep 1000");
  ASSERT_TRUE(use().wait_log(id, "worked"));
  use().exec(id, {"ping", "-c", "2", "-s", "1000", use().pod_ip(other)});
  const auto stats = [&] { return use().ok("PodSandboxStats", {{"pod_sandbox_id", pod_}}).at("stats"); };
  const auto now = stats();
  EXPECT_EQ(text(now, "/attributes/id"), pod_);
  EXPECT_GT(number(now, "/linux/cpu/usage_core_nano_seconds/value"), 0);
  EXPECT_GT(number(now, "/linux/memory/working_set_bytes/value"), 0);
  EXPECT_EQ(text(now, "/linux/network/default_interface/name"), "eth0");
  EXPECT_GT(number(now, "/linux/network/default_interface/tx_bytes/value"), 2000);
  EXPECT_GE(number(now, "/linux/process/process_count/value"), 1);
  EXPECT_EQ(text(now, "/linux/containers/0/attributes/id"), id);
}

} // namespace

} // namespace keelson::test
