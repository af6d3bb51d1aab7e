#include "daemon/ctl/usage_view.hpp"

#include "daemon/ctl/display.hpp"
#include "daemon/ctl/fields.hpp"

#include <algorithm>
#include <tuple>

namespace keelson::daemon::ctl {

namespace {

std::uint64_t amount(const json::value& from, std::initializer_list<std::string_view> keys) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, number_at(from, keys)));
}

const json::value* with_id(const json::array& items, const std::string& id) {
  for (const json::value& item : items)
    if (text_at(item, {"id"}) == id) return &item;
  return nullptr;
}

// Seconds between the CPU figures of two readings; 0 if there are none.
double seconds_between(const json::value* before, const json::value& now) {
  if (before == nullptr) return 0;
  const std::int64_t from = number_at(*before, {"cpu", "timestampNanos"});
  const std::int64_t to = number_at(now, {"cpu", "timestampNanos"});
  return from > 0 && to > from ? static_cast<double>(to - from) / 1e9 : 0;
}

double rate(std::uint64_t before, std::uint64_t now, double seconds) {
  return seconds <= 0 || now < before ? 0 : static_cast<double>(now - before) / seconds;
}

UsageRow row_of(const json::value* before, const json::value& now) {
  UsageRow row;
  row.id = text_at(now, {"id"});
  const double seconds = seconds_between(before, now);
  if (seconds > 0)
    row.cores = rate(amount(*before, {"cpu", "usageNanos"}), amount(now, {"cpu", "usageNanos"}), seconds) / 1e9;
  row.working_set = amount(now, {"memory", "workingSet"});
  row.rss = amount(now, {"memory", "rss"});
  row.memory_limit = amount(now, {"memory", "limit"});
  row.pids = number_at(now, {"pids"});
  row.fs_bytes = amount(now, {"fs", "usedBytes"});
  row.rx_bytes = amount(now, {"network", "rxBytes"});
  row.tx_bytes = amount(now, {"network", "txBytes"});
  if (before == nullptr) return row;
  row.rx_rate = rate(amount(*before, {"network", "rxBytes"}), row.rx_bytes, seconds);
  row.tx_rate = rate(amount(*before, {"network", "txBytes"}), row.tx_bytes, seconds);
  return row;
}

std::string percent_of_limit(const UsageRow& row) {
  if (row.memory_limit == 0) return "-";
  return fmt::format("{:.0f}%", 100.0 * static_cast<double>(row.working_set) / static_cast<double>(row.memory_limit));
}

Tone memory_tone(const UsageRow& row) {
  if (row.memory_limit == 0) return Tone::plain;
  const double share = static_cast<double>(row.working_set) / static_cast<double>(row.memory_limit);
  if (share >= 0.95) return Tone::bad;
  return share >= 0.8 ? Tone::warn : Tone::plain;
}

void add_row(Table& table, const UsageRow& row, const std::string& name, bool is_pod) {
  const Tone tone = is_pod ? Tone::plain : Tone::dim;
  table.add({{is_pod ? row.name_space : "", tone},
             {name, is_pod ? Tone::strong : Tone::plain},
             row.cores ? cores(*row.cores) : "-",
             row.cores ? fmt::format("{:.1f}%", *row.cores * 100) : "-",
             binary_bytes(row.working_set),
             {percent_of_limit(row), memory_tone(row)},
             binary_bytes(row.rss),
             row.pids > 0 ? fmt::format("{}", row.pids) : "-",
             is_pod ? byte_rate(row.rx_rate) : "",
             is_pod ? byte_rate(row.tx_rate) : "",
             binary_bytes(row.fs_bytes)});
}

json::object row_json(const UsageRow& row) {
  json::object object{{"id", row.id},
                      {"memoryWorkingSetBytes", row.working_set},
                      {"memoryRssBytes", row.rss},
                      {"pids", row.pids},
                      {"fsUsedBytes", row.fs_bytes}};
  if (row.cores) object["cpuCores"] = *row.cores;
  if (row.memory_limit > 0) object["memoryLimitBytes"] = row.memory_limit;
  return object;
}

} // namespace

std::vector<PodUsage> usage_between(const json::array& before, const json::array& now) {
  std::vector<PodUsage> usage;
  for (const json::value& sandbox : now) {
    const json::value* earlier = with_id(before, text_at(sandbox, {"id"}));
    PodUsage pod;
    pod.pod = row_of(earlier, sandbox);
    pod.pod.name_space = text_at(sandbox, {"namespace"});
    pod.pod.pod = text_at(sandbox, {"name"});
    std::int64_t pids = 0;
    for (const json::value& container : list_at(sandbox, {"containers"})) {
      if (!dig(container, {"cpu"}).is_object() && !dig(container, {"memory"}).is_object()) continue; // it has ended
      UsageRow row =
          row_of(earlier != nullptr ? with_id(list_at(*earlier, {"containers"}), text_at(container, {"id"})) : nullptr,
                 container);
      row.name_space = pod.pod.name_space;
      row.pod = pod.pod.pod;
      row.container = text_at(container, {"name"});
      pod.pod.fs_bytes += row.fs_bytes;
      pids += row.pids;
      pod.containers.push_back(std::move(row));
    }
    if (pod.pod.pids == 0) pod.pod.pids = pids;
    usage.push_back(std::move(pod));
  }
  return usage;
}

void sort_usage(std::vector<PodUsage>& usage, UsageOrder order) {
  const auto before = [order](const UsageRow& a, const UsageRow& b) {
    if (order == UsageOrder::cpu && a.cores.value_or(-1) != b.cores.value_or(-1))
      return a.cores.value_or(-1) > b.cores.value_or(-1);
    if (order == UsageOrder::memory && a.working_set != b.working_set) return a.working_set > b.working_set;
    return std::tie(a.name_space, a.pod, a.container) < std::tie(b.name_space, b.pod, b.container);
  };
  std::stable_sort(usage.begin(), usage.end(),
                   [&](const PodUsage& a, const PodUsage& b) { return before(a.pod, b.pod); });
  for (PodUsage& pod : usage) std::stable_sort(pod.containers.begin(), pod.containers.end(), before);
}

Table usage_table(const std::vector<PodUsage>& usage, bool containers) {
  Table table({{"NAMESPACE"},
               {"NAME", false, true},
               {"CPU", true},
               {"CPU%", true},
               {"MEMORY", true},
               {"OF LIMIT", true},
               {"RSS", true},
               {"PIDS", true},
               {"NET RX", true},
               {"NET TX", true},
               {"FS", true}});
  for (const PodUsage& pod : usage) {
    add_row(table, pod.pod, pod.pod.pod, true);
    if (!containers) continue;
    for (std::size_t i = 0; i < pod.containers.size(); ++i)
      add_row(table, pod.containers[i], (i + 1 == pod.containers.size() ? "└ " : "├ ") + pod.containers[i].container,
              false);
  }
  return table;
}

json::array usage_json(const std::vector<PodUsage>& usage) {
  json::array items;
  for (const PodUsage& pod : usage) {
    json::object object = row_json(pod.pod);
    object["namespace"] = pod.pod.name_space;
    object["pod"] = pod.pod.pod;
    object["networkRxBytes"] = pod.pod.rx_bytes;
    object["networkTxBytes"] = pod.pod.tx_bytes;
    json::array containers;
    for (const UsageRow& row : pod.containers) {
      json::object inner = row_json(row);
      inner["name"] = row.container;
      containers.emplace_back(std::move(inner));
    }
    object["containers"] = std::move(containers);
    items.emplace_back(std::move(object));
  }
  return items;
}

} // namespace keelson::daemon::ctl
