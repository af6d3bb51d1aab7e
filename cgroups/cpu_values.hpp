// Contents of the cpu controller's files. Pure: no system calls. Kernel documents: admin-guide/cgroup-v2.rst (CPU) and
// scheduler/sched-bwc.rst.
#pragma once

#include "base/error.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace keelson::cgroups {

inline constexpr std::uint64_t kMinCpuShares = 2;
inline constexpr std::uint64_t kMaxCpuShares = 262144;
inline constexpr std::uint64_t kMinCpuWeight = 1;
inline constexpr std::uint64_t kMaxCpuWeight = 10000;
inline constexpr std::chrono::microseconds kDefaultCpuPeriod{100000};

// linear: weight = 1 + (shares - 2) * 9999 / 262142 (KEP-2254), what kubelet documents and older runtimes do.
// logarithmic: the curve of newer runc and crun, through (2, 1), (1024, 100) and (262144, 10000).
enum class WeightFormula { linear, logarithmic };

// Shares outside 2..262144 are clamped first, as the kernel clamps them.
std::uint64_t cpu_weight_from_shares(std::uint64_t shares, WeightFormula formula = WeightFormula::linear);
// The inverse of the linear formula. Weights outside 1..10000 are clamped first.
std::uint64_t cpu_shares_from_weight(std::uint64_t weight);

// cpu.max: "max 100000" or "50000 100000". No quota: not limited.
struct CpuMax {
  std::optional<std::chrono::microseconds> quota;
  std::chrono::microseconds period = kDefaultCpuPeriod;
  static Result<CpuMax> parse(std::string_view text);
  bool operator==(const CpuMax&) const = default;
};
std::string format(const CpuMax& value);

// cpu.stat of v2, and of v1 (throttling only; usage is in cpuacct there). Keys that the kernel lacks are zero.
struct CpuStat {
  std::chrono::nanoseconds usage{0};
  std::chrono::nanoseconds user{0};
  std::chrono::nanoseconds system{0};
  std::uint64_t periods = 0;
  std::uint64_t throttled_periods = 0;
  std::chrono::nanoseconds throttled{0};
  static Result<CpuStat> parse(std::string_view text);
  bool operator==(const CpuStat&) const = default;
};

// cpuacct.stat of v1: user and system time in clock ticks.
struct CpuAcctStat {
  std::uint64_t user_ticks = 0;
  std::uint64_t system_ticks = 0;
  static Result<CpuAcctStat> parse(std::string_view text);
  bool operator==(const CpuAcctStat&) const = default;
};

} // namespace keelson::cgroups
