#include "daemon/ctl/tier_view.hpp"
#include "daemon/ctl/usage_view.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace keelson::daemon::ctl {
namespace {

using testing::HasSubstr;
using testing::Not;

json::array report() {
  return json::parse(R"([
    {"title":"tier guaranteed","path":"/kubepods","exists":true,"knobs":[],"dropped":[]},
    {"title":"tier burstable","path":"/kubepods/burstable","exists":true,"dropped":[],"knobs":[
      {"controller":"cpu","file":"cpu.shares","intended":"102","actual":"102","source":"sum","matches":true}]},
    {"title":"pod default/web","path":"/kubepods/burstable/podu1","exists":true,"dropped":[],"knobs":[
      {"controller":"memory","file":"memory.limit_in_bytes","intended":"67108864","actual":"134217728",
       "source":"spec.containers[0].resources.limits.memory","matches":false}]},
    {"title":"tier besteffort","path":"/kubepods/besteffort","exists":false,"knobs":[],"dropped":[]}])")
      .value()
      .as_array();
}

TEST(TierTreeText, DrawsParentsAboveChildrenAndMarksDifferences) {
  const std::string text = tier_tree_text(report(), {});
  EXPECT_THAT(text, HasSubstr("├─ tier burstable"));
  EXPECT_THAT(text, HasSubstr("│  └─ pod default/web"));
  EXPECT_THAT(text,
              HasSubstr("67108864 (64MiB)   ✗   134217728 (128MiB)   spec.containers[0].resources.limits.memory"));
  EXPECT_THAT(text, HasSubstr("└─ tier besteffort"));
}

TEST(TierTreeText, OnePodComesWithItsTiersOnly) {
  const std::string text = tier_tree_text(groups_of_pod(report(), "web"), {});
  EXPECT_THAT(text, HasSubstr("tier burstable"));
  EXPECT_THAT(text, Not(HasSubstr("besteffort")));
  EXPECT_TRUE(groups_of_pod(report(), "nothing").empty());
  EXPECT_EQ(groups_of_pod(report(), "default/web").size(), 3U);
  EXPECT_EQ(groups_of_pod(report(), "u1").size(), 3U);
}

TEST(TierDifferences, HoldsOnlyWhatDiffers) {
  EXPECT_EQ(tier_differences(report()).rows(), 2U);
  const json::array differences = tier_differences_json(report());
  ASSERT_EQ(differences.size(), 2U);
  EXPECT_EQ(differences[0].at("actual"), "134217728");
  EXPECT_EQ(differences[1].at("exists"), false);
}

TEST(ExplainedValue, TranslatesMemoryOnly) {
  EXPECT_EQ(explained_value("memory.max", "268435456"), "268435456 (256MiB)");
  EXPECT_EQ(explained_value("memory.max", "max"), "max");
  EXPECT_EQ(explained_value("memory.limit_in_bytes", "9223372036854771712"), "9223372036854771712 (none)");
  EXPECT_EQ(explained_value("cpu.shares", "262144"), "262144");
}

TEST(Usage, IsTheDifferenceOfTwoReadings) {
  const auto reading = [](std::int64_t at, std::int64_t cpu, std::int64_t rx) {
    return json::parse(
               fmt::format(R"([{{"id":"s","name":"web","namespace":"d","cpu":{{"timestampNanos":{},"usageNanos":{}}},
      "memory":{{"workingSet":1048576,"rss":1,"limit":2097152}},"network":{{"rxBytes":{},"txBytes":0}},
      "containers":[{{"id":"c","name":"app","cpu":{{"timestampNanos":{},"usageNanos":{}}},"memory":{{"workingSet":5}},
      "pids":3}},{{"id":"dead","name":"old"}}]}}])",
                           at, cpu, rx, at, cpu / 2))
        .value()
        .as_array();
  };
  const auto usage = usage_between(reading(1'000'000'000, 0, 0), reading(3'000'000'000, 1'000'000'000, 4096));
  ASSERT_EQ(usage.size(), 1U);
  EXPECT_DOUBLE_EQ(usage[0].pod.cores.value_or(-1), 0.5);
  EXPECT_DOUBLE_EQ(usage[0].pod.rx_rate, 2048);
  ASSERT_EQ(usage[0].containers.size(), 1U);
  EXPECT_DOUBLE_EQ(usage[0].containers[0].cores.value_or(-1), 0.25);
  EXPECT_EQ(usage[0].pod.pids, 3);
  const std::string text = usage_table(usage, true).render({});
  EXPECT_THAT(text, HasSubstr("0.500"));
  EXPECT_THAT(text, HasSubstr("50%"));
  EXPECT_THAT(text, HasSubstr("└ app"));
}

TEST(Usage, HasNoRatesWithoutAFirstReading) {
  const auto usage = usage_between(
      {}, json::parse(R"([{"id":"s","name":"n","cpu":{"timestampNanos":5,"usageNanos":5}}])").value().as_array());
  ASSERT_EQ(usage.size(), 1U);
  EXPECT_FALSE(usage[0].pod.cores);
}

} // namespace
} // namespace keelson::daemon::ctl
