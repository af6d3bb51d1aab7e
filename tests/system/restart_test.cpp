// The daemon ends and comes back; pods do not notice.
#include "base/file.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "tests/support/mounts.hpp"
#include "tests/system/node_fixture.hpp"

#include <gmock/gmock.h>

namespace keelson::test {

namespace {

using testing::HasSubstr;

constexpr const char* kCounter = "i=0; while true; do echo $i; i=$((i+1)); sleep 0.01; done";

class Restart : public OwnNodeTest {
 protected:
  void SetUp() override {
    OwnNodeTest::SetUp();
    if (!IsSkipped() && !HasFatalFailure()) start_node();
  }
  void expect_no_gap(const std::string& container) {
    const std::string out = user_->log_of(container).out;
    long expected = 0;
    for (const auto line : split(trim(out), '\n')) ASSERT_EQ(line, std::to_string(expected++));
    EXPECT_GT(expected, 5);
  }
  void crash() {
    ASSERT_TRUE(own_->kill9());
    const auto started = own_->start();
    ASSERT_TRUE(started) << started.error().message;
  }
};

TEST_F(Restart, PodsRunOnAndLogsHaveNoGap) {
  auto config = pod_config("survivor");
  config["labels"] = json::object{{"app", "x"}};
  config["port_mappings"] = json::array{json::object{{"container_port", 8080}, {"host_port", 18081}}};
  const std::string pod = user_->run_pod(config);
  const std::string counter = user_->run(pod, "counter", kCounter);
  const std::string server = user_->run(pod, "server", "nc -ll -p 8080 -e /bin/echo hello");
  const pid_t pid = user_->pid_of(counter);
  const auto before = user_->ok("PodSandboxStatus", {{"pod_sandbox_id", pod}});
  const auto container_before = user_->status(counter);
  crash();
  EXPECT_EQ(user_->pid_of(counter), pid);
  auto after = user_->ok("PodSandboxStatus", {{"pod_sandbox_id", pod}});
  EXPECT_EQ(json::to_text(after.at("status")), json::to_text(before.at("status")));
  EXPECT_EQ(json::to_text(user_->status(counter)), json::to_text(container_before));
  EXPECT_EQ(user_->exec(counter, {"echo", "in"}).out, "in\n");
  EXPECT_TRUE(eventually([&] { return shell("busybox nc -w 2 127.0.0.1 18081 </dev/null") == "hello\n"; })) << server;
  const std::string last = fmt::format("{}\n", split(user_->log_of(counter).out, '\n').size() + 20);
  EXPECT_TRUE(user_->wait_log(counter, last));
  expect_no_gap(counter);
  user_->output(pod, "echo new container in an old pod");
}

TEST_F(Restart, ExecsAreConfinedAsBefore) {
  auto config = container_config("c", "sleep 1000");
  at(config, "linux.security_context") = json::object{{"run_as_user", {{"value", 1000}}},
                                                      {"no_new_privs", true},
                                                      {"seccomp", {{"profile_type", "RuntimeDefault"}}},
                                                      {"capabilities", {{"drop_capabilities", json::array{"CHOWN"}}}}};
  const std::string id = user_->run(user_->run_pod("exec"), config);
  const std::string command = "grep -E '^(Uid|Gid|Groups|Cap...|NoNewPrivs|Seccomp):' /proc/self/status; env";
  const auto before = user_->exec_shell(id, command);
  crash();
  EXPECT_EQ(user_->exec_shell(id, command).out, before.out);
  EXPECT_THAT(before.out, HasSubstr("Seccomp:\t2"));
}

TEST_F(Restart, ExitCodesOfWhatEndedMeanwhileAreKnown) {
  const std::string pod = user_->run_pod("meanwhile");
  const std::string quick = user_->run(pod, "quick", "while ! test -e /dev/shm/go; do sleep 0.01; done; exit 42");
  const std::string killed = user_->run(pod, "killed", "sleep 1000");
  const std::string created = user_->create(pod, container_config("created", "echo later"));
  const pid_t quick_pid = user_->pid_of(quick);
  const pid_t killed_pid = user_->pid_of(killed);
  ASSERT_TRUE(own_->kill9());
  ASSERT_TRUE(write_file_atomic(own_->state() + "/sandboxes/" + pod + "/shm/go", "", 0644));
  ::kill(killed_pid, SIGKILL);
  EXPECT_TRUE(eventually(
      [&] { return !exists(fmt::format("/proc/{}", quick_pid)) && !exists(fmt::format("/proc/{}", killed_pid)); }));
  ASSERT_TRUE(own_->start());
  EXPECT_EQ(number(user_->wait_exited(quick), "/exit_code"), 42);
  EXPECT_EQ(number(user_->wait_exited(killed), "/exit_code"), 137);
  EXPECT_EQ(text(user_->status(created), "/state"), "CONTAINER_CREATED");
  user_->start(created);
  user_->wait_exited(created);
  EXPECT_EQ(user_->log_of(created).out, "later\n");
}

TEST_F(Restart, AStoppedSandboxStaysStopped) {
  const std::string pod = user_->run_pod("stopped");
  const std::string id = user_->run(pod, "c", "exit 9");
  user_->wait_exited(id);
  user_->ok("StopPodSandbox", {{"pod_sandbox_id", pod}});
  crash();
  EXPECT_EQ(text(user_->ok("PodSandboxStatus", {{"pod_sandbox_id", pod}}), "/status/state"), "SANDBOX_NOTREADY");
  const auto status = user_->status(id);
  EXPECT_EQ(number(status, "/exit_code"), 9);
  EXPECT_EQ(text(status, "/state"), "CONTAINER_EXITED");
}

TEST_F(Restart, AnAddressIsNotGivenTwice) {
  const std::string first = user_->run_pod("first");
  const std::string ip = user_->pod_ip(first);
  crash();
  EXPECT_NE(user_->pod_ip(user_->run_pod("second")), ip);
  EXPECT_EQ(user_->pod_ip(first), ip);
}

TEST_F(Restart, OfAHealthyNodeIsQuick) {
  for (int i = 0; i < 10; ++i) user_->run(user_->run_pod(fmt::format("p{}", i)), "c", "sleep 1000");
  ASSERT_TRUE(own_->kill9());
  const auto before = std::chrono::steady_clock::now();
  ASSERT_TRUE(own_->start());
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(10));
  EXPECT_EQ(user_->ok("ListContainers", {{"filter", {{"state", {{"state", "CONTAINER_RUNNING"}}}}}})
                .at("containers")
                .as_array()
                .size(),
            10U);
}

} // namespace

} // namespace keelson::test
