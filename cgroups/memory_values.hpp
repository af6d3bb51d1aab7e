// Contents of the memory controller's files, and of every file that holds one limit. Pure: no system calls. Kernel
// documents: admin-guide/cgroup-v2.rst (Memory) and admin-guide/cgroup-v1/memory.rst.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace keelson::cgroups {

// A limit: an amount or none. memory.max, memory.high, memory.swap.max, pids.max, hugetlb.*.max on v2; *_in_bytes on
// v1, where a huge number (LONG_MAX rounded down to the page) stands for none. The unit is the file's.
struct LimitValue {
  std::optional<std::uint64_t> amount; // empty: no limit
  static Result<LimitValue> parse(std::string_view text);
  bool operator==(const LimitValue&) const = default;
};
std::string format(const LimitValue& value);    // v2's form: "max"
std::string format_v1(const LimitValue& value); // v1's form: "-1"

// One number on one line: memory.current, pids.current, cpuacct.usage.
Result<std::uint64_t> parse_amount(std::string_view text);

// memory.events of v2: how often each thing has happened, in the group and below it.
struct MemoryEvents {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  std::uint64_t max = 0;
  std::uint64_t oom = 0;
  std::uint64_t oom_kill = 0;
  std::uint64_t oom_group_kill = 0;
  static Result<MemoryEvents> parse(std::string_view text);
  bool operator==(const MemoryEvents&) const = default;
};

// memory.oom_control of v1. oom_kill is there since Linux 4.13 and counts this group only, not those below it.
struct OomControl {
  bool oom_kill_disable = false;
  bool under_oom = false;
  std::uint64_t oom_kill = 0;
  static Result<OomControl> parse(std::string_view text);
  bool operator==(const OomControl&) const = default;
};

// memory.stat, reduced to what node agents report. Hierarchical on both versions (total_* on v1). Bytes, faults
// counted.
struct MemoryStat {
  std::uint64_t anon = 0; // rss on v1
  std::uint64_t file = 0; // cache on v1
  std::uint64_t kernel = 0;
  std::uint64_t mapped_file = 0;
  std::uint64_t inactive_file = 0;
  std::uint64_t active_file = 0;
  std::uint64_t page_faults = 0;
  std::uint64_t major_page_faults = 0;
  std::uint64_t swap = 0; // v1 only; v2 has memory.swap.current
  static Result<MemoryStat> parse_v1(std::string_view text);
  static Result<MemoryStat> parse_v2(std::string_view text);
  bool operator==(const MemoryStat&) const = default;
};

// usage - inactive_file, never below zero: what cannot be reclaimed easily, kubelet's number for eviction.
std::uint64_t working_set(std::uint64_t usage, const MemoryStat& stat);

} // namespace keelson::cgroups
