#include "api/decode.hpp"
#include "daemon/pods/pod_status.hpp"
#include "tests/daemon/pods/pod_fixture.hpp"

#include <gtest/gtest.h>

namespace keelson::daemon::test {
namespace {

class PodStatusTest : public ::testing::Test {
 protected:
  api::PodStatus status() {
    const Plan plan = plan_pod({pod_, record_, memory_, {}, {}, now_, false});
    return pod_status({pod_, record_, plan, probed_, messages_, {"192.0.2.9"}, now_, at(0)}, previous_);
  }
  std::string condition(const api::PodStatus& status, const std::string& type) {
    for (const api::PodCondition& condition : status.conditions)
      if (condition.type == type)
        return std::string(condition.status == api::ConditionStatus::true_ ? "True" : "False") + " " +
               condition.reason + " " + condition.message;
    return "absent";
  }

  api::Pod pod_ = make_pod(R"({"containers":[{"name":"web","image":"i:1"},{"name":"db","image":"i:1"}]})");
  PodRecord record_;
  std::map<std::string, ContainerMemory> memory_;
  std::map<std::string, ProbedState> probed_;
  std::map<std::string, std::string> messages_;
  api::PodStatus previous_;
  WallTime now_ = at(3);
};

TEST_F(PodStatusTest, IsPendingBeforeContainersRun) {
  const auto s = status();
  EXPECT_EQ(s.phase, api::PodPhase::pending);
  EXPECT_EQ(s.container_statuses[0].state.waiting->reason, "ContainerCreating");
  EXPECT_EQ(condition(s, "Ready"), "False ContainersNotReady containers with unready status: [web db]");
  EXPECT_EQ(condition(s, "PodReadyToStartContainers"), "False  ");
  EXPECT_EQ(s.host_ip, "192.0.2.9");
  EXPECT_EQ(s.pod_ip, "");
}

TEST_F(PodStatusTest, IsReadyWhenEveryContainerIs) {
  record_.sandboxes = {sandbox()};
  record_.containers = {running("web"), running("db")};
  probed_ = {{"web-0", {true, true}}, {"db-0", {true, false}}};
  EXPECT_EQ(condition(status(), "Ready"), "False ContainersNotReady containers with unready status: [db]");
  probed_["db-0"].ready = true;
  const auto s = status();
  EXPECT_EQ(s.phase, api::PodPhase::running);
  EXPECT_EQ(condition(s, "Ready"), "True  ");
  EXPECT_EQ(s.pod_ip, "10.0.0.7");
  EXPECT_EQ(s.container_statuses[0].container_id, "keelson://web-0");
  EXPECT_EQ(s.container_statuses[0].started, true);
}

TEST_F(PodStatusTest, ShowsACrashLoopWithItsLastEnd) {
  record_.sandboxes = {sandbox()};
  record_.containers = {running("db"), exited("web", 3, 4)};
  record_.containers[1].back_off = std::chrono::seconds(80);
  messages_["web-4"] = "last words";
  const auto s = status();
  EXPECT_EQ(s.phase, api::PodPhase::running);
  const api::ContainerStatus& web = s.container_statuses[0];
  EXPECT_EQ(web.state.waiting->reason, "CrashLoopBackOff");
  EXPECT_EQ(web.state.waiting->message, "back-off 1m20s restarting failed container=web pod=web-n1_default(u1)");
  EXPECT_EQ(web.last_state.terminated->exit_code, 3);
  EXPECT_EQ(web.last_state.terminated->message, "last words");
  EXPECT_EQ(web.restart_count, 4);
}

TEST_F(PodStatusTest, TellsSuccessFromFailure) {
  record_.sandboxes = {sandbox(0, false)};
  record_.containers = {exited("web", 0), exited("db", 1)};
  pod_.spec.restart_policy = api::RestartPolicy::never;
  EXPECT_EQ(status().phase, api::PodPhase::failed);
  record_.containers[1].exit_code = 0;
  const auto s = status();
  EXPECT_EQ(s.phase, api::PodPhase::succeeded);
  EXPECT_EQ(condition(s, "Ready"), "False PodCompleted ");
  EXPECT_EQ(condition(s, "Initialized"), "True PodCompleted ");
  pod_.spec.restart_policy = api::RestartPolicy::on_failure;
  EXPECT_EQ(status().phase, api::PodPhase::succeeded);
}

TEST_F(PodStatusTest, ShowsInitContainers) {
  pod_ = make_pod(R"({"initContainers":[{"name":"one","image":"i:1"},{"name":"two","image":"i:1"}],
                      "containers":[{"name":"web","image":"i:1"}]})");
  record_.sandboxes = {sandbox()};
  record_.containers = {exited("one", 0), running("two")};
  record_.containers[0].kind = ContainerKind::init;
  record_.containers[1].kind = ContainerKind::init;
  const auto s = status();
  EXPECT_EQ(s.phase, api::PodPhase::pending);
  EXPECT_EQ(condition(s, "Initialized"), "False ContainersNotInitialized containers with incomplete status: [two]");
  EXPECT_TRUE(s.init_container_statuses[0].ready);
  EXPECT_EQ(s.container_statuses[0].state.waiting->reason, "PodInitializing");
}

TEST_F(PodStatusTest, KeepsTheTimeOfAConditionThatDidNotChange) {
  record_.sandboxes = {sandbox()};
  record_.containers = {running("web"), running("db")};
  probed_ = {{"web-0", {true, true}}, {"db-0", {true, true}}};
  const auto time_of_ready = [](const api::PodStatus& s) { return s.conditions[2].last_transition_time->at; };
  previous_ = status();
  ASSERT_EQ(previous_.conditions[2].type, "Ready");
  EXPECT_EQ(time_of_ready(previous_), at(1)) << "an adopted pod is ready since its containers started";
  now_ = at(50);
  EXPECT_EQ(time_of_ready(status()), at(1));
  probed_["db-0"].ready = false;
  EXPECT_EQ(time_of_ready(status()), at(50));
}

} // namespace
} // namespace keelson::daemon::test
