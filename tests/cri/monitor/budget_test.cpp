// What a monitor costs. Limits are asserted with room for a loaded machine; the figures are printed.
#include "base/file.hpp"
#include "base/text.hpp"
#include "tests/cri/monitor/monitor_fixture.hpp"
#include "tests/support/poll_until.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace keelson::cri {
namespace {

using Milliseconds = std::chrono::duration<double, std::milli>;

std::int64_t rollup(pid_t pid, std::string_view name) {
  const std::string text = read_file(fmt::format("/proc/{}/smaps_rollup", pid)).value_or("");
  for (const std::string_view line : split(text, '\n'))
    if (line.starts_with(name)) return parse_int<std::int64_t>(split_words(line)[1]).value_or(-1);
  return -1;
}

// User and system time of a process and of the children it has reaped.
Milliseconds cpu_time(pid_t pid) {
  const auto stat = read_file(fmt::format("/proc/{}/stat", pid));
  if (!stat) return {};
  const auto fields = split_words(std::string_view(*stat).substr(stat->rfind(')') + 1));
  std::int64_t ticks = 0;
  for (std::size_t field = 14; field <= 17; ++field) ticks += parse_int<std::int64_t>(fields[field - 3]).value_or(0);
  return Milliseconds(1000.0 * static_cast<double>(ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK)));
}

class MonitorBudget : public MonitorTest {
 protected:
  void SetUp() override {
#ifdef KEELSON_SANITIZED
    GTEST_SKIP() << "a sanitizer's figures say nothing";
#endif
    MonitorTest::SetUp();
  }
  void TearDown() override {
    if (!IsSkipped()) MonitorTest::TearDown();
  }

  template <class Work>
  static Milliseconds measure(Work work) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    return std::chrono::steady_clock::now() - begin;
  }
};

TEST_F(MonitorBudget, FiftyMonitorsAreSmallAndStartFast) {
  constexpr int kCount = 50;
  std::vector<MonitorClient> clients;
  std::vector<EventLog> logs(kCount);
  std::vector<double> starts;
  for (int i = 0; i < kCount; ++i) {
    const std::string name = fmt::format("pod{}", i);
    ASSERT_TRUE(make_dirs(dir_ / name, 0700));
    starts.push_back(measure([&] {
                       auto client = start_monitor(name, logs[static_cast<std::size_t>(i)]);
                       ASSERT_TRUE(client) << client.error().message;
                       clients.push_back(std::move(*client));
                     }).count());
  }
  std::int64_t pss = 0;
  std::int64_t anonymous = 0;
  for (const MonitorClient& client : clients) {
    pss += rollup(client.process().pid, "Pss:");
    anonymous += rollup(client.process().pid, "Anonymous:");
    EXPECT_LE(rollup(client.process().pid, "Pss:"), 1024);
  }
  EXPECT_LE(anonymous / kCount, 200);
  std::sort(starts.begin(), starts.end());
  std::printf("50 monitors: PSS %ld KB each, of that private %ld KB; start median %.2f ms, worst %.2f ms\n",
              static_cast<long>(pss / kCount), static_cast<long>(anonymous / kCount), starts[kCount / 2],
              starts.back());
  for (MonitorClient& client : clients) EXPECT_TRUE(client.shutdown(soon()));
  for (EventLog& log : logs) EXPECT_TRUE(log.wait_death());
}

TEST_F(MonitorBudget, ExecCostsLittleCpu) {
  ASSERT_TRUE(run({.id = "c", .args = {"sleep", "100000"}}));
  const auto request = exec_request("c", {"true"});
  ASSERT_TRUE(monitor_->exec_sync(request));
  constexpr int kCount = 200;
  std::vector<double> times;
  const pid_t monitor = monitors_.front().pid;
  const Milliseconds before = cpu_time(monitor) + cpu_time(::getpid());
  for (int i = 0; i < kCount; ++i) times.push_back(measure([&] { ASSERT_TRUE(monitor_->exec_sync(request)); }).count());
  const double cpu = (cpu_time(monitor) + cpu_time(::getpid()) - before).count() / kCount;
  const Milliseconds before_bare = cpu_time(::getpid());
  for (int i = 0; i < kCount; ++i) ASSERT_TRUE(check_output({"true"}));
  const double bare = (cpu_time(::getpid()) - before_bare).count() / kCount;
  std::sort(times.begin(), times.end());
  std::printf(
      "exec_sync of true: median %.2f ms, p90 %.2f ms; CPU %.2f ms (monitor, exec and client), of true alone %.2f ms\n",
      times[kCount / 2], times[kCount * 9 / 10], cpu, bare);
  EXPECT_LE(cpu, 8 * bare); // no start of the OCI runtime, whatever the machine
}

TEST_F(MonitorBudget, LogKeepsUpWithAFloodOfShortLines) {
  constexpr std::size_t kBytes = 50'000'000;
  const pid_t monitor = monitors_.front().pid;
  ASSERT_TRUE(
      create({.id = "c",
              .args = {"sh", "-c",
                       fmt::format("yes 'a line of log of about sixty characters, as programs write it' | head -c {}",
                                   kBytes)},
              .log_max_size = 10 << 20,
              .log_max_files = 3}));
  const Milliseconds before = cpu_time(monitor);
  const Milliseconds time = measure([&] {
    ASSERT_TRUE(start("c"));
    ASSERT_TRUE(events_.wait_exit("c", std::chrono::seconds(120)));
  });
  const double cpu = (cpu_time(monitor) - before).count();
  const auto list = monitor_->list(soon());
  ASSERT_TRUE(list);
  EXPECT_GT(list->containers.at(0).log_bytes, kBytes);
  EXPECT_EQ(list->containers.at(0).log_lost_bytes, 0U);
  std::printf("flood: %.0f MB/s of output, %.1f MB/s of log file, monitor CPU %.1f ms per MB\n",
              static_cast<double>(kBytes) / 1e3 / time.count(),
              static_cast<double>(list->containers[0].log_bytes) / 1e3 / time.count(), cpu / (kBytes / 1e6));
  // The buffers of the flood are given back.
  EXPECT_TRUE(test::poll_until(soon(), [&] { return rollup(monitor, "Anonymous:") <= 200; }))
      << rollup(monitor, "Anonymous:");
}

} // namespace
} // namespace keelson::cri
