// A pod's monitor with real containers for tests: a bundle of static busybox, real runc, cgroups under a parent of its
// own.
#pragma once

#include "base/loop.hpp"
#include "cri/monitor/monitor_client.hpp"
#include "tests/support/temp_dir.hpp"

#include <gtest/gtest.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace keelson::cri {

struct TestContainer {
  std::string id;
  std::vector<std::string> args;
  bool tty = false;
  bool stdin_open = false;
  std::int64_t memory_limit = 0;
  std::uint64_t log_max_size = 0;
  std::uint64_t log_max_files = 0;
  std::string log_path;      // empty: logs/ID.log
  std::string pid_namespace; // path to join; empty: its own
};

// What the monitor reported, in order; filled on the loop's thread.
class EventLog {
 public:
  MonitorClient::Events callbacks();
  std::optional<monitor::ExitRecord> wait_exit(const std::string& id,
                                               std::chrono::seconds patience = std::chrono::seconds(20));
  bool wait_death();
  bool saw_oom(const std::string& id);

 private:
  std::mutex mutex_; // guards all below
  std::condition_variable changed_;
  std::vector<monitor::ContainerExited> exits_;
  std::vector<monitor::ContainerOom> ooms_;
  bool died_ = false;
};

// Neither gone nor a zombie (whose reaping is its new parent's business).
bool is_running(const ProcessId& id);

class MonitorTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  Result<MonitorClient> start_monitor(const std::string& name, EventLog& events);
  Result<MonitorClient> reconnect(const std::string& name, EventLog& events);

  monitor::CreateRequest create_request(const TestContainer& container);
  Result<ProcessId> create(const TestContainer& container); // on the fixture's monitor
  Result<> start(const std::string& id);                    // runc start
  Result<ProcessId> run(const TestContainer& container);    // both

  monitor::ExecRequest exec_request(const std::string& id, std::vector<std::string> argv);
  std::string log_path(const std::string& id) const { return dir_ / ("logs/" + id + ".log"); }
  std::string log_text(const std::string& id) const;
  std::string cgroup(const std::string& controller, const std::string& id) const;
  std::optional<monitor::ExitRecord> exit_record(const std::string& id) const;

  static Deadline soon() { return Deadline::after(std::chrono::seconds(20)); }

  test::TempDir dir_{"monitor"};
  Loop loop_;
  std::thread loop_thread_;
  std::optional<MonitorBinary> binary_;
  EventLog events_;
  EventLog later_events_; // of a second client; outlives it as events_ does
  std::optional<MonitorClient> monitor_;
  std::vector<std::string> containers_;
  std::vector<ProcessId> monitors_;
  std::string cgroup_parent_;

 private:
  std::string bundle(const TestContainer& container);
};

// The message parts of CRI log lines whose tag and stream match, joined; full lines end with a newline.
std::string log_content(const std::string& text, const std::string& stream);
std::vector<std::string> log_lines(const std::string& text);

} // namespace keelson::cri
