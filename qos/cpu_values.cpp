#include "qos/cpu_values.hpp"

#include <algorithm>
#include <limits>

namespace keelson::qos {

std::uint64_t shares_of(MilliCpu cpu) {
  constexpr std::int64_t kMost = 256'000; // milli-CPUs of the most shares; above it the product could overflow
  if (cpu.value <= 0) return kMinShares;
  if (cpu.value >= kMost) return kMaxShares;
  const auto shares = static_cast<std::uint64_t>(cpu.value) * 1024 / 1000;
  return std::clamp(shares, kMinShares, kMaxShares);
}

std::chrono::microseconds quota_of(MilliCpu cpu, std::chrono::microseconds period) {
  if (cpu.value <= 0) return std::chrono::microseconds{0};
  // The kernel takes at most 2^44 microseconds (max_cfs_runtime).
  constexpr std::int64_t kMaxQuota = std::int64_t{1} << 43;
  const std::int64_t most = kMaxQuota / std::max<std::int64_t>(period.count(), 1) * 1000;
  if (cpu.value >= most) return std::chrono::microseconds{kMaxQuota};
  return std::max(std::chrono::microseconds{cpu.value * period.count() / 1000}, kMinQuota);
}

} // namespace keelson::qos
