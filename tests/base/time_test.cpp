#include "base/time.hpp"

#include <gtest/gtest.h>

namespace keelson {

namespace {

using namespace std::chrono_literals;

WallTime at_nanos(std::int64_t nanos) {
  return WallTime(std::chrono::nanoseconds(nanos));
}

TEST(Rfc3339, IsPrintedInTheFormsOfLogsAndObjects) {
  EXPECT_EQ(format_rfc3339_nano(at_nanos(0)), "1970-01-01T00:00:00.000000000Z");
  EXPECT_EQ(format_rfc3339_nano(at_nanos(1795373700123456789)), "2026-11-22T18:55:00.123456789Z");
  EXPECT_EQ(format_rfc3339(at_nanos(1795373700999999999)), "2026-11-22T18:55:00Z");
  EXPECT_EQ(format_rfc3339_nano(at_nanos(-1)), "1969-12-31T23:59:59.999999999Z");
}

TEST(Rfc3339, IsReadBackExactly) {
  for (const std::int64_t nanos : {std::int64_t{0}, std::int64_t{1795373700123456789}, std::int64_t{-1}}) {
    const auto parsed = parse_rfc3339(format_rfc3339_nano(at_nanos(nanos)));
    ASSERT_TRUE(parsed.has_value());
    EXPECT_EQ(unix_nanos(*parsed), nanos);
  }
}

TEST(Rfc3339, TakesZonesAndAnyFraction) {
  EXPECT_EQ(*parse_rfc3339("2026-11-22T20:55:00.5+02:00"), *parse_rfc3339("2026-11-22T18:55:00.500Z"));
  EXPECT_EQ(*parse_rfc3339("2026-11-22T13:25:00-05:30"), *parse_rfc3339("2026-11-22T18:55:00Z"));
  EXPECT_EQ(*parse_rfc3339("2024-02-29T00:00:00Z"), *parse_rfc3339("2024-02-29T00:00:00.000000000999Z"));
}

TEST(Rfc3339, RefusesWhatIsNoTime) {
  for (const char* bad :
       {"", "now", "2026-11-22", "2026-11-22 18:55:00Z", "2026-11-22T18:55:00", "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z", "2026-11-22T24:00:00Z", "2026-11-22T18:60:00Z", "2026-11-22T18:55:61Z",
        "2026-11-22T18:55:-1Z", "2026-11-22T18:-1:00Z", "2026-11-22T18:55:00.Z", "2026-11-22T18:55:00Zx",
        "2026-11-22T18:55:00+2:00", "2026-11-22T18:55:00+24:00", "9999-01-01T00:00:00Z", "0001-01-01T00:00:00Z"})
    EXPECT_FALSE(parse_rfc3339(bad).has_value()) << bad;
}

TEST(Deadline, NeverNeverPasses) {
  const auto never = Deadline::never();
  EXPECT_FALSE(never.passed());
  EXPECT_EQ(never.poll_timeout(), -1);
  EXPECT_EQ(never.remaining(), std::chrono::milliseconds::max());
  EXPECT_FALSE(Deadline::after(std::chrono::nanoseconds::max()).passed());
}

TEST(Deadline, RoundsUpSoThatPollDoesNotSpin) {
  const auto soon = Deadline::after(500us);
  const int timeout = soon.poll_timeout();
  EXPECT_TRUE(timeout == 1 || soon.passed()) << timeout;
  const auto past = Deadline::after(-1s);
  EXPECT_TRUE(past.passed());
  EXPECT_EQ(past.poll_timeout(), 0);
}

} // namespace

} // namespace keelson
