#include "cgroups/cpu_values.hpp"

#include "base/text.hpp"
#include "cgroups/flat_keyed.hpp"

#include <algorithm>
#include <cmath>

namespace keelson::cgroups {
namespace {

// Cut off at 73 years, so that neither garbage nor sums overflow.
std::chrono::nanoseconds duration(std::uint64_t count, std::uint64_t nanos_per_count) {
  constexpr std::uint64_t kLongest = std::uint64_t{1} << 61;
  return std::chrono::nanoseconds(
      static_cast<std::int64_t>(std::min(count, kLongest / nanos_per_count) * nanos_per_count));
}

} // namespace

std::uint64_t cpu_weight_from_shares(std::uint64_t shares, WeightFormula formula) {
  const std::uint64_t clamped = std::clamp(shares, kMinCpuShares, kMaxCpuShares);
  if (formula == WeightFormula::linear) return 1 + ((clamped - 2) * 9999) / 262142;
  if (clamped == kMinCpuShares) return kMinCpuWeight;
  if (clamped == kMaxCpuShares) return kMaxCpuWeight;
  const double log = std::log2(static_cast<double>(clamped));
  const double exponent = (log * log + 125 * log) / 612.0 - 7.0 / 34.0;
  const auto weight = static_cast<std::uint64_t>(std::ceil(std::pow(10.0, exponent)));
  return std::clamp(weight, kMinCpuWeight, kMaxCpuWeight);
}

std::uint64_t cpu_shares_from_weight(std::uint64_t weight) {
  const std::uint64_t clamped = std::clamp(weight, kMinCpuWeight, kMaxCpuWeight);
  return 2 + ((clamped - 1) * 262142) / 9999;
}

Result<CpuMax> CpuMax::parse(std::string_view text) {
  const auto words = split_words(text);
  if (words.empty() || words.size() > 2)
    return fail(Code::invalid_argument, "cpu.max: \"{}\" is not a quota and a period", printable(text, 80));
  CpuMax value;
  if (words[0] != "max") {
    TRY_ASSIGN(const auto quota, parse_int<std::int64_t>(words[0]));
    if (quota < 0) return fail(Code::invalid_argument, "cpu.max: the quota {} is negative", quota);
    value.quota = std::chrono::microseconds(quota);
  }
  if (words.size() == 2) {
    TRY_ASSIGN(const auto period, parse_int<std::int64_t>(words[1]));
    if (period <= 0) return fail(Code::invalid_argument, "cpu.max: the period {} is not positive", period);
    value.period = std::chrono::microseconds(period);
  }
  return value;
}

std::string format(const CpuMax& value) {
  if (!value.quota) return fmt::format("max {}", value.period.count());
  return fmt::format("{} {}", value.quota->count(), value.period.count());
}

Result<CpuStat> CpuStat::parse(std::string_view text) {
  std::uint64_t usage_usec = 0;
  std::uint64_t user_usec = 0;
  std::uint64_t system_usec = 0;
  std::uint64_t throttled_usec = 0;
  std::uint64_t throttled_nsec = 0; // v1's unit
  CpuStat stat;
  TRY(parse_flat_keyed(text, {{"usage_usec", &usage_usec},
                              {"user_usec", &user_usec},
                              {"system_usec", &system_usec},
                              {"nr_periods", &stat.periods},
                              {"nr_throttled", &stat.throttled_periods},
                              {"throttled_usec", &throttled_usec},
                              {"throttled_time", &throttled_nsec}}));
  stat.usage = duration(usage_usec, 1000);
  stat.user = duration(user_usec, 1000);
  stat.system = duration(system_usec, 1000);
  stat.throttled = duration(throttled_usec, 1000) + duration(throttled_nsec, 1);
  return stat;
}

Result<CpuAcctStat> CpuAcctStat::parse(std::string_view text) {
  CpuAcctStat stat;
  TRY(parse_flat_keyed(text, {{"user", &stat.user_ticks}, {"system", &stat.system_ticks}}));
  return stat;
}

} // namespace keelson::cgroups
