// Usage of pods and containers between two readings of the daemon's figures. Pure.
#pragma once

#include "base/json.hpp"
#include "daemon/ctl/table.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace keelson::daemon::ctl {

struct UsageRow {
  std::string name_space;
  std::string pod;
  std::string container; // empty: the pod as a whole
  std::string id;
  std::optional<double> cores; // absent: nothing runs, or there is no first reading
  std::uint64_t working_set = 0;
  std::uint64_t rss = 0;
  std::uint64_t memory_limit = 0; // 0: none
  std::int64_t pids = 0;
  double rx_rate = 0; // bytes per second, of pods
  double tx_rate = 0;
  std::uint64_t rx_bytes = 0;
  std::uint64_t tx_bytes = 0;
  std::uint64_t fs_bytes = 0; // written by the containers
};

struct PodUsage {
  UsageRow pod;
  std::vector<UsageRow> containers;
};

// `before` may be empty: then there are no rates.
std::vector<PodUsage> usage_between(const json::array& before, const json::array& now);

enum class UsageOrder { name, cpu, memory };
void sort_usage(std::vector<PodUsage>& usage, UsageOrder order);

// One line per pod, its containers below it if they are wanted.
Table usage_table(const std::vector<PodUsage>& usage, bool containers);

json::array usage_json(const std::vector<PodUsage>& usage);

} // namespace keelson::daemon::ctl
