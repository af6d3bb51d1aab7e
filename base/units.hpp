// Units that the type system keeps apart. Durations are std::chrono everywhere.
#pragma once

#include <compare>
#include <cstdint>

namespace keelson {

struct Bytes {
  std::int64_t value = 0;
  auto operator<=>(const Bytes&) const = default;
};

// Thousandths of a CPU, the unit of Kubernetes CPU quantities: 1500 is one and a half CPUs.
struct MilliCpu {
  std::int64_t value = 0;
  auto operator<=>(const MilliCpu&) const = default;
};

} // namespace keelson
