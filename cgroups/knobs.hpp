// What can be set on a group, in terms of resources, whatever the cgroup version. Pure data.
#pragma once

#include "base/units.hpp"
#include "cgroups/cpu_list.hpp"
#include "cgroups/io_values.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::cgroups {

enum class Knob {
  cpu_shares,
  cpu_quota,
  cpu_period,
  memory_limit,
  swap_limit,
  memory_min,
  memory_low,
  memory_high,
  memory_oom_group,
  pids_max,
  cpuset_cpus,
  cpuset_mems,
  io_weight,
  io_limits,
  hugetlb_limits,
  unified,
};
std::string_view to_string(Knob knob); // "memory_limit"

// A limit of -1 (any negative amount) takes the limit away. Absent: the group keeps what it has.
inline constexpr Bytes kUnlimited{-1};

struct Knobs {
  std::optional<std::uint64_t> cpu_shares;             // 2..262144; weight on v2
  std::optional<std::chrono::microseconds> cpu_quota;  // per period; negative: no limit
  std::optional<std::chrono::microseconds> cpu_period; // 1 ms to 1 s
  std::optional<Bytes> memory_limit;
  std::optional<Bytes> swap_limit;      // swap alone, as on v2; v1 gets memory + swap
  std::optional<Bytes> memory_min;      // v2 only
  std::optional<Bytes> memory_low;      // the soft limit on v1
  std::optional<Bytes> memory_high;     // v2 only
  std::optional<bool> memory_oom_group; // v2 only: an OOM kills the whole group
  std::optional<std::int64_t> pids_max;
  std::optional<CpuList> cpuset_cpus;
  std::optional<CpuList> cpuset_mems;
  std::optional<std::uint64_t> io_weight; // 10..1000, the unit of the OCI spec's blockIO.weight
  std::vector<IoLimit> io_limits;
  std::map<std::string, Bytes> hugetlb_limits; // by page size: "2MB"
  std::map<std::string, std::string> unified;  // raw files of v2 and what goes in; written last
};

} // namespace keelson::cgroups
