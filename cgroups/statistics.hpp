// A group's use of resources at one moment. Plain data; Group::statistics() fills it.
#pragma once

#include "cgroups/core_values.hpp"
#include "cgroups/io_values.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace keelson::cgroups {

struct CpuUsage {
  std::chrono::nanoseconds usage{0}; // of all CPUs since the group exists
  std::chrono::nanoseconds user{0};
  std::chrono::nanoseconds system{0};
  std::uint64_t periods = 0;
  std::uint64_t throttled_periods = 0;
  std::chrono::nanoseconds throttled{0};
  std::optional<Pressure> pressure;
};

// Bytes.
struct MemoryUsage {
  std::uint64_t usage = 0;
  std::uint64_t working_set = 0;
  std::uint64_t rss = 0; // anonymous memory
  std::uint64_t cache = 0;
  std::uint64_t swap = 0;
  std::optional<std::uint64_t> limit; // empty: none of its own
  std::uint64_t page_faults = 0;
  std::uint64_t major_page_faults = 0;
  std::optional<std::uint64_t> peak;
  std::optional<Pressure> pressure;
};

struct PidsUsage {
  std::uint64_t current = 0; // threads, not processes
  std::optional<std::uint64_t> limit;
};

struct IoUsage {
  std::vector<IoDeviceStat> devices;
  std::optional<Pressure> pressure;
};

// A part is empty when its controller does not exist or is not enabled for the group.
struct Statistics {
  std::optional<CpuUsage> cpu;
  std::optional<MemoryUsage> memory;
  std::optional<PidsUsage> pids;
  std::optional<IoUsage> io;
  std::map<std::string, std::uint64_t> hugetlb; // bytes in use by page size: "2MB"
};

} // namespace keelson::cgroups
