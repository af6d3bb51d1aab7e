// The daemon is killed at random points of a run of creates, starts, execs, stops and removes. KEELSON_TEST_SEED
// repeats a run's choices (not its timing), KEELSON_TEST_KILLS changes the number of kills.
#include "base/file.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "tests/support/poll_until.hpp"
#include "tests/system/node_comparison.hpp"
#include "tests/system/node_fixture.hpp"

#include <atomic>
#include <map>
#include <mutex>
#include <random>
#include <thread>

namespace keelson::test {

namespace {

unsigned number_from(const char* name, unsigned otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : parse_int<unsigned>(text).value_or(otherwise);
}

// A client that goes on whatever happens to the daemon: it repeats a call that got no answer, as kubelet does.
class Churn {
 public:
  Churn(const std::string& socket, std::string log_dir, unsigned seed)
      : client_(*WireClient::connect(socket))
      , log_dir_(std::move(log_dir))
      , random_(seed)
      , thread_([this] { run(); }) {}
  ~Churn() { finish(); }

  void finish() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }

  // What an ended container must say: its own code, unless it was asked to stop before.
  std::optional<int> expected_code(const std::string& id) {
    const std::lock_guard lock(mutex_);
    const auto found = codes_.find(id);
    return found == codes_.end() ? std::nullopt : std::optional(found->second);
  }
  std::vector<std::string> complaints() {
    const std::lock_guard lock(mutex_);
    return complaints_;
  }
  int calls() const { return calls_; }

 private:
  struct Pod {
    json::object config;
    std::string id;
    std::vector<std::string> containers;
  };

  WireReply call(const std::string& method, const json::object& request) {
    constexpr int kUnavailable = 14;
    for (;;) {
      WireReply reply = client_->call(method, json::to_text(request), std::chrono::seconds(30));
      ++calls_;
      // A connection that breaks below an answer is UNAVAILABLE, or UNKNOWN and CANCELLED by the moment of it.
      const bool broken = reply.code == kUnavailable || reply.message.find("tream") != std::string::npos;
      if (!broken || stop_) return reply;
      poll_until(Deadline::after(std::chrono::milliseconds(20)), [] { return false; }); // a client's back-off
    }
  }

  WireReply must(const std::string& method, const json::object& request) {
    WireReply reply = call(method, request);
    if (!reply.ok() && !stop_) {
      const std::lock_guard lock(mutex_);
      complaints_.push_back(fmt::format("{}: {} {}", method, reply.code, reply.message));
    }
    return reply;
  }

  unsigned pick(unsigned below) { return std::uniform_int_distribution<unsigned>(0, below - 1)(random_); }

  void run() {
    while (!stop_) {
      const unsigned choice = pick(10);
      if (pods_.size() < 2 || (choice == 0 && pods_.size() < 5))
        add_pod();
      else if (choice < 6)
        add_container(pods_[pick(static_cast<unsigned>(pods_.size()))]);
      else if (choice < 9)
        end_container(pods_[pick(static_cast<unsigned>(pods_.size()))]);
      else
        end_pod(pick(static_cast<unsigned>(pods_.size())));
    }
  }

  void add_pod() {
    Pod pod;
    pod.config = pod_config("churn");
    pod.config["log_directory"] = log_dir_;
    if (pick(2) == 0) {
      const unsigned port = 20000 + ++port_;
      pod.config["labels"] = json::object{{"host-port", std::to_string(port)}};
      pod.config["port_mappings"] = json::array{json::object{{"container_port", 80}, {"host_port", port}}};
    }
    const WireReply reply = must("RunPodSandbox", {{"config", pod.config}});
    if (!reply.ok()) return;
    pod.id = text(reply.json, "/pod_sandbox_id");
    pods_.push_back(std::move(pod));
  }

  void add_container(Pod& pod) {
    const int code = static_cast<int>(pick(100));
    const bool lasting = pick(2) == 0;
    const std::string name = fmt::format("c{}", ++number_);
    const auto config =
        container_config(name, lasting ? "sleep 1000" : fmt::format("sleep 0.{}; exit {}", pick(4), code));
    const json::object request{{"pod_sandbox_id", pod.id}, {"config", config}, {"sandbox_config", pod.config}};
    const WireReply created = must("CreateContainer", request);
    if (!created.ok()) return;
    const std::string id = text(created.json, "/container_id");
    pod.containers.push_back(id);
    {
      const std::lock_guard lock(mutex_);
      if (!lasting) codes_[id] = code;
    }
    const WireReply started = call("StartContainer", {{"container_id", id}});
    // A start that was repeated may find the container at its end.
    constexpr int kFailedPrecondition = 9;
    if (!started.ok() && started.code != kFailedPrecondition && !stop_) {
      const std::lock_guard lock(mutex_);
      complaints_.push_back(fmt::format("StartContainer: {} {}", started.code, started.message));
    }
    if (lasting) (void)call("ExecSync", {{"container_id", id}, {"cmd", {"/bin/echo", "exec"}}, {"timeout", 5}});
  }

  void end_container(Pod& pod) {
    if (pod.containers.empty()) return add_container(pod);
    const std::string id = pod.containers.back();
    pod.containers.pop_back();
    {
      const std::lock_guard lock(mutex_);
      codes_.erase(id);
    }
    if (pick(2) == 0) must("StopContainer", {{"container_id", id}, {"timeout", 0}});
    must("RemoveContainer", {{"container_id", id}});
  }

  void end_pod(unsigned index) {
    const Pod pod = pods_[index];
    pods_.erase(pods_.begin() + index);
    {
      const std::lock_guard lock(mutex_);
      for (const std::string& id : pod.containers) codes_.erase(id);
    }
    must("StopPodSandbox", {{"pod_sandbox_id", pod.id}});
    if (pick(3) != 0) must("RemovePodSandbox", {{"pod_sandbox_id", pod.id}});
  }

  std::unique_ptr<WireClient> client_;
  std::string log_dir_;
  std::mt19937 random_; // of the thread, as pods_
  std::vector<Pod> pods_;
  unsigned number_ = 0;
  unsigned port_ = 0;
  std::atomic<int> calls_ = 0;
  std::atomic<bool> stop_ = false;
  std::mutex mutex_; // guards what follows
  std::map<std::string, int> codes_;
  std::vector<std::string> complaints_;
  std::thread thread_; // last: it uses the rest
};

class Kills : public OwnNodeTest {
 protected:
  void SetUp() override {
    OwnNodeTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    start_node();
    if (HasFatalFailure()) return;
    for (int i = 0; i < 3; ++i) {
      const std::string pod = user_->run_pod(fmt::format("survivor-{}", i));
      const std::string id = user_->run(pod, "counter", "i=0; while true; do echo $i; i=$((i+1)); sleep 0.02; done");
      survivors_[id] = user_->pid_of(id);
    }
  }

  void check_survivors() {
    for (const auto& [id, pid] : survivors_) {
      const auto status = user_->status(id);
      EXPECT_EQ(text(status, "/state"), "CONTAINER_RUNNING");
      EXPECT_EQ(user_->pid_of(id), pid);
      EXPECT_TRUE(exists(fmt::format("/proc/{}/exe", pid)));
    }
  }

  void check_exit_codes(Churn& churn) {
    const WireReply list = own_->call("ListContainers", {{"filter", {{"state", {{"state", "CONTAINER_EXITED"}}}}}});
    ASSERT_TRUE(list.ok()) << list.message;
    for (const auto& container : list.json.at("containers").as_array()) {
      const std::string id = text(container, "/id");
      const WireReply status = own_->call("ContainerStatus", {{"container_id", id}});
      const auto expected = churn.expected_code(id); // asked last: an end by request is no surprise
      if (!status.ok() || !expected) continue;
      ++checked_codes_;
      EXPECT_EQ(number(status.json, "/status/exit_code"), *expected) << status.text;
    }
  }

  void check_logs() {
    for (const auto& [id, pid] : survivors_) {
      user_->ok("StopContainer", {{"container_id", id}, {"timeout", 0}});
      const std::string out = user_->log_of(id).out;
      long expected = 0;
      for (const auto line : split(trim(out), '\n')) ASSERT_EQ(line, std::to_string(expected++)) << id;
      EXPECT_GT(expected, 100);
    }
  }

  std::map<std::string, pid_t> survivors_;
  int checked_codes_ = 0;
};

TEST_F(Kills, AtRandomPointsLeaveNoDifference) {
  const unsigned seed = number_from("KEELSON_TEST_SEED", std::random_device{}());
  const unsigned kills = number_from("KEELSON_TEST_KILLS", 100);
  std::printf("KEELSON_TEST_SEED=%u\n", seed);
  std::mt19937 random(seed);
  Churn churn(own_->socket(), own_->dir() + "/churn", seed + 1);
  for (unsigned i = 0; i < kills && !HasFailure(); ++i) {
    // Anywhere in the next moments: what is under way then is the point, not the time itself.
    const auto moment = std::chrono::microseconds(std::uniform_int_distribution<int>(0, 250'000)(random));
    poll_until(Deadline::after(moment), [] { return false; });
    ASSERT_TRUE(own_->kill9());
    const auto started = own_->start();
    ASSERT_TRUE(started) << "kill " << i << ": " << started.error().message;
    check_survivors();
    check_exit_codes(churn);
  }
  churn.finish();
  std::printf("%d calls, %d exit codes of ended containers compared\n", churn.calls(), checked_codes_);
  EXPECT_EQ(join(churn.complaints(), "\n"), "");
  EXPECT_EQ(join(differences(*own_), "\n"), "");
  check_survivors();
  check_logs();
}

} // namespace

} // namespace keelson::test
