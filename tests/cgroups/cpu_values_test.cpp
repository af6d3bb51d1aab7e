#include "cgroups/cpu_list.hpp"
#include "cgroups/cpu_values.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

namespace keelson::cgroups {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;

TEST(CpuWeight, FollowsKep2254) {
  EXPECT_EQ(cpu_weight_from_shares(2), 1u);
  EXPECT_EQ(cpu_weight_from_shares(102), 4u);
  EXPECT_EQ(cpu_weight_from_shares(256), 10u);
  EXPECT_EQ(cpu_weight_from_shares(512), 20u);
  EXPECT_EQ(cpu_weight_from_shares(1024), 39u);
  EXPECT_EQ(cpu_weight_from_shares(2048), 79u);
  EXPECT_EQ(cpu_weight_from_shares(262144), 10000u);
}

TEST(CpuWeight, ClampsLikeTheKernel) {
  EXPECT_EQ(cpu_weight_from_shares(0), 1u);
  EXPECT_EQ(cpu_weight_from_shares(UINT64_MAX), 10000u);
  EXPECT_EQ(cpu_shares_from_weight(0), 2u);
  EXPECT_EQ(cpu_shares_from_weight(UINT64_MAX), 262144u);
}

TEST(CpuWeight, LogarithmicPassesTheThreePoints) {
  EXPECT_EQ(cpu_weight_from_shares(2, WeightFormula::logarithmic), 1u);
  EXPECT_EQ(cpu_weight_from_shares(1024, WeightFormula::logarithmic), 100u);
  EXPECT_EQ(cpu_weight_from_shares(262144, WeightFormula::logarithmic), 10000u);
}

TEST(CpuWeight, BothFormulasGrowWithShares) {
  for (const auto formula : {WeightFormula::linear, WeightFormula::logarithmic}) {
    std::uint64_t last = 0;
    for (std::uint64_t shares = 2; shares <= 262144; shares += 7) {
      const std::uint64_t weight = cpu_weight_from_shares(shares, formula);
      ASSERT_GE(weight, last);
      ASSERT_GE(weight, 1u);
      ASSERT_LE(weight, 10000u);
      last = weight;
    }
  }
}

TEST(CpuWeight, SharesComeBackNearly) {
  for (std::uint64_t weight = 1; weight <= 10000; ++weight) {
    const std::uint64_t back = cpu_weight_from_shares(cpu_shares_from_weight(weight));
    ASSERT_LE(weight - back, 1u) << weight;
  }
}

TEST(CpuMax, ParsesBothForms) {
  EXPECT_EQ(*CpuMax::parse("max 100000\n"), (CpuMax{std::nullopt, microseconds(100000)}));
  EXPECT_EQ(*CpuMax::parse("50000 20000\n"), (CpuMax{microseconds(50000), microseconds(20000)}));
  EXPECT_EQ(*CpuMax::parse("50000"), (CpuMax{microseconds(50000), microseconds(100000)}));
  EXPECT_EQ(format(CpuMax{microseconds(5), microseconds(6)}), "5 6");
  EXPECT_EQ(format(CpuMax{}), "max 100000");
}

TEST(CpuMax, RejectsGarbage) {
  for (const char* text :
       {"", "\n", "max max", "1 2 3", "-1 100000", "1 0", "1 -5", "max100000", "1x 2", "99999999999999999999 1"})
    EXPECT_FALSE(CpuMax::parse(text)) << text;
}

TEST(CpuStat, ReadsV2) {
  const auto stat =
      CpuStat::parse("usage_usec 10\nuser_usec 6\nsystem_usec 4\nnice_usec 0\ncore_sched.force_idle_usec 0\n"
                     "nr_periods 3\nnr_throttled 2\nthrottled_usec 7\nnr_bursts 0\nburst_usec 0\n");
  ASSERT_TRUE(stat);
  EXPECT_EQ(*stat, (CpuStat{nanoseconds(10000), nanoseconds(6000), nanoseconds(4000), 3, 2, nanoseconds(7000)}));
}

TEST(CpuStat, ReadsThrottlingOfV1InNanoseconds) {
  const auto stat = CpuStat::parse("nr_periods 3\nnr_throttled 2\nthrottled_time 7\nwait_sum 0\n");
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->throttled, nanoseconds(7));
}

TEST(CpuStat, CutsOffImpossibleTimes) {
  const auto stat = CpuStat::parse("usage_usec 18446744073709551615\nthrottled_usec 18446744073709551615\n"
                                   "throttled_time 18446744073709551615\n");
  ASSERT_TRUE(stat);
  EXPECT_GT(stat->usage.count(), 0);
  EXPECT_GT(stat->throttled, stat->usage);
}

TEST(CpuStat, RejectsLinesOfAnotherShape) {
  EXPECT_FALSE(CpuStat::parse("usage_usec"));
  EXPECT_FALSE(CpuStat::parse("usage_usec x"));
  EXPECT_FALSE(CpuStat::parse("usage_usec 1 2"));
  EXPECT_FALSE(CpuStat::parse(" usage_usec 1"));
  EXPECT_TRUE(CpuStat::parse(""));
}

TEST(CpuList, ParsesAndFormats) {
  EXPECT_EQ(CpuList::parse("0-3,7\n")->ids(), (std::vector<std::uint32_t>{0, 1, 2, 3, 7}));
  EXPECT_EQ(format(*CpuList::parse("7,0-3,2-5")), "0-5,7");
  EXPECT_EQ(format(CpuList({9, 1, 1, 3, 2})), "1-3,9");
  EXPECT_TRUE(CpuList::parse("\n")->empty());
  EXPECT_EQ(format(CpuList()), "");
  EXPECT_TRUE(CpuList::parse("0-65535")->contains(65535));
}

TEST(CpuList, RejectsGarbage) {
  for (const char* text : {",", "1,", "3-1", "-1", "1-", "a", "0-3:2/4", "65536", "1 2", "0--1", "4294967296"})
    EXPECT_FALSE(CpuList::parse(text)) << text;
}

TEST(CpuList, StaysSmallOnHugeText) {
  std::string text = "0-65535";
  for (int i = 0; i < 2000; ++i) text += ",0-65535";
  const auto list = CpuList::parse(text);
  ASSERT_TRUE(list);
  EXPECT_EQ(list->ids().size(), 65536u);
}

TEST(CpuList, KnowsSubsets) {
  const CpuList all({0, 1, 2, 3});
  EXPECT_TRUE(all.contains_all(CpuList({1, 3})));
  EXPECT_FALSE(all.contains_all(CpuList({1, 4})));
}

} // namespace
} // namespace keelson::cgroups
