#include "cgroups/memory_values.hpp"

#include "base/text.hpp"
#include "cgroups/flat_keyed.hpp"

namespace keelson::cgroups {
namespace {

// v1 shows "no limit" as LONG_MAX rounded down to the page, hugetlb to the huge page (at most 16 GiB).
constexpr std::uint64_t kNoLimitV1 = 0x7ffffffc00000000;

} // namespace

Result<LimitValue> LimitValue::parse(std::string_view text) {
  const std::string_view word = trim(text);
  if (word == "max" || word == "-1") return LimitValue{};
  TRY_ASSIGN(const auto amount, parse_int<std::uint64_t>(word));
  if (amount >= kNoLimitV1) return LimitValue{};
  return LimitValue{amount};
}

std::string format(const LimitValue& value) {
  return value.amount ? fmt::format("{}", *value.amount) : "max";
}

std::string format_v1(const LimitValue& value) {
  return value.amount ? fmt::format("{}", *value.amount) : "-1";
}

Result<std::uint64_t> parse_amount(std::string_view text) {
  return parse_int<std::uint64_t>(trim(text));
}

Result<MemoryEvents> MemoryEvents::parse(std::string_view text) {
  MemoryEvents events;
  TRY(parse_flat_keyed(text, {{"low", &events.low},
                              {"high", &events.high},
                              {"max", &events.max},
                              {"oom", &events.oom},
                              {"oom_kill", &events.oom_kill},
                              {"oom_group_kill", &events.oom_group_kill}}));
  return events;
}

Result<OomControl> OomControl::parse(std::string_view text) {
  std::uint64_t disable = 0;
  std::uint64_t under_oom = 0;
  OomControl control;
  TRY(parse_flat_keyed(text,
                       {{"oom_kill_disable", &disable}, {"under_oom", &under_oom}, {"oom_kill", &control.oom_kill}}));
  control.oom_kill_disable = disable != 0;
  control.under_oom = under_oom != 0;
  return control;
}

Result<MemoryStat> MemoryStat::parse_v1(std::string_view text) {
  MemoryStat stat;
  TRY(parse_flat_keyed(text, {{"total_rss", &stat.anon},
                              {"total_cache", &stat.file},
                              {"total_mapped_file", &stat.mapped_file},
                              {"total_inactive_file", &stat.inactive_file},
                              {"total_active_file", &stat.active_file},
                              {"total_pgfault", &stat.page_faults},
                              {"total_pgmajfault", &stat.major_page_faults},
                              {"total_swap", &stat.swap}}));
  return stat;
}

Result<MemoryStat> MemoryStat::parse_v2(std::string_view text) {
  MemoryStat stat;
  TRY(parse_flat_keyed(text, {{"anon", &stat.anon},
                              {"file", &stat.file},
                              {"kernel", &stat.kernel},
                              {"file_mapped", &stat.mapped_file},
                              {"inactive_file", &stat.inactive_file},
                              {"active_file", &stat.active_file},
                              {"pgfault", &stat.page_faults},
                              {"pgmajfault", &stat.major_page_faults}}));
  return stat;
}

std::uint64_t working_set(std::uint64_t usage, const MemoryStat& stat) {
  return usage > stat.inactive_file ? usage - stat.inactive_file : 0;
}

} // namespace keelson::cgroups
