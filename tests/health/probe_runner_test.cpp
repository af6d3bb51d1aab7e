#include "health/probe_runner.hpp"
#include "tests/health/loopback_server.hpp"
#include "tests/health/process_figures.hpp"
#include "tests/support/poll_until.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

namespace keelson::health {
namespace {

using namespace std::chrono_literals;
using Connection = LoopbackServer::Connection;

struct Heard {
  std::string container_id;
  ProbeReport report;
};

class ProbeRunnerTest : public testing::Test {
 protected:
  ProbeRunnerTest()
      : loop_thread_([this] { loop_.run(); }) {}

  ~ProbeRunnerTest() override {
    stop();
    loop_.stop();
    loop_thread_.join();
  }

  // No command runs after it: pool threads may still be in one when the runner has gone.
  void stop() {
    runner_.reset();
    pool_.reset();
  }

  // Declared after what the commands of a test use.
  class Finish {
   public:
    explicit Finish(ProbeRunnerTest& test)
        : test_(test) {}
    ~Finish() { test_.stop(); }
    Finish(const Finish&) = delete;
    Finish& operator=(const Finish&) = delete;

   private:
    ProbeRunnerTest& test_;
  };

  void start(unsigned exec_slots = 32) {
    ProbeRunnerOptions options;
    options.exec_slots = exec_slots;
    options.fraction = [] { return 0.0; };
    options.exec_kill_grace = 100ms;
    runner_.emplace(
        loop_, *pool_, prober_,
        [this](const std::string& id, const ProbeReport& report) {
          const std::lock_guard lock(mutex_);
          heard_.push_back({id, report});
        },
        options);
  }

  std::vector<Heard> heard() {
    const std::lock_guard lock(mutex_);
    return heard_;
  }

  std::size_t heard_of(const std::string& id) {
    std::size_t count = 0;
    for (const Heard& h : heard()) count += h.container_id == id ? 1 : 0;
    return count;
  }

  bool wait_for(const std::function<bool()>& predicate) { return test::poll_until(Deadline::after(8s), predicate); }

  static ProbeConfig config(ProbeAction action, std::chrono::milliseconds period = 20ms,
                            std::chrono::milliseconds timeout = 1s) {
    ProbeConfig c;
    c.action = std::move(action);
    c.timing.period = period;
    c.timing.timeout = timeout;
    return c;
  }

  static ProbeTarget exec_target(std::string id, ExecFn exec, std::chrono::milliseconds timeout = 1s) {
    ProbeTarget target;
    target.container_id = std::move(id);
    target.name = "web";
    target.probes.readiness = config(ExecAction{{"check"}}, 20ms, timeout);
    target.exec = std::move(exec);
    return target;
  }

  std::mutex mutex_; // guards heard_
  std::vector<Heard> heard_;
  Loop loop_;
  Prober prober_;
  std::thread loop_thread_;
  std::optional<WorkerPool> pool_{std::in_place, "exec-probes", 32};
  std::optional<ProbeRunner> runner_; // gone before what it uses
};

TEST_F(ProbeRunnerTest, LivenessFailureAsksForARestartOnceAndThenHolds) {
  start();
  const LoopbackServer server(answer("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"));
  ProbeTarget target{"c1", "web", {}, {}, {}};
  target.probes.liveness = config(HttpAction{false, "127.0.0.1", server.port(), "/", {}});
  runner_->add(target);
  ASSERT_TRUE(wait_for([&] { return heard_of("c1") == 3; }));
  const auto reports = heard();
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(reports[i].report.event, "Liveness probe failed: HTTP probe failed with statuscode: 503");
    EXPECT_EQ(reports[i].report.restart, i == 2);
  }
  EXPECT_EQ(reports[2].report.restart_reason, "Container web failed liveness probe, will be restarted");
  EXPECT_EQ(runner_->status("c1")->liveness, ProbeResult::failure);
  EXPECT_EQ(runner_->counts("c1", ProbeKind::liveness)->failed, 3U);
  const auto asked = server.accepted();

  runner_->reset("c1"); // the container was restarted: probing goes on
  EXPECT_EQ(runner_->status("c1")->liveness, ProbeResult::success);
  ASSERT_TRUE(wait_for([&] { return heard_of("c1") == 6; }));
  EXPECT_EQ(server.accepted(), asked + 3);
}

TEST_F(ProbeRunnerTest, ReadinessFollowsTheServer) {
  start();
  std::atomic<bool> up{false};
  const LoopbackServer server([&](Connection& c) {
    c.read_request();
    c.send(up ? "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" : "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
  });
  ProbeTarget target{"c1", "web", {}, {}, {}};
  target.probes.readiness = config(HttpAction{false, "127.0.0.1", server.port(), "/", {}});
  runner_->add(target);
  ASSERT_TRUE(wait_for([&] { return heard_of("c1") >= 2; }));
  EXPECT_FALSE(runner_->status("c1")->ready);
  up = true;
  ASSERT_TRUE(wait_for([&] { return runner_->status("c1")->ready; }));
  up = false;
  ASSERT_TRUE(wait_for([&] { return !runner_->status("c1")->ready; }));
  int changes = 0;
  for (const Heard& h : heard()) changes += h.report.ready_changed ? 1 : 0;
  EXPECT_EQ(changes, 2);
}

TEST_F(ProbeRunnerTest, StartupProbeOpensTheOthers) {
  start();
  std::atomic<int> startup_runs{0};
  std::atomic<int> liveness_runs{0};
  std::atomic<bool> up{false};
  const Finish finish(*this);
  ProbeTarget target{"c1", "web", {}, {}, {}};
  target.probes.startup = config(ExecAction{{"startup"}});
  target.probes.startup->timing.failure_threshold = 1000;
  target.probes.liveness = config(ExecAction{{"liveness"}});
  target.exec = [&](const std::vector<std::string>& argv, std::chrono::nanoseconds) -> Result<ExecOutcome> {
    ++(argv[0] == "startup" ? startup_runs : liveness_runs);
    return ExecOutcome{up ? 0 : 1, false, ""};
  };
  runner_->add(target);
  ASSERT_TRUE(wait_for([&] { return startup_runs >= 3; }));
  EXPECT_EQ(liveness_runs, 0);
  EXPECT_FALSE(runner_->status("c1")->started);
  up = true;
  ASSERT_TRUE(wait_for([&] { return liveness_runs >= 3; }));
  EXPECT_TRUE(runner_->status("c1")->started);
  const int runs = startup_runs;
  ASSERT_TRUE(wait_for([&] { return liveness_runs >= 6; }));
  EXPECT_EQ(startup_runs, runs);
}

TEST_F(ProbeRunnerTest, ResultOfARemovedContainerIsDiscarded) {
  start();
  std::mutex mutex;
  std::condition_variable wake;
  bool inside = false;
  bool go = false;
  const Finish finish(*this);
  runner_->add(exec_target("c1", [&](const auto&, auto) -> Result<ExecOutcome> {
    std::unique_lock lock(mutex);
    inside = true;
    wake.wait_for(lock, 5s, [&] { return go; });
    return ExecOutcome{1, false, "old"};
  }));
  ASSERT_TRUE(wait_for([&] {
    const std::lock_guard lock(mutex);
    return inside;
  }));
  runner_->remove("c1");
  EXPECT_FALSE(runner_->status("c1"));
  // The same id comes back at once: the late result of the old instance must not count for it.
  runner_->add(exec_target("c1", [](const auto&, auto) -> Result<ExecOutcome> { return ExecOutcome{0, false, ""}; }));
  {
    const std::lock_guard lock(mutex);
    go = true;
  }
  wake.notify_all();
  ASSERT_TRUE(wait_for([&] { return runner_->counts("c1", ProbeKind::readiness)->successful >= 3; }));
  EXPECT_EQ(runner_->counts("c1", ProbeKind::readiness)->failed, 0U);
  for (const Heard& h : heard()) EXPECT_EQ(h.report.event, "");
}

TEST_F(ProbeRunnerTest, NetworkProbeOfARemovedContainerIsBrokenOff) {
  start();
  std::atomic<bool> closed{false};
  const LoopbackServer server([&](Connection& c) {
    c.read_request();
    if (!c.wait(10'000)) closed = true;
  });
  ProbeTarget target{"c1", "web", {}, {}, {}};
  target.probes.liveness = config(HttpAction{false, "127.0.0.1", server.port(), "/", {}}, 20ms, 60s);
  runner_->add(target);
  ASSERT_TRUE(wait_for([&] { return server.accepted() == 1; }));
  runner_->remove("c1");
  EXPECT_TRUE(wait_for([&] { return closed.load(); }));
  EXPECT_EQ(heard_of("c1"), 0U);
}

// Twelve containers hang for their whole timeout with four places: another container's probes go on at their pace.
TEST_F(ProbeRunnerTest, HungExecsDoNotStarveOthers) {
  start(4);
  std::atomic<bool> stop{false};
  std::mutex mutex;
  std::condition_variable wake;
  const Finish finish(*this);
  for (int i = 0; i < 12; ++i) {
    runner_->add(exec_target(
        "hung" + std::to_string(i),
        [&](const auto&, std::chrono::nanoseconds timeout) -> Result<ExecOutcome> {
          std::unique_lock lock(mutex);
          wake.wait_for(lock, timeout, [&] { return stop.load(); });
          return ExecOutcome{137, true, ""};
        },
        300ms));
  }
  // Each has hung once and is known for it.
  ASSERT_TRUE(wait_for([&] {
    for (int i = 0; i < 12; ++i) {
      if (runner_->counts("hung" + std::to_string(i), ProbeKind::readiness)->failed < 1) return false;
    }
    return true;
  }));
  runner_->add(exec_target("quick", [](const auto&, auto) -> Result<ExecOutcome> {
    return ExecOutcome{0, false, ""};
  }));
  const auto began = std::chrono::steady_clock::now();
  ASSERT_TRUE(wait_for([&] { return runner_->counts("quick", ProbeKind::readiness)->successful >= 20; }));
  EXPECT_LT(std::chrono::steady_clock::now() - began, 1500ms) << "20 periods are 400 ms";
  stop = true;
  wake.notify_all();
}

TEST_F(ProbeRunnerTest, ExecThatIgnoresItsTimeoutFailsAndIsNotStartedAgain) {
  start();
  std::mutex mutex;
  std::condition_variable wake;
  bool go = false;
  std::atomic<int> runs{0};
  const Finish finish(*this);
  auto target = exec_target(
      "c1",
      [&](const auto&, auto) -> Result<ExecOutcome> {
        ++runs;
        std::unique_lock lock(mutex);
        wake.wait_for(lock, 20s, [&] { return go; });
        return ExecOutcome{0, false, ""};
      },
      50ms);
  target.probes.liveness = target.probes.readiness;
  target.probes.readiness.reset();
  runner_->add(target);
  ASSERT_TRUE(wait_for([&] { return runner_->status("c1")->liveness == ProbeResult::failure; }));
  EXPECT_EQ(runs, 1);
  EXPECT_TRUE(heard().back().report.restart);
  EXPECT_NE(heard().front().report.event.find("could not be killed"), std::string::npos);
  {
    const std::lock_guard lock(mutex);
    go = true;
  }
  wake.notify_all();
}

TEST_F(ProbeRunnerTest, CheckpointCarriesReadinessOver) {
  start();
  const LoopbackServer server([](Connection& c) { c.wait(-1); });
  ProbeTarget target{"c1", "web", {}, {}, {}};
  target.probes.readiness = config(TcpAction{"127.0.0.1", server.port()});
  runner_->add(target);
  ASSERT_TRUE(wait_for([&] { return runner_->status("c1")->ready; }));
  const auto text = format_checkpoints(runner_->checkpoints());

  const auto parsed = parse_checkpoints(text);
  ASSERT_TRUE(parsed && parsed->size() == 1);
  runner_.reset();
  heard_.clear();
  start();
  target.probes.readiness->timing.period = 1h;
  target.probes.readiness->timing.initial_delay = 1h;
  runner_->add(target, parsed->front());
  EXPECT_TRUE(runner_->status("c1")->ready);
  target.container_id = "c2"; // another instance takes nothing over
  runner_->add(target, parsed->front());
  EXPECT_FALSE(runner_->status("c2")->ready);
  EXPECT_TRUE(heard().empty()) << "no flip";
}

TEST_F(ProbeRunnerTest, TerminatingPodIsNotKilledByItsProbes) {
  start();
  ProbeTarget target{"c1", "web", {}, {}, {}};
  target.probes.liveness = config(TcpAction{"127.0.0.1", closed_port()});
  target.probes.liveness->timing.failure_threshold = 100'000;
  target.probes.readiness = target.probes.liveness;
  runner_->add(target);
  ASSERT_TRUE(wait_for([&] { return heard_of("c1") >= 4; }));
  runner_->set_terminating("c1");
  const auto liveness = runner_->counts("c1", ProbeKind::liveness)->failed;
  const auto readiness = runner_->counts("c1", ProbeKind::readiness)->failed;
  ASSERT_TRUE(wait_for([&] { return runner_->counts("c1", ProbeKind::readiness)->failed >= readiness + 5; }));
  EXPECT_EQ(runner_->counts("c1", ProbeKind::liveness)->failed, liveness);
}

TEST_F(ProbeRunnerTest, CallbackMayCallTheRunner) {
  std::atomic<int> calls{0};
  const Finish finish(*this);
  runner_.emplace(loop_, *pool_, prober_, [&](const std::string& id, const ProbeReport&) {
    runner_->remove(id);
    ++calls;
  });
  ProbeTarget target{"c1", "web", {}, {}, {}};
  target.probes.liveness = config(TcpAction{"127.0.0.1", closed_port()});
  runner_->add(target);
  ASSERT_TRUE(wait_for([&] { return calls == 1; }));
  EXPECT_FALSE(runner_->status("c1"));
}

// 300 probes of 150 containers, ten times a second each: threads and descriptors stay flat.
TEST_F(ProbeRunnerTest, ManyProbesNeedNoMoreThreadsOrDescriptors) {
  start();
  std::atomic<int> execs{0};
  const Finish finish(*this);
  const auto add = [&](int first, int count) {
    for (int i = first; i < first + count; ++i) {
      ProbeTarget target{"c" + std::to_string(i), "web", {}, {}, {}};
      target.probes.liveness = config(TcpAction{"127.0.0.1", closed_port()}, 100ms);
      target.probes.liveness->timing.failure_threshold = 1'000'000;
      target.probes.readiness = config(ExecAction{{"check"}}, 100ms);
      target.exec = [&](const auto&, auto) -> Result<ExecOutcome> {
        ++execs;
        return ExecOutcome{0, false, ""};
      };
      runner_->add(target);
    }
  };
  add(1000, 1); // the first one makes what all share
  ASSERT_TRUE(wait_for([&] { return execs >= 1 && heard_of("c1000") >= 2; }));
  runner_->remove("c1000");
  const auto fds = open_fds();
  const auto thread_count = threads();
  add(0, 150);
  std::size_t most_threads = 0;
  std::size_t most_fds = 0;
  ASSERT_TRUE(wait_for([&] {
    most_threads = std::max(most_threads, threads());
    most_fds = std::max(most_fds, open_fds());
    return execs >= 150 * 15;
  }));
  EXPECT_LE(most_threads, thread_count + 32);
  EXPECT_LE(most_fds, fds + 150);
  EXPECT_GE(runner_->counts("c0", ProbeKind::liveness)->failed, 12U);
  for (int i = 0; i < 150; ++i) runner_->remove("c" + std::to_string(i));
  EXPECT_TRUE(wait_for([&] { return open_fds() <= fds; })) << fds << " before, now\n" << descriptor_list();
}

} // namespace
} // namespace keelson::health
