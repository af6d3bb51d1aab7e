#include "base/file.hpp"
#include "daemon/pods/pod_agent.hpp"
#include "health/prober.hpp"
#include "tests/daemon/pods/fake_runtime.hpp"
#include "tests/support/poll_until.hpp"
#include "tests/support/temp_dir.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdio>
#include <thread>

namespace keelson::daemon::test {
namespace {

using keelson::test::poll_until;

std::string pod_yaml(const std::string& name, const std::string& container_fields = {},
                     const std::string& spec_fields = {}) {
  return "apiVersion: v1\nkind: Pod\nmetadata: {name: " + name + "}\nspec:\n  terminationGracePeriodSeconds: 7\n" +
         spec_fields + "  containers:\n  - name: " + name + "\n    image: i:1\n" + container_fields;
}

class PodAgentTest : public ::testing::Test {
 protected:
  void SetUp() override {
    loop_thread_ = std::thread([this] { loop_.run(); });
    ASSERT_TRUE(make_dirs(dir_ / "manifests", 0755));
  }
  void TearDown() override {
    agent_.reset();
    loop_.stop();
    loop_thread_.join();
  }

  void start_agent() {
    options_.node_name = "n1";
    options_.manifest_dir = dir_ / "manifests";
    options_.log_dir = dir_ / "logs";
    options_.root = dir_ / "root";
    options_.restart.first = std::chrono::seconds(1);
    options_.pull.first = std::chrono::seconds(1);
    auto agent = PodAgent::start(options_, {runtime_, nullptr, loop_, clock_, prober_});
    ASSERT_TRUE(agent.has_value()) << agent.error().message;
    agent_ = std::move(*agent);
  }

  void write(const std::string& file, const std::string& text) {
    ASSERT_TRUE(write_file_atomic(dir_ / "manifests" + "/" + file, text, 0644));
  }

  std::string status(const std::string& pod, const std::string& pointer) {
    const auto found = agent_->pod(pod + "-n1");
    if (!found) return "absent";
    boost::system::error_code error;
    const json::value* value = found->find_pointer(pointer, error);
    if (value == nullptr) return "";
    return value->is_string() ? std::string(value->as_string()) : json::to_text(*value);
  }

  bool eventually(const std::function<bool()>& condition) {
    return poll_until(Deadline::after(std::chrono::seconds(20)), condition);
  }
  bool reaches(const std::string& pod, const std::string& pointer, const std::string& value) {
    return eventually([&] { return status(pod, pointer) == value; });
  }
  bool has_event(const std::string& reason, const std::string& part = {}) {
    for (const Event& event : agent_->events().since(0))
      if (event.reason == reason && event.message.find(part) != std::string::npos) return true;
    return false;
  }

  static constexpr const char* kPhase = "/status/phase";
  static constexpr const char* kReady = "/status/containerStatuses/0/ready";
  static constexpr const char* kWaiting = "/status/containerStatuses/0/state/waiting/reason";

  keelson::test::TempDir dir_{"pods"};
  Loop loop_;
  std::thread loop_thread_;
  SystemClock clock_;
  health::Prober prober_;
  FakeRuntime runtime_;
  PodAgentOptions options_;
  std::unique_ptr<PodAgent> agent_;
};

TEST_F(PodAgentTest, RunsThePodsOfItsDirectoryAndNewOnes) {
  write("a.yaml", pod_yaml("a"));
  start_agent();
  EXPECT_TRUE(reaches("a", kPhase, "Running"));
  EXPECT_TRUE(reaches("a", kReady, "true"));
  write(
      "b.json",
      R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"b"},"spec":{"containers":[{"name":"b","image":"i:1"}]}})");
  EXPECT_TRUE(reaches("b", kPhase, "Running"));
  write(".c.yaml", pod_yaml("c"));
  write("d.yaml~", pod_yaml("d"));
  write("e.yaml", pod_yaml("e"));
  EXPECT_TRUE(reaches("e", kPhase, "Running"));
  EXPECT_EQ(agent_->pods().as_array().size(), 3U);
  for (const char* reason : {"Created", "Started"}) EXPECT_TRUE(has_event(reason)) << reason;
}

TEST_F(PodAgentTest, ReplacesAPodWhoseManifestChanges) {
  write("a.yaml", pod_yaml("a"));
  start_agent();
  ASSERT_TRUE(reaches("a", kPhase, "Running"));
  const std::string uid = status("a", "/metadata/uid");
  write("a.yaml", pod_yaml("a", "    command: [sleep]\n"));
  ASSERT_TRUE(eventually([&] { return runtime_.count("start a#0") == 2; }));
  const auto calls = runtime_.calls();
  const auto stop = std::find(calls.begin(), calls.end(), "stop a#0 7");
  ASSERT_NE(stop, calls.end()) << "the old pod is ended with its grace period";
  EXPECT_EQ(std::count(calls.begin(), stop, "start a#0"), 1) << "the new one waits for the end of the old one";
  EXPECT_NE(status("a", "/metadata/uid"), uid);
  EXPECT_FALSE(exists(dir_ / "root/pods/" + uid));
  EXPECT_EQ(runtime_.sandboxes(), 1U);
}

TEST_F(PodAgentTest, KeepsThePodWhileItsManifestDoesNotParse) {
  write("a.yaml", pod_yaml("a"));
  start_agent();
  ASSERT_TRUE(reaches("a", kPhase, "Running"));
  write("a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {na");
  EXPECT_TRUE(eventually([&] { return has_event("InvalidManifest", "a.yaml"); }));
  write("b.yaml", pod_yaml("b"));
  EXPECT_TRUE(reaches("b", kPhase, "Running"));
  EXPECT_EQ(status("a", kPhase), "Running");
  EXPECT_EQ(runtime_.count("start a#0"), 1U);
}

TEST_F(PodAgentTest, LeavesNothingOfARemovedPod) {
  write("a.yaml",
        pod_yaml("a", "    volumeMounts: [{name: v, mountPath: /v}]\n", "  volumes: [{name: v, emptyDir: {}}]\n"));
  start_agent();
  ASSERT_TRUE(reaches("a", kPhase, "Running"));
  const std::string dir = dir_ / "root/pods/" + status("a", "/metadata/uid");
  struct stat volume {};
  ASSERT_EQ(::stat((dir + "/volumes/kubernetes.io~empty-dir/v").c_str(), &volume), 0);
  EXPECT_EQ(volume.st_mode & 07777U, 0777U);
  ASSERT_EQ(std::remove((dir_ / "manifests/a.yaml").c_str()), 0);
  EXPECT_TRUE(reaches("a", kPhase, "absent"));
  EXPECT_EQ(runtime_.sandboxes(), 0U);
  EXPECT_FALSE(exists(dir));
}

TEST_F(PodAgentTest, RestartsAtOnceAndThenBacksOff) {
  write("a.yaml", pod_yaml("a"));
  start_agent();
  ASSERT_TRUE(reaches("a", kReady, "true"));
  const SteadyTime exit = clock_.now();
  runtime_.exit("a", 1);
  ASSERT_TRUE(eventually([&] { return runtime_.count("start a#1") == 1; }));
  EXPECT_LT(clock_.now() - exit, std::chrono::milliseconds(500)) << "by the event, not by a look from time to time";
  ASSERT_TRUE(reaches("a", kReady, "true"));
  runtime_.exit("a", 1);
  EXPECT_TRUE(reaches("a", kWaiting, "CrashLoopBackOff"));
  EXPECT_EQ(runtime_.count("start a#2"), 0U);
  EXPECT_EQ(status("a", "/status/containerStatuses/0/lastState/terminated/exitCode"), "1");
  EXPECT_TRUE(has_event("BackOff", "Back-off restarting failed container a"));
  EXPECT_TRUE(eventually([&] { return runtime_.count("start a#2") == 1; }));
  EXPECT_TRUE(reaches("a", "/status/containerStatuses/0/restartCount", "2"));
}

TEST_F(PodAgentTest, AdoptsRunningPodsWithoutTouchingThem) {
  write("a.yaml", pod_yaml("a", "    readinessProbe: {exec: {command: [ready]}, periodSeconds: 1}\n"));
  start_agent();
  ASSERT_TRUE(reaches("a", kReady, "true"));
  const std::string started = status("a", "/status/startTime");
  agent_.reset();
  const std::size_t calls = runtime_.calls().size();
  // The first probe of the new agent comes later than its first status: only the checkpoint can tell.
  start_agent();
  EXPECT_EQ(status("a", "/status/startTime"), started);
  ASSERT_TRUE(eventually([&] { return status("a", "/status/containerStatuses/0/state/running/startedAt") != ""; }));
  EXPECT_EQ(status("a", kReady), "true") << "no flip";
  const auto after = runtime_.calls();
  for (std::size_t i = calls; i < after.size(); ++i) EXPECT_EQ(after[i].substr(0, 5), "exec ") << after[i];
}

TEST_F(PodAgentTest, EndsPodsWhoseManifestsWentAwayMeanwhile) {
  write("a.yaml", pod_yaml("a", "    lifecycle: {preStop: {exec: {command: [goodbye, now]}}}\n"));
  start_agent();
  ASSERT_TRUE(reaches("a", kReady, "true"));
  agent_.reset();
  ASSERT_EQ(std::remove((dir_ / "manifests/a.yaml").c_str()), 0);
  start_agent();
  EXPECT_TRUE(reaches("a", kPhase, "absent"));
  EXPECT_EQ(runtime_.count("exec a#0 goodbye now"), 1U);
  EXPECT_EQ(runtime_.count("stop a#0 7"), 1U);
  EXPECT_EQ(runtime_.sandboxes(), 0U);
}

TEST_F(PodAgentTest, RestartsWhatFailsItsLivenessProbe) {
  write("a.yaml", pod_yaml("a", "    livenessProbe: {exec: {command: [alive]}, periodSeconds: 1, failureThreshold: 1, "
                                "terminationGracePeriodSeconds: 3}\n"));
  runtime_.set_exec_answer(1);
  start_agent();
  ASSERT_TRUE(eventually([&] { return runtime_.count("stop a#0 3") == 1; }));
  runtime_.set_exec_answer(0);
  EXPECT_TRUE(eventually([&] { return runtime_.count("start a#1") == 1; }));
  EXPECT_TRUE(has_event("Unhealthy", "Liveness probe failed: not well"));
  EXPECT_TRUE(has_event("Killing", "Container a failed liveness probe, will be restarted"));
}

TEST_F(PodAgentTest, DoesNotPromiseARestartThatThePolicyForbids) {
  write("a.yaml",
        pod_yaml("a", "    livenessProbe: {exec: {command: [alive]}, periodSeconds: 1, failureThreshold: 1}\n",
                 "  restartPolicy: Never\n"));
  runtime_.set_exec_answer(1);
  start_agent();
  EXPECT_TRUE(reaches("a", kPhase, "Failed"));
  EXPECT_TRUE(has_event("Killing", "Container a failed liveness probe"));
  EXPECT_FALSE(has_event("Killing", "will be restarted"));
  EXPECT_EQ(runtime_.count("start a#1"), 0U);
}

TEST_F(PodAgentTest, RunsNoMorePodsThanItMay) {
  options_.max_pods = 1;
  write("a.yaml", pod_yaml("a"));
  write("b.yaml", pod_yaml("b"));
  start_agent();
  ASSERT_TRUE(reaches("a", kPhase, "Running"));
  EXPECT_EQ(status("b", "/status/reason"), "OutOfpods");
  EXPECT_TRUE(has_event("OutOfpods", "capacity: 1"));
  ASSERT_EQ(std::remove((dir_ / "manifests/a.yaml").c_str()), 0);
  EXPECT_TRUE(reaches("b", kPhase, "Running"));
}

TEST_F(PodAgentTest, TriesAFailedPullAgain) {
  runtime_.set_pullable("i:1", false);
  write("a.yaml", pod_yaml("a"));
  start_agent();
  EXPECT_TRUE(reaches("a", kWaiting, "ImagePullBackOff"));
  EXPECT_TRUE(has_event("Failed", "Error: ErrImagePull"));
  runtime_.set_pullable("i:1", true);
  EXPECT_TRUE(reaches("a", kPhase, "Running"));
}

TEST_F(PodAgentTest, TellsWhatAConfigMapLacks) {
  write("a.yaml", pod_yaml("a", "    envFrom: [{configMapRef: {name: settings}}]\n"));
  write("b.yaml", pod_yaml("b", "", "  volumes: [{name: s, secret: {secretName: key}}]\n"));
  start_agent();
  EXPECT_TRUE(reaches("a", kWaiting, "CreateContainerConfigError"));
  EXPECT_TRUE(eventually([&] { return has_event("FailedMount", "not available without an API server"); }));
}

TEST_F(PodAgentTest, BlocksLaterContainersWhileAPostStartHookFails) {
  runtime_.set_exec_answer(5);
  write("a.yaml", pod_yaml("a", "    lifecycle: {postStart: {exec: {command: [hello]}}}\n"));
  start_agent();
  EXPECT_TRUE(eventually([&] { return runtime_.count("stop a#0 7") == 1; }));
  EXPECT_TRUE(has_event("FailedPostStartHook"));
}

TEST_F(PodAgentTest, EndsAPodAtItsActiveDeadline) {
  write("a.yaml", pod_yaml("a", "", "  activeDeadlineSeconds: 1\n"));
  start_agent();
  EXPECT_TRUE(reaches("a", "/status/reason", "DeadlineExceeded"));
  EXPECT_TRUE(eventually([&] { return runtime_.count("stop a#0 7") == 1; }));
}

} // namespace
} // namespace keelson::daemon::test
