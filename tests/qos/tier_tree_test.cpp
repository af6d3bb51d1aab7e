// The tree on the real cgroups of this machine, under a parent of the test's own.
#include "base/file.hpp"
#include "base/process.hpp"
#include "base/text.hpp"
#include "qos/tier_tree.hpp"
#include "tests/qos/pod_builder.hpp"
#include "tests/support/requirements.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <csignal>
#include <optional>
#include <thread>

namespace keelson::qos {
namespace {

using cgroups::Controller;
using cgroups::GroupName;

constexpr auto kPatience = std::chrono::seconds(10);

class TierTreeTest : public testing::Test {
 protected:
  void SetUp() override {
    KEELSON_REQUIRE(test::is_root(), "needs root");
    auto detected = cgroups::Hierarchy::detect();
    KEELSON_REQUIRE(detected.has_value(), "needs cgroup mounts");
    hierarchy_.emplace(std::move(*detected));
    KEELSON_REQUIRE(hierarchy_->mount_of(Controller::cpu) && hierarchy_->mount_of(Controller::memory),
                    "needs the cpu and memory controllers");
    driver_ = cgroups::make_driver(cgroups::DriverKind::cgroupfs, *hierarchy_);
    parent_ = *GroupName::parse(fmt::format("/keelson-test-qos-{}", getpid()));
    TierTreeOptions options;
    options.parent = parent_;
    options.capacity = {MilliCpu{2000}, Bytes{std::int64_t{8} << 30}, {}};
    options.allocatable = {MilliCpu{1500}, Bytes{std::int64_t{4} << 30}, {}};
    options.values.version = *hierarchy_->layout().version_of(Controller::memory);
    tree_ = std::make_unique<TierTree>(*driver_, *hierarchy_, options);
    const auto made = tree_->ensure_tiers();
    ASSERT_TRUE(made.has_value()) << made.error().message;
  }

  void TearDown() override {
    if (!driver_) return;
    EXPECT_TRUE(driver_->remove(parent_, Deadline::after(kPatience)).has_value());
    EXPECT_FALSE(driver_->exists(parent_).value_or(true)) << "a group is left";
  }

  // The content of the file that has this name on v1 or v2.
  std::string content(const std::string& path, Controller controller, const char* v1, const char* v2) const {
    const auto group = cgroups::Group::open(*hierarchy_, parent_.cgroupfs_path() + path);
    if (!group) return "no group";
    const bool is_v1 = hierarchy_->layout().version_of(controller) == cgroups::Version::v1;
    return std::string(trim(group->read(controller, is_v1 ? v1 : v2).value_or("no file")));
  }
  bool is_v1(Controller controller) const {
    return hierarchy_->layout().version_of(controller) == cgroups::Version::v1;
  }
  std::string shares(const std::string& path) const {
    return content(path, Controller::cpu, "cpu.shares", "cpu.weight");
  }
  std::string memory(const std::string& path) const {
    return content(path, Controller::memory, "memory.limit_in_bytes", "memory.max");
  }
  std::string shares_value(std::uint64_t value) const {
    return fmt::format("{}", is_v1(Controller::cpu) ? value : cgroups::cpu_weight_from_shares(value));
  }

  api::Pod burstable(const std::string& uid, const std::string& cpu) {
    api::Pod pod = pod_with(container("a", "requests: {cpu: " + cpu + "}, limits: {cpu: 1, memory: 64Mi}"));
    pod.metadata.uid = uid;
    return pod;
  }

  std::optional<cgroups::Hierarchy> hierarchy_;
  std::unique_ptr<cgroups::Driver> driver_;
  GroupName parent_;
  std::unique_ptr<TierTree> tree_;
};

TEST_F(TierTreeTest, MakesTheTiers) {
  EXPECT_EQ(shares(""), shares_value(1536));
  EXPECT_EQ(memory(""), fmt::format("{}", std::int64_t{4} << 30));
  EXPECT_EQ(shares("/burstable"), shares_value(2));
  EXPECT_EQ(shares("/besteffort"), shares_value(2));
  EXPECT_TRUE(tree_->ensure_tiers().has_value()); // again
  EXPECT_TRUE(TierTree::verified(tree_->report()));
}

TEST_F(TierTreeTest, BurstableSharesFollowItsPods) {
  ASSERT_TRUE(tree_->add_pod(burstable("one", "250m")).has_value());
  EXPECT_EQ(shares("/burstable"), shares_value(256));
  EXPECT_EQ(shares("/burstable/podone"), shares_value(256));
  EXPECT_EQ(memory("/burstable/podone"), "67108864");
  ASSERT_TRUE(tree_->add_pod(burstable("two", "750m")).has_value());
  EXPECT_EQ(shares("/burstable"), shares_value(1024));
  ASSERT_TRUE(tree_->add_pod(burstable("two", "750m")).has_value()); // repeated: counted once
  EXPECT_EQ(shares("/burstable"), shares_value(1024));
  EXPECT_TRUE(TierTree::verified(tree_->report())) << json::to_pretty_text(TierTree::to_json(tree_->report()));
  ASSERT_TRUE(tree_->remove_pod("one", Deadline::after(kPatience)).has_value());
  EXPECT_EQ(shares("/burstable"), shares_value(768));
  EXPECT_EQ(shares("/burstable/podone"), "no group");
  EXPECT_TRUE(tree_->remove_pod("one", Deadline::after(kPatience)).has_value()); // again
}

TEST_F(TierTreeTest, PlacesPodsByClass) {
  api::Pod guaranteed = pod_with(container("a", "limits: {cpu: 500m, memory: 64Mi}"));
  guaranteed.metadata.uid = "g";
  api::Pod best_effort = pod_with(container("a", ""));
  best_effort.metadata.uid = "b";
  EXPECT_EQ(tree_->add_pod(guaranteed)->cgroupfs_path(), parent_.cgroupfs_path() + "/podg");
  EXPECT_EQ(tree_->add_pod(best_effort)->cgroupfs_path(), parent_.cgroupfs_path() + "/besteffort/podb");
  EXPECT_EQ(memory("/podg"), "67108864");
  EXPECT_EQ(content("/podg", Controller::cpu, "cpu.cfs_quota_us", "cpu.max"),
            is_v1(Controller::cpu) ? "50000" : "50000 100000");
  EXPECT_EQ(shares("/besteffort/podb"), shares_value(2));
  EXPECT_EQ(shares("/burstable"), shares_value(2));
  EXPECT_TRUE(TierTree::verified(tree_->report()));
}

TEST_F(TierTreeTest, ReportShowsADifferenceWithItsSource) {
  ASSERT_TRUE(tree_->add_pod(burstable("one", "250m")).has_value());
  const auto group = cgroups::Group::open(*hierarchy_, parent_.cgroupfs_path() + "/burstable/podone");
  ASSERT_TRUE(group.has_value());
  cgroups::Knobs changed;
  changed.cpu_shares = 500;
  ASSERT_TRUE(group->apply(changed).has_value()); // somebody else
  const auto report = tree_->report();
  EXPECT_FALSE(TierTree::verified(report));
  int differences = 0;
  for (const GroupReport& entry : report) {
    for (const KnobReport& knob : entry.knobs) {
      if (knob.matches) continue;
      ++differences;
      EXPECT_EQ(entry.title, "pod default/p");
      EXPECT_EQ(knob.intended, shares_value(256));
      EXPECT_EQ(knob.actual, shares_value(500));
      EXPECT_EQ(knob.source, "spec.containers[0].resources.requests.cpu");
    }
  }
  EXPECT_EQ(differences, 1);
  ASSERT_TRUE(tree_->add_pod(burstable("one", "250m")).has_value()); // repairs it
  EXPECT_TRUE(TierTree::verified(tree_->report()));
}

TEST_F(TierTreeTest, ReportsContainersAndMissingGroups) {
  const api::Pod pod = burstable("one", "250m");
  const auto name = tree_->add_pod(pod);
  ASSERT_TRUE(name.has_value());
  const SourcedKnobs values = container_values(pod, pod.spec.containers[0], {}, {}).knobs;
  tree_->note_container("one", "abc", "a", values);
  EXPECT_FALSE(TierTree::verified(tree_->report())); // not made yet
  const auto group = driver_->create(*name->child("abc"));
  ASSERT_TRUE(group.has_value());
  ASSERT_TRUE(group->apply(values.knobs).has_value());
  EXPECT_TRUE(TierTree::verified(tree_->report())) << json::to_pretty_text(TierTree::to_json(tree_->report()));
  tree_->forget_container("one", "abc");
  EXPECT_EQ(tree_->report().size(), 4U);
}

TEST_F(TierTreeTest, FindsPodsThatNobodyAdded) {
  ASSERT_TRUE(tree_->add_pod(burstable("one", "250m")).has_value());
  ASSERT_TRUE(driver_->create(*parent_.child("podorphan")).has_value());
  ASSERT_TRUE(driver_->create(*parent_.child("besteffort")->child("podleft")).has_value());
  EXPECT_EQ(*tree_->unknown_pods(), (std::vector<std::string>{"left", "orphan"}));
  ASSERT_TRUE(tree_->remove_pod("orphan", Deadline::after(kPatience)).has_value());
  EXPECT_EQ(*tree_->unknown_pods(), std::vector<std::string>{"left"});
}

TEST_F(TierTreeTest, DoesNotRemoveAPodWithProcesses) {
  ASSERT_TRUE(tree_->add_pod(burstable("one", "250m")).has_value());
  SpawnOptions options;
  options.argv = {"sleep", "60"};
  auto child = spawn(options);
  ASSERT_TRUE(child.has_value());
  const auto group = cgroups::Group::open(*hierarchy_, parent_.cgroupfs_path() + "/burstable/podone");
  ASSERT_TRUE(group->attach(child->pid()).has_value());
  const auto removed = tree_->remove_pod("one", Deadline::after(std::chrono::milliseconds(100)));
  EXPECT_FALSE(removed.has_value());
  EXPECT_EQ(shares("/burstable"), shares_value(256)); // still accounted for
  ASSERT_TRUE(child->kill(SIGKILL).has_value());
  ASSERT_TRUE(child->wait(Deadline::after(kPatience)).has_value());
  EXPECT_TRUE(tree_->remove_pod("one", Deadline::after(kPatience)).has_value());
  EXPECT_EQ(shares("/burstable"), shares_value(2));
}

TEST_F(TierTreeTest, KeepsAPodsClass) {
  ASSERT_TRUE(tree_->add_pod(burstable("one", "250m")).has_value());
  api::Pod changed = pod_with(container("a", ""));
  changed.metadata.uid = "one";
  EXPECT_EQ(tree_->add_pod(changed).error().code, Code::failed_precondition);
  EXPECT_TRUE(TierTree::verified(tree_->report()));
}

TEST_F(TierTreeTest, SurvivesConcurrentPods) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this, i] {
      for (int j = 0; j < 5; ++j) {
        const std::string uid = fmt::format("t{}-{}", i, j);
        api::Pod pod;
        pod.metadata.uid = uid;
        pod.spec.containers.emplace_back().resources.requests["cpu"] = api::Quantity::from_milli(100);
        EXPECT_TRUE(tree_->add_pod(pod).has_value());
        if (j % 2 != 0) continue;
        EXPECT_TRUE(tree_->remove_pod(uid, Deadline::after(kPatience)).has_value());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(shares("/burstable"), shares_value(819)); // 8 pods of 100m
  EXPECT_TRUE(TierTree::verified(tree_->report()));
}

} // namespace
} // namespace keelson::qos
