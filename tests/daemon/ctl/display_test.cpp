#include "daemon/ctl/display.hpp"

#include <gtest/gtest.h>

namespace keelson::daemon::ctl {
namespace {

using namespace std::chrono_literals;

TEST(ShortDuration, IsWrittenAsKubectlDoes) {
  EXPECT_EQ(short_duration(0s), "0s");
  EXPECT_EQ(short_duration(119s), "119s");
  EXPECT_EQ(short_duration(120s), "2m");
  EXPECT_EQ(short_duration(3min + 20s), "3m20s");
  EXPECT_EQ(short_duration(10min + 59s), "10m");
  EXPECT_EQ(short_duration(179min), "179m");
  EXPECT_EQ(short_duration(3h + 2min), "3h2m");
  EXPECT_EQ(short_duration(28h), "28h");
  EXPECT_EQ(short_duration(52h), "2d4h");
  EXPECT_EQ(short_duration(24h * 30), "30d");
  EXPECT_EQ(short_duration(24h * 800), "2y70d");
  EXPECT_EQ(short_duration(-5s), "0s");
}

TEST(AgeOf, IsUnknownWithoutATime) {
  const WallTime now = parse_rfc3339("2026-11-22T18:00:00Z").value();
  EXPECT_EQ(age_of("2026-11-22T17:55:00.5Z", now), "4m59s");
  EXPECT_EQ(age_of("", now), "<unknown>");
  EXPECT_EQ(age_of("yesterday", now), "<unknown>");
}

TEST(BinaryBytes, KeepsThreeDigits) {
  EXPECT_EQ(binary_bytes(0), "0B");
  EXPECT_EQ(binary_bytes(1023), "1023B");
  EXPECT_EQ(binary_bytes(1024), "1KiB");
  EXPECT_EQ(binary_bytes(4300), "4.2KiB");
  EXPECT_EQ(binary_bytes(std::uint64_t{128} << 20), "128MiB");
  EXPECT_EQ(binary_bytes((std::uint64_t{1} << 30) - 1), "1GiB");
  EXPECT_EQ(binary_bytes(~std::uint64_t{0}), "16777216TiB");
}

TEST(DecimalBytes, UsesPowersOfThousand) {
  EXPECT_EQ(decimal_bytes(4'260'000), "4.26MB");
  EXPECT_EQ(decimal_bytes(999), "999B");
}

TEST(ShortId, CutsPlainAndPrefixedIdsTo13) {
  EXPECT_EQ(short_id("sha256:0123456789abcdef"), "0123456789abc");
  EXPECT_EQ(short_id("0123456789abcdef"), "0123456789abc");
  EXPECT_EQ(short_id("abc"), "abc");
}

TEST(Fit, CountsCharactersNotBytes) {
  EXPECT_EQ(display_width("├ wéb"), 5U);
  EXPECT_EQ(fit("wéb", 3), "wéb");
  EXPECT_EQ(fit("wébsite", 4), "wéb…");
  EXPECT_EQ(fit("abc", 0), "");
  EXPECT_EQ(pad("é", 3), "é  ");
}

} // namespace
} // namespace keelson::daemon::ctl
