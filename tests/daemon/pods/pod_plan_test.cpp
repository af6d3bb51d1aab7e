#include "daemon/pods/pod_plan.hpp"
#include "tests/daemon/pods/pod_fixture.hpp"

#include <gtest/gtest.h>

namespace keelson::daemon::test {
namespace {

constexpr const char* kWeb = R"({"containers":[{"name":"web","image":"i:1"}]})";
constexpr const char* kInit = R"({"initContainers":[{"name":"one","image":"i:1"},{"name":"two","image":"i:1"}],
                                  "containers":[{"name":"web","image":"i:1"}]})";
constexpr const char* kSidecar = R"({"initContainers":[{"name":"proxy","image":"i:1","restartPolicy":"Always"},
                                                       {"name":"agent","image":"i:1","restartPolicy":"Always"}],
                                     "containers":[{"name":"web","image":"i:1"}]})";

std::string with_policy(const std::string& policy) {
  return R"({"restartPolicy":")" + policy +
         R"(","containers":[{"name":"web","image":"i:1"},{"name":"db","image":"i:1"}]})";
}

class PodPlan : public ::testing::Test {
 protected:
  Plan plan() { return plan_pod({pod_, record_, memory_, failure_, {}, now_, terminating_, at(0)}); }
  std::string next() { return text_of(plan()); }
  ContainerRecord sidecar(const std::string& name) {
    ContainerRecord record = running(name);
    record.kind = ContainerKind::sidecar;
    memory_[name].started = true;
    return record;
  }

  api::Pod pod_ = make_pod(kWeb);
  PodRecord record_;
  std::map<std::string, ContainerMemory> memory_;
  std::optional<FailedAttempt> failure_;
  WallTime now_ = at(3);
  bool terminating_ = false;
};

TEST_F(PodPlan, MakesASandboxFirst) {
  EXPECT_EQ(next(), "sandbox#0");
}

TEST_F(PodPlan, WaitsAfterAFailedSandbox) {
  failure_ = FailedAttempt{"FailedCreatePodSandBox", "no", at(9), std::chrono::seconds(6)};
  EXPECT_EQ(next(), "");
  EXPECT_EQ(plan().wake_at, at(9));
  now_ = at(9);
  EXPECT_EQ(next(), "sandbox#0");
}

TEST_F(PodPlan, StartsContainersInTheSandbox) {
  record_.sandboxes = {sandbox()};
  EXPECT_EQ(next(), "start web#0");
  record_.containers = {running("web")};
  EXPECT_EQ(next(), "");
}

TEST_F(PodPlan, ReplacesADeadSandboxAndItsContainers) {
  record_.sandboxes = {sandbox(0, false)};
  record_.containers = {exited("web", 137)};
  EXPECT_EQ(next(), "sandbox#1");
  record_.sandboxes = {sandbox(1), sandbox(0, false)};
  EXPECT_EQ(next(), "start web#1/10s");
  ContainerRecord again = running("web", 1);
  again.sandbox_id = "s1";
  record_.containers = {again, exited("web", 137)};
  EXPECT_EQ(next(), "") << "the last ended instance and its sandbox stay";
  record_.containers.push_back(exited("web", 137));
  record_.containers.back().id = "older";
  EXPECT_EQ(next(), "remove older");
  record_.containers = {again};
  EXPECT_EQ(next(), "remove-sandbox s0");
}

TEST_F(PodPlan, StopsTheRestOfADyingSandbox) {
  record_.sandboxes = {sandbox(0, false)};
  record_.containers = {running("web")};
  EXPECT_EQ(next(), "stop-sandbox s0");
}

TEST_F(PodPlan, KeepsTheRestartCountWhenRecordsAreLost) {
  record_.sandboxes = {sandbox(1)};
  memory_["web"].next_attempt = 7;
  EXPECT_EQ(next(), "start web#7");
}

TEST_F(PodPlan, RestartsWithExponentialBackOff) {
  record_.sandboxes = {sandbox()};
  record_.containers = {exited("web", 1)};
  EXPECT_EQ(next(), "start web#1/10s") << "the first crash is not waited for";
  record_.containers = {exited("web", 1, 1)};
  record_.containers[0].back_off = std::chrono::seconds(10);
  EXPECT_EQ(next(), "");
  const Plan waiting = plan();
  EXPECT_EQ(waiting.wake_at, at(12));
  EXPECT_EQ(waiting.waiting.at("web").reason, "CrashLoopBackOff");
  EXPECT_EQ(waiting.waiting.at("web").message, "back-off 10s restarting failed container=web pod=web-n1_default(u1)");
  now_ = at(12);
  EXPECT_EQ(next(), "start web#2/20s");
  record_.containers[0].back_off = std::chrono::seconds(160);
  now_ = at(170);
  EXPECT_EQ(next(), "start web#2/300s");
  record_.containers[0].back_off = std::chrono::seconds(300);
  now_ = at(400);
  EXPECT_EQ(next(), "start web#2/300s");
}

TEST_F(PodPlan, ForgetsCrashesAfterTenMinutes) {
  record_.sandboxes = {sandbox()};
  record_.containers = {exited("web", 1, 5)};
  record_.containers[0].back_off = std::chrono::seconds(300);
  record_.containers[0].finished_at = at(601);
  now_ = at(601);
  EXPECT_EQ(next(), "start web#6/10s");
}

TEST_F(PodPlan, DoesNotWaitLongerWhenTheClockIsSetBack) {
  record_.sandboxes = {sandbox()};
  record_.containers = {exited("web", 1, 1)};
  record_.containers[0].back_off = std::chrono::seconds(10);
  now_ = at(-5000);
  EXPECT_EQ(next(), "start web#2/20s");
}

TEST_F(PodPlan, HoldsToTheRestartPolicy) {
  struct Case {
    const char* policy;
    int web;
    int db;
    const char* expected;
    bool finished;
  };
  const Case cases[] = {
      {"Always", 0, 1, "start web#1/10s, start db#1/10s", false}, {"OnFailure", 0, 1, "start db#1/10s", false},
      {"OnFailure", 0, 0, "stop-sandbox s0, finish", true},       {"Never", 0, 0, "stop-sandbox s0, finish", true},
      {"Never", 0, 1, "stop-sandbox s0, finish", true},
  };
  for (const Case& c : cases) {
    pod_ = make_pod(with_policy(c.policy));
    record_.sandboxes = {sandbox()};
    record_.containers = {exited("web", c.web), exited("db", c.db)};
    EXPECT_EQ(next(), c.expected) << c.policy << " " << c.web << " " << c.db;
    EXPECT_EQ(plan().finished, c.finished);
  }
}

TEST_F(PodPlan, GivesAPodThatNeverRestartsNoSecondSandbox) {
  pod_ = make_pod(with_policy("Never"));
  record_.sandboxes = {sandbox(0, false)};
  record_.containers = {exited("web", 137)};
  EXPECT_EQ(next(), "finish");
  EXPECT_TRUE(plan().finished);
}

TEST_F(PodPlan, RunsInitContainersInOrder) {
  pod_ = make_pod(kInit);
  record_.sandboxes = {sandbox()};
  EXPECT_EQ(next(), "start one#0");
  record_.containers = {running("one")};
  EXPECT_EQ(next(), "");
  EXPECT_FALSE(plan().initialized);
  record_.containers = {exited("one", 0)};
  for (ContainerRecord& record : record_.containers) record.kind = ContainerKind::init;
  EXPECT_EQ(next(), "start two#0");
  record_.containers.push_back(exited("two", 1));
  record_.containers.back().kind = ContainerKind::init;
  EXPECT_EQ(next(), "start two#1/10s");
  record_.containers.back().exit_code = 0;
  EXPECT_EQ(next(), "start web#0");
  record_.containers.push_back(running("web"));
  EXPECT_EQ(next(), "");
  EXPECT_TRUE(plan().initialized);
}

TEST_F(PodPlan, DoesNotRunInitContainersAgainInTheSameSandbox) {
  pod_ = make_pod(kInit);
  record_.sandboxes = {sandbox()};
  record_.containers = {exited("web", 1)}; // the records of the init containers are gone
  EXPECT_EQ(next(), "start web#1/10s");
}

TEST_F(PodPlan, RunsInitContainersAgainInANewSandbox) {
  pod_ = make_pod(kInit);
  record_.sandboxes = {sandbox(1), sandbox(0, false)};
  record_.containers = {exited("one", 0), exited("two", 0), exited("web", 137)};
  record_.containers[0].kind = ContainerKind::init;
  record_.containers[1].kind = ContainerKind::init;
  EXPECT_EQ(next(), "start one#1");
}

TEST_F(PodPlan, FailsThePodWithAnInitContainerThatMayNotRestart) {
  pod_ = make_pod(R"({"restartPolicy":"Never","initContainers":[{"name":"one","image":"i:1"}],
                      "containers":[{"name":"web","image":"i:1"}]})");
  record_.sandboxes = {sandbox()};
  record_.containers = {exited("one", 3)};
  record_.containers[0].kind = ContainerKind::init;
  EXPECT_EQ(next(), "stop-sandbox s0, finish");
  EXPECT_TRUE(plan().finished);
}

TEST_F(PodPlan, WaitsForSidecarsToStart) {
  pod_ = make_pod(kSidecar);
  record_.sandboxes = {sandbox()};
  EXPECT_EQ(next(), "start proxy#0");
  record_.containers = {sidecar("proxy")};
  memory_["proxy"].started = false;
  EXPECT_EQ(next(), "") << "its startup probe has not succeeded";
  memory_["proxy"].started = true;
  EXPECT_EQ(next(), "start agent#0");
  record_.containers.push_back(sidecar("agent"));
  EXPECT_EQ(next(), "start web#0");
}

TEST_F(PodPlan, RestartsASidecarWhateverThePolicy) {
  pod_ =
      make_pod(R"({"restartPolicy":"Never","initContainers":[{"name":"proxy","image":"i:1","restartPolicy":"Always"}],
                      "containers":[{"name":"web","image":"i:1"}]})");
  record_.sandboxes = {sandbox()};
  ContainerRecord dead = exited("proxy", 0);
  dead.kind = ContainerKind::sidecar;
  record_.containers = {running("web"), dead};
  EXPECT_EQ(next(), "start proxy#1/10s");
  record_.containers = {exited("web", 0), sidecar("proxy")};
  EXPECT_EQ(next(), "stop proxy-0") << "the pod is done: sidecars end";
}

TEST_F(PodPlan, KillsWhatFailedItsLivenessProbe) {
  record_.sandboxes = {sandbox()};
  record_.containers = {running("web", 2)};
  memory_["web"].kill =
      KillOrder{"web-2", "Container web failed liveness probe, will be restarted", std::chrono::seconds(5)};
  const Plan kill = plan();
  EXPECT_EQ(text_of(kill), "stop web-2");
  EXPECT_EQ(kill.actions[0].grace, std::chrono::seconds(5));
  memory_["web"].busy = true;
  EXPECT_EQ(next(), "") << "it is being stopped";
  memory_["web"].busy = false;
  memory_["web"].kill->id = "web-1";
  EXPECT_EQ(next(), "") << "an order for an earlier instance";
}

TEST_F(PodPlan, HoldsBackStartsWhileAHookRuns) {
  pod_ = make_pod(with_policy("Always"));
  record_.sandboxes = {sandbox()};
  record_.containers = {running("web")};
  memory_["web"].hook_running = true;
  EXPECT_EQ(next(), "");
  memory_["web"].hook_running = false;
  EXPECT_EQ(next(), "start db#0");
}

TEST_F(PodPlan, HoldsBackFirstStartsBehindAPull) {
  pod_ = make_pod(with_policy("Always"));
  record_.sandboxes = {sandbox()};
  memory_["web"].busy = true;
  EXPECT_EQ(next(), "");
}

TEST_F(PodPlan, WaitsAfterAFailedStart) {
  record_.sandboxes = {sandbox()};
  memory_["web"].failure = FailedAttempt{"ImagePullBackOff", "Back-off pulling", at(13), std::chrono::seconds(10)};
  const Plan waiting = plan();
  EXPECT_EQ(text_of(waiting), "");
  EXPECT_EQ(waiting.wake_at, at(13));
  EXPECT_EQ(waiting.waiting.at("web").reason, "ImagePullBackOff");
  now_ = at(13);
  EXPECT_EQ(next(), "start web#0");
}

TEST_F(PodPlan, RemovesWhatWasNeverStarted) {
  record_.sandboxes = {sandbox()};
  record_.containers = {running("web")};
  record_.containers[0].state = RecordState::created;
  EXPECT_EQ(next(), "remove web-0");
}

TEST_F(PodPlan, LeavesWhatIsInDoubtToItsSandbox) {
  record_.sandboxes = {sandbox()};
  record_.containers = {running("web")};
  record_.containers[0].state = RecordState::unknown;
  EXPECT_EQ(next(), "remove web-0");
  terminating_ = true;
  EXPECT_EQ(next(), "stop-sandbox s0, remove-sandbox s0, finish");
  terminating_ = false;
  record_.sandboxes = {sandbox(0, false)};
  EXPECT_EQ(next(), "sandbox#1");
}

TEST_F(PodPlan, EndsAtTheActiveDeadline) {
  pod_ = make_pod(R"({"activeDeadlineSeconds":5,"containers":[{"name":"web","image":"i:1"}]})");
  record_.sandboxes = {sandbox()};
  record_.containers = {running("web")};
  EXPECT_EQ(next(), "");
  EXPECT_EQ(plan().wake_at, at(5));
  now_ = at(5);
  EXPECT_EQ(next(), "stop web-0");
  EXPECT_TRUE(plan().expired);
}

TEST_F(PodPlan, EndsSidecarsLastAndInReverse) {
  pod_ = make_pod(kSidecar);
  terminating_ = true;
  record_.sandboxes = {sandbox()};
  record_.containers = {running("web"), sidecar("proxy"), sidecar("agent")};
  EXPECT_EQ(next(), "stop web-0");
  memory_["web"].busy = true;
  EXPECT_EQ(next(), "");
  memory_["web"].busy = false;
  record_.containers[0] = exited("web", 143);
  EXPECT_EQ(next(), "stop agent-0");
  record_.containers[2] = exited("agent", 143);
  EXPECT_EQ(next(), "stop proxy-0");
  record_.containers[1] = exited("proxy", 143);
  EXPECT_EQ(next(), "stop-sandbox s0, remove-sandbox s0, finish");
}

TEST_F(PodPlan, WaitsForAPullBeforeTheEnd) {
  terminating_ = true;
  memory_["web"].busy = true;
  EXPECT_EQ(next(), "");
  memory_["web"].busy = false;
  EXPECT_EQ(next(), "finish");
}

} // namespace
} // namespace keelson::daemon::test
