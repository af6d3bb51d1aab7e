// CPU amounts as the kernel takes them. Pure.
// Rules: https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/
#pragma once

#include "base/units.hpp"

#include <chrono>
#include <cstdint>

namespace keelson::qos {

inline constexpr std::uint64_t kMinShares = 2;
inline constexpr std::uint64_t kMaxShares = 262144;
inline constexpr std::chrono::microseconds kCpuPeriod{100000};
inline constexpr std::chrono::microseconds kMinQuota{1000};

// 1024 shares per CPU, within 2..262144; nothing asked for gives 2.
std::uint64_t shares_of(MilliCpu cpu);

// Time per period; at least 1 ms. Zero: no quota.
std::chrono::microseconds quota_of(MilliCpu cpu, std::chrono::microseconds period = kCpuPeriod);

} // namespace keelson::qos
