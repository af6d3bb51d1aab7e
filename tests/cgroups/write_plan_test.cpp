#include "cgroups/write_plan.hpp"

#include <gtest/gtest.h>

namespace keelson::cgroups {
namespace {

using std::chrono::microseconds;

std::vector<std::string> texts(const WritePlan& plan) {
  std::vector<std::string> lines;
  for (const Write& write : plan.writes) lines.push_back(write.file + "=" + write.value);
  return lines;
}

using Lines = std::vector<std::string>;

Knobs pod_knobs() {
  Knobs knobs;
  knobs.cpu_shares = 1024;
  knobs.cpu_quota = microseconds(50000);
  knobs.cpu_period = microseconds(100000);
  knobs.memory_limit = Bytes{100 << 20};
  knobs.swap_limit = Bytes{0};
  knobs.pids_max = 64;
  knobs.cpuset_cpus = CpuList({0, 1});
  knobs.hugetlb_limits["2MB"] = Bytes{4 << 20};
  return knobs;
}

TEST(WritePlan, WritesV1Files) {
  const auto plan = plan_writes(Version::v1, pod_knobs());
  ASSERT_TRUE(plan);
  EXPECT_EQ(texts(*plan),
            (Lines{"cpuset.cpus=0-1", "cpu.shares=1024", "cpu.cfs_period_us=100000", "cpu.cfs_quota_us=50000",
                   "memory.limit_in_bytes=104857600", "memory.memsw.limit_in_bytes=104857600", "pids.max=64",
                   "hugetlb.2MB.limit_in_bytes=4194304", "hugetlb.2MB.rsvd.limit_in_bytes=4194304"}));
  EXPECT_TRUE(plan->dropped.empty());
}

TEST(WritePlan, WritesV2Files) {
  const auto plan = plan_writes(Version::v2, pod_knobs());
  ASSERT_TRUE(plan);
  EXPECT_EQ(texts(*plan),
            (Lines{"cpuset.cpus=0-1", "cpu.weight=39", "cpu.max=50000 100000", "memory.max=104857600",
                   "memory.swap.max=0", "pids.max=64", "hugetlb.2MB.max=4194304", "hugetlb.2MB.rsvd.max=4194304"}));
  EXPECT_EQ(plan->writes[2].knob, Knob::cpu_quota);
  EXPECT_EQ(plan->writes[2].controller, Controller::cpu);
}

TEST(WritePlan, FollowsEachControllerOnHybrid) {
  ControllerLayout layout = ControllerLayout::all(Version::v1);
  layout.set(Controller::hugetlb, Version::v2);
  layout.clear(Controller::pids);
  const auto plan = plan_writes(layout, pod_knobs());
  ASSERT_TRUE(plan);
  const auto lines = texts(*plan);
  EXPECT_NE(std::find(lines.begin(), lines.end(), "hugetlb.2MB.max=4194304"), lines.end());
  EXPECT_NE(std::find(lines.begin(), lines.end(), "cpu.shares=1024"), lines.end());
  ASSERT_EQ(plan->dropped.size(), 1u);
  EXPECT_EQ(plan->dropped[0].knob, Knob::pids_max);
}

TEST(WritePlan, IsEmptyWithoutKnobs) {
  EXPECT_TRUE(plan_writes(Version::v1, Knobs())->writes.empty());
  EXPECT_TRUE(plan_writes(Version::v2, Knobs())->writes.empty());
}

TEST(WritePlan, TakesLimitsAway) {
  Knobs knobs;
  knobs.cpu_quota = microseconds(-1);
  knobs.memory_limit = kUnlimited;
  knobs.swap_limit = kUnlimited;
  knobs.pids_max = -1;
  EXPECT_EQ(texts(*plan_writes(Version::v2, knobs)),
            (Lines{"cpu.max=max 100000", "memory.max=max", "memory.swap.max=max", "pids.max=max"}));
  PlanOptions options;
  options.current.memory.amount = 4096;
  options.current.memory_and_swap.amount = 4096;
  EXPECT_EQ(
      texts(*plan_writes(Version::v1, knobs, options)),
      (Lines{"cpu.cfs_quota_us=-1", "memory.memsw.limit_in_bytes=-1", "memory.limit_in_bytes=-1", "pids.max=max"}));
}

// v1: memory <= memory + swap must hold after every single write.
TEST(WritePlan, KeepsMemoryBelowTheSumAtEveryStep) {
  const std::vector<std::int64_t> sizes = {-1, 0, 4096, 8192, 1 << 20, 1 << 21};
  for (const std::int64_t now_memory : sizes) {
    for (const std::int64_t now_swap : sizes) {
      for (const std::int64_t new_memory : sizes) {
        for (const std::int64_t new_swap :
             {std::int64_t{-2}, std::int64_t{-1}, std::int64_t{0}, std::int64_t{4096}, std::int64_t{1} << 20}) {
          if (now_memory < 0 && now_swap >= 0) continue;
          PlanOptions options;
          if (now_memory >= 0) options.current.memory.amount = now_memory;
          if (now_memory >= 0 && now_swap >= 0) options.current.memory_and_swap.amount = now_memory + now_swap;
          Knobs knobs;
          knobs.memory_limit = Bytes{new_memory};
          if (new_swap != -2) knobs.swap_limit = Bytes{new_swap};
          const auto plan = plan_writes(Version::v1, knobs, options);
          ASSERT_TRUE(plan);
          auto memory = options.current.memory.amount.value_or(UINT64_MAX);
          auto sum = options.current.memory_and_swap.amount.value_or(UINT64_MAX);
          for (const Write& write : plan->writes) {
            const auto value = LimitValue::parse(write.value)->amount.value_or(UINT64_MAX);
            (write.file == "memory.limit_in_bytes" ? memory : sum) = value;
            ASSERT_LE(memory, sum) << now_memory << ' ' << now_swap << " to " << new_memory << ' ' << new_swap;
          }
          EXPECT_EQ(memory, LimitValue::parse(std::to_string(new_memory))->amount.value_or(UINT64_MAX));
        }
      }
    }
  }
}

TEST(WritePlan, KeepsTheAmountOfSwapWhenOnlyMemoryChanges) {
  PlanOptions options;
  options.current.memory.amount = 8192;
  options.current.memory_and_swap.amount = 12288;
  Knobs knobs;
  knobs.memory_limit = Bytes{16384};
  EXPECT_EQ(texts(*plan_writes(Version::v1, knobs, options)),
            (Lines{"memory.memsw.limit_in_bytes=20480", "memory.limit_in_bytes=16384"}));
  knobs.memory_limit = Bytes{4096};
  EXPECT_EQ(texts(*plan_writes(Version::v1, knobs, options)),
            (Lines{"memory.limit_in_bytes=4096", "memory.memsw.limit_in_bytes=8192"}));
}

// v1: quota / period must lie between the old and the new ratio after every write, or be unlimited.
TEST(WritePlan, OrdersQuotaAndPeriodOnV1) {
  for (const int now_quota : {-1, 1000, 50000, 100000, 200000}) {
    for (const int now_period : {1000, 50000, 100000, 1000000}) {
      for (const int new_quota : {-1, 1000, 50000, 100000, 200000}) {
        for (const int new_period : {1000, 50000, 100000, 1000000}) {
          PlanOptions options;
          if (now_quota >= 0) options.current.cpu.quota = microseconds(now_quota);
          options.current.cpu.period = microseconds(now_period);
          Knobs knobs;
          knobs.cpu_quota = microseconds(new_quota);
          knobs.cpu_period = microseconds(new_period);
          const auto plan = plan_writes(Version::v1, knobs, options);
          ASSERT_TRUE(plan);
          double quota = now_quota, period = now_period;
          const double old_ratio = quota / period, new_ratio = static_cast<double>(new_quota) / new_period;
          for (const Write& write : plan->writes) {
            (write.file == "cpu.cfs_quota_us" ? quota : period) = std::stod(write.value);
            if (quota < 0) continue;
            if (now_quota >= 0 && new_quota >= 0) {
              ASSERT_GE(quota / period, std::min(old_ratio, new_ratio));
              ASSERT_LE(quota / period, std::max(old_ratio, new_ratio));
            } else if (new_quota >= 0) {
              ASSERT_EQ(quota / period, new_ratio);
            }
          }
          EXPECT_EQ(quota, new_quota);
          EXPECT_EQ(period, new_period);
        }
      }
    }
  }
}

TEST(WritePlan, KeepsTheQuotaWhenOnlyThePeriodChangesOnV2) {
  PlanOptions options;
  options.current.cpu.quota = microseconds(7000);
  Knobs knobs;
  knobs.cpu_period = microseconds(50000);
  EXPECT_EQ(texts(*plan_writes(Version::v2, knobs, options)), (Lines{"cpu.max=7000 50000"}));
}

TEST(WritePlan, SaysWhatV1DoesNotHave) {
  Knobs knobs;
  knobs.memory_min = Bytes{1};
  knobs.memory_high = Bytes{1};
  knobs.memory_oom_group = true;
  knobs.memory_low = Bytes{4096};
  knobs.unified["memory.high"] = "1M";
  const auto plan = plan_writes(Version::v1, knobs);
  ASSERT_TRUE(plan);
  EXPECT_EQ(texts(*plan), (Lines{"memory.soft_limit_in_bytes=4096"}));
  EXPECT_EQ(plan->dropped.size(), 4u);
  EXPECT_EQ(texts(*plan_writes(Version::v2, knobs)),
            (Lines{"memory.min=1", "memory.low=4096", "memory.high=1", "memory.oom.group=1", "memory.high=1M"}));
}

TEST(WritePlan, WritesIoOnBothVersions) {
  Knobs knobs;
  knobs.io_weight = 500;
  knobs.io_limits = {IoLimit{{8, 0}, 1048576, {}, {}, 10}};
  EXPECT_EQ(texts(*plan_writes(Version::v2, knobs)),
            (Lines{"io.weight=4950", "io.bfq.weight=500", "io.max=8:0 rbps=1048576 wbps=max riops=max wiops=10"}));
  EXPECT_EQ(texts(*plan_writes(Version::v1, knobs)),
            (Lines{"blkio.weight=500", "blkio.bfq.weight=500", "blkio.throttle.read_bps_device=8:0 1048576",
                   "blkio.throttle.write_bps_device=8:0 0", "blkio.throttle.read_iops_device=8:0 0",
                   "blkio.throttle.write_iops_device=8:0 10"}));
}

TEST(WritePlan, RefusesWhatNoKernelTakes) {
  for (const char* file : {"", "/etc/passwd", "memory/../x.y", "memory.", "nothing.max", "cgroup.procs", "cgroup.kill",
                           "cgroup.subtree_control", "memory.max\n", "../memory.max"}) {
    Knobs knobs;
    knobs.unified[file] = "1";
    EXPECT_FALSE(plan_writes(Version::v2, knobs)) << file;
  }
  Knobs pages;
  pages.hugetlb_limits["2MB/../../x"] = Bytes{1};
  EXPECT_FALSE(plan_writes(Version::v2, pages));
  Knobs cpus;
  cpus.cpuset_cpus = CpuList();
  EXPECT_FALSE(plan_writes(Version::v1, cpus));
  EXPECT_TRUE(plan_writes(Version::v2, cpus));
}

Write a_write(Controller controller, const char* file, const std::string& value) {
  return Write{controller, file, value};
}

TEST(Matches, KnowsTheKernelsRounding) {
  EXPECT_TRUE(matches(a_write(Controller::memory, "memory.max", "5000"), "4096\n"));
  EXPECT_FALSE(matches(a_write(Controller::memory, "memory.max", "5000"), "8192\n"));
  EXPECT_TRUE(matches(a_write(Controller::memory, "memory.max", "max"), "max\n"));
  EXPECT_FALSE(matches(a_write(Controller::memory, "memory.max", "max"), "4096\n"));
  EXPECT_TRUE(matches(a_write(Controller::memory, "memory.high", "1M"), "1048576\n"));
  EXPECT_TRUE(matches(a_write(Controller::memory, "memory.limit_in_bytes", "-1"), "9223372036854771712\n"));
  EXPECT_TRUE(matches(a_write(Controller::hugetlb, "hugetlb.2MB.max", "3000000"), "2097152\n"));
  EXPECT_TRUE(matches(a_write(Controller::hugetlb, "hugetlb.2MB.rsvd.limit_in_bytes", "-1"), "9223372036852678656\n"));
  EXPECT_TRUE(matches(a_write(Controller::cpu, "cpu.shares", "1"), "2\n"));
  EXPECT_FALSE(matches(a_write(Controller::cpu, "cpu.shares", "1024"), "2\n"));
}

TEST(Matches, TakesTheWeightOfEitherFormula) {
  for (const std::uint64_t shares : {2U, 100U, 512U, 1024U, 5000U, 262144U}) {
    const auto linear = a_write(Controller::cpu, "cpu.weight", std::to_string(cpu_weight_from_shares(shares)));
    const std::uint64_t newer = cpu_weight_from_shares(shares, WeightFormula::logarithmic);
    EXPECT_TRUE(matches(linear, linear.value + "\n"));
    EXPECT_TRUE(matches(linear, std::to_string(newer))) << shares << " " << newer;
    EXPECT_FALSE(matches(linear, std::to_string(newer + 300))) << shares;
  }
  EXPECT_FALSE(matches(a_write(Controller::cpu, "cpu.weight", "0"), "1"));
}

TEST(Matches, ComparesMeaningNotText) {
  EXPECT_TRUE(matches(a_write(Controller::cpuset, "cpuset.cpus", "1,0"), "0-1\n"));
  EXPECT_FALSE(matches(a_write(Controller::cpuset, "cpuset.cpus", "1,0"), "0-2\n"));
  EXPECT_TRUE(matches(a_write(Controller::cpu, "cpu.max", "50000"), "50000 20000\n"));
  EXPECT_FALSE(matches(a_write(Controller::cpu, "cpu.max", "50000 100000"), "50000 20000\n"));
  EXPECT_TRUE(matches(a_write(Controller::io, "io.weight", "200"), "default 200\n8:0 3\n"));
  EXPECT_TRUE(matches(a_write(Controller::io, "io.max", "8:0 rbps=5"), "8:0 rbps=5 wbps=max riops=max wiops=max\n"));
  EXPECT_TRUE(matches(a_write(Controller::io, "io.max", "8:0 rbps=max"), ""));
  EXPECT_FALSE(matches(a_write(Controller::io, "io.max", "8:0 rbps=5"), ""));
  EXPECT_TRUE(matches(a_write(Controller::io, "blkio.throttle.read_bps_device", "8:0 0"), ""));
  EXPECT_FALSE(matches(a_write(Controller::io, "blkio.throttle.read_bps_device", "8:0 5"), "8:0 6\n"));
  EXPECT_TRUE(matches(a_write(Controller::pids, "pids.max", "max"), "max\n"));
  EXPECT_TRUE(matches(a_write(Controller::cpu, "cpu.idle", "1"), "1\n"));
}

TEST(Matches, IsFalseOnGarbage) {
  for (const char* file : {"memory.max", "cpu.max", "cpu.shares", "cpuset.cpus", "pids.max", "hugetlb.2MB.max"})
    EXPECT_FALSE(matches(a_write(Controller::memory, file, "1"), "garbage\x01\xff")) << file;
}

} // namespace
} // namespace keelson::cgroups
