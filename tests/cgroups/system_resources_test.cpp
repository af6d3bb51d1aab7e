// Limits, statistics and the OOM killer on the real kernel.
#include "cgroups/oom_watch.hpp"
#include "tests/cgroups/system_fixture.hpp"
#include "tests/support/poll_until.hpp"
#include "tests/support/requirements.hpp"

#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

namespace keelson::cgroups {
namespace {

using std::chrono::microseconds;

constexpr std::int64_t kMiB = 1 << 20;

int touch_memory(std::size_t size) {
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 2;
  (void)madvise(memory, size, MADV_NOHUGEPAGE); // a fault for every page
  memset(memory, 1, size);
  return 0;
}

TEST_F(CgroupSystem, AppliedKnobsReadBack) {
  const Group group = make();
  Knobs knobs;
  knobs.cpu_shares = 512;
  knobs.cpu_quota = microseconds(50000);
  knobs.cpu_period = microseconds(100000);
  knobs.memory_limit = Bytes{64 * kMiB + 100};
  knobs.swap_limit = Bytes{0};
  knobs.memory_low = Bytes{8 * kMiB};
  knobs.memory_oom_group = true;
  knobs.pids_max = 77;
  const auto applied = group.apply(knobs);
  ASSERT_TRUE(applied) << applied.error().message;
  EXPECT_GE(applied->written.size(), 5u);
  expect_matches(group, *applied);
  EXPECT_EQ(group.statistics()->memory->limit, static_cast<std::uint64_t>(64 * kMiB));
  EXPECT_EQ(group.statistics()->pids->limit, 77u);
}

TEST_F(CgroupSystem, LimitsGrowShrinkAndVanish) {
  const Group group = make();
  for (const std::int64_t memory : {64, 16, 256, -1, 32, -1}) {
    for (const std::int64_t swap : {0, 8, -1}) {
      Knobs knobs;
      knobs.memory_limit = Bytes{memory < 0 ? -1 : memory * kMiB};
      if (memory >= 0 || swap < 0) knobs.swap_limit = Bytes{swap < 0 ? -1 : swap * kMiB};
      const auto applied = group.apply(knobs);
      ASSERT_TRUE(applied) << memory << ' ' << swap << ": " << applied.error().message;
      expect_matches(group, *applied);
    }
  }
  for (const int quota : {50000, 5000, 200000, -1, 1000}) {
    for (const int period : {100000, 10000, 1000000}) {
      Knobs knobs;
      knobs.cpu_quota = microseconds(quota);
      knobs.cpu_period = microseconds(period);
      const auto applied = group.apply(knobs);
      ASSERT_TRUE(applied) << quota << ' ' << period << ": " << applied.error().message;
      expect_matches(group, *applied);
    }
  }
}

// v1 refuses a child's quota above the parent's even for a moment: see plan_writes.
TEST_F(CgroupSystem, QuotaChangesUnderALimitedParent) {
  const Group parent = make("/parent");
  const Group child = make("/parent/child");
  Knobs half;
  half.cpu_quota = microseconds(50000);
  half.cpu_period = microseconds(100000);
  ASSERT_TRUE(parent.apply(half));
  for (const int period : {100000, 10000, 100000, 1000000, 20000}) {
    Knobs same_ratio;
    same_ratio.cpu_quota = microseconds(period / 2);
    same_ratio.cpu_period = microseconds(period);
    const auto to_child = child.apply(same_ratio);
    ASSERT_TRUE(to_child) << to_child.error().message;
    expect_matches(child, *to_child);
    const auto to_parent = parent.apply(same_ratio);
    ASSERT_TRUE(to_parent) << to_parent.error().message;
    expect_matches(parent, *to_parent);
  }
}

TEST_F(CgroupSystem, RefusalNamesFileValueAndErrno) {
  const Group group = make();
  Knobs knobs;
  knobs.pids_max = std::int64_t{1} << 40;
  const auto applied = group.apply(knobs);
  ASSERT_FALSE(applied);
  EXPECT_EQ(applied.error().sys_errno, EINVAL);
  const std::string wanted =
      "cannot write 1099511627776 to " + group.full_path(Controller::pids, "pids.max") + ": Invalid argument";
  EXPECT_EQ(applied.error().message.substr(0, wanted.size()), wanted);
  Knobs quota;
  quota.cpu_quota = microseconds(1);
  const auto refused = group.apply(quota);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::invalid_argument);
}

TEST_F(CgroupSystem, CpusetBindsProcesses) {
  KEELSON_NEEDS_VM(has(Controller::cpuset), "no cpuset controller in this kernel");
  const Group group = make("/a/b");
  const auto cpus = CpuList::parse(
      group.read(Controller::cpuset, on(Controller::cpuset, Version::v1) ? "cpuset.cpus" : "cpuset.cpus.effective")
          .value());
  ASSERT_TRUE(cpus);
  const std::uint32_t last = cpus->ids().back();
  Knobs knobs;
  knobs.cpuset_cpus = CpuList({last});
  const auto applied = group.apply(knobs);
  ASSERT_TRUE(applied) << applied.error().message;
  expect_matches(group, *applied);
  const Child child = start(group, {"sleep", "1000"});
  cpu_set_t mask;
  ASSERT_EQ(sched_getaffinity(child.pid(), sizeof mask, &mask), 0);
  EXPECT_EQ(CPU_COUNT(&mask), 1);
  EXPECT_TRUE(CPU_ISSET(last, &mask));
}

TEST_F(CgroupSystem, HugetlbLimitsReadBackRounded) {
  KEELSON_NEEDS_VM(has(Controller::hugetlb), "no hugetlb controller in this kernel");
  const Group group = make();
  Knobs knobs;
  knobs.hugetlb_limits["2MB"] = Bytes{5 * kMiB};
  const auto applied = group.apply(knobs);
  ASSERT_TRUE(applied) << applied.error().message;
  ASSERT_FALSE(applied->written.empty());
  expect_matches(group, *applied);
  EXPECT_EQ(*group.read_actual(applied->written[0]), std::to_string(4 * kMiB));
  EXPECT_EQ(group.statistics()->hugetlb.at("2MB"), 0u);
}

TEST_F(CgroupSystem, StatisticsShowWhatAProcessUses) {
  const Group group = make();
  const pid_t pid = fork_into(group, [] {
    if (touch_memory(20 * kMiB) != 0) return 1;
    for (;;) (void)getppid();
  });
  const bool seen = test::poll_until(soon(), [&] {
    const auto stats = group.statistics();
    return stats && stats->cpu->usage > std::chrono::milliseconds(20) && stats->memory->rss >= 20 * kMiB &&
           stats->memory->page_faults > 1000;
  });
  EXPECT_TRUE(seen);
  const auto stats = group.statistics();
  ASSERT_TRUE(stats) << stats.error().message;
  EXPECT_GE(stats->pids->current, 1u); // a sanitizer's thread may be there too
  EXPECT_LE(stats->pids->current, 2u);
  const auto pressure = group.read(Controller::core, "cpu.pressure");
  EXPECT_EQ(stats->cpu->pressure.has_value(), pressure.has_value());
  EXPECT_GE(stats->memory->usage, stats->memory->working_set);
  EXPECT_GE(stats->cpu->user + stats->cpu->system, std::chrono::milliseconds(10));
  ASSERT_TRUE(group.kill_all(soon()));
  EXPECT_EQ(reap(pid).signal, SIGKILL);
}

TEST_F(CgroupSystem, QuotaThrottles) {
  const Group group = make();
  Knobs knobs;
  knobs.cpu_quota = microseconds(1000);
  knobs.cpu_period = microseconds(100000);
  ASSERT_TRUE(group.apply(knobs));
  const Child child = start(group, {"sh", "-c", "while :; do :; done"});
  EXPECT_TRUE(test::poll_until(soon(), [&] {
    const auto stats = group.statistics();
    return stats && stats->cpu->throttled_periods > 1 && stats->cpu->throttled.count() > 0;
  }));
}

TEST_F(CgroupSystem, OomKillIsCountedAndSignalled) {
  const Group group = make("/pod/container");
  Knobs knobs;
  knobs.memory_limit = Bytes{16 * kMiB};
  knobs.swap_limit = Bytes{0};
  ASSERT_TRUE(group.apply(knobs));
  auto watch = OomWatch::open(group);
  ASSERT_TRUE(watch) << watch.error().message;
  EXPECT_EQ(*group.oom_kill_count(), 0u);
  const short event = watch->waits_for_priority() ? POLLPRI : POLLIN;
  pollfd quiet{watch->fd(), event, 0};
  EXPECT_EQ(poll(&quiet, 1, 0), 0) << "ready before anything has happened";

  const pid_t pid = fork_into(group, [] { return touch_memory(64 * kMiB); });
  EXPECT_EQ(reap(pid).signal, SIGKILL);
  // Counted before the kill: known as soon as the exit is.
  EXPECT_EQ(*group.oom_kill_count(), 1u);
  EXPECT_EQ(*Group::open(hierarchy(), path("/pod"))->oom_kill_count(), 1u);
  pollfd ready{watch->fd(), event, 0};
  ASSERT_EQ(poll(&ready, 1, 10000), 1);
  EXPECT_EQ(*watch->acknowledge(), 1u);
  pollfd again{watch->fd(), event, 0};
  EXPECT_EQ(poll(&again, 1, 0), 0) << "acknowledged, but still ready";
}

TEST_F(CgroupSystem, OomWatchEndsWithItsGroup) {
  const Group group = make();
  auto watch = OomWatch::open(group);
  ASSERT_TRUE(watch);
  ASSERT_TRUE(Group::remove(hierarchy(), group.path(), soon()));
  pollfd ready{watch->fd(), static_cast<short>(watch->waits_for_priority() ? POLLPRI : POLLIN), 0};
  ASSERT_EQ(poll(&ready, 1, 10000), 1);
  EXPECT_EQ(watch->acknowledge().error().code, Code::not_found);
}

TEST_F(CgroupSystem, UnifiedKeysAreWrittenOnV2) {
  KEELSON_NEEDS_VM(on(Controller::memory, Version::v2), "needs the memory controller on cgroup v2");
  const Group group = make();
  Knobs knobs;
  knobs.unified["memory.high"] = "32M";
  knobs.unified["memory.min"] = "4096";
  const auto applied = group.apply(knobs);
  ASSERT_TRUE(applied) << applied.error().message;
  ASSERT_EQ(applied->written.size(), 2u);
  expect_matches(group, *applied);
  EXPECT_EQ(*group.read_actual(Write{Controller::memory, "memory.high"}), "33554432");
}

} // namespace
} // namespace keelson::cgroups
