#include "cgroups/core_values.hpp"

#include "base/text.hpp"
#include "cgroups/flat_keyed.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace keelson::cgroups {
namespace {

Result<double> parse_percent(std::string_view text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, std::chars_format::fixed);
  if (error != std::errc{} || stop != end || !std::isfinite(value) || value < 0)
    return fail(Code::invalid_argument, "\"{}\" is not a percentage", printable(text, 40));
  return value;
}

Result<PressureLine> parse_pressure_line(const std::vector<std::string_view>& words) {
  PressureLine line;
  for (std::size_t i = 1; i < words.size(); ++i) {
    TRY_ASSIGN(const auto assignment, parse_assignment(words[i]));
    if (assignment.first == "total") {
      TRY_ASSIGN(const auto total, parse_int<std::int64_t>(assignment.second));
      line.total = std::chrono::microseconds(total);
      continue;
    }
    TRY_ASSIGN(const double percent, parse_percent(assignment.second));
    if (assignment.first == "avg10") line.avg10 = percent;
    if (assignment.first == "avg60") line.avg60 = percent;
    if (assignment.first == "avg300") line.avg300 = percent;
  }
  return line;
}

} // namespace

Result<GroupEvents> GroupEvents::parse(std::string_view text) {
  std::uint64_t populated = 0;
  std::uint64_t frozen = 0;
  TRY(parse_flat_keyed(text, {{"populated", &populated}, {"frozen", &frozen}}));
  return GroupEvents{populated != 0, frozen != 0};
}

Result<std::vector<pid_t>> parse_procs(std::string_view text) {
  std::vector<pid_t> pids;
  for (const std::string_view line : lines_of(text)) {
    TRY_ASSIGN(const auto pid, parse_int<pid_t>(line));
    if (pid < 0) return fail(Code::invalid_argument, "\"{}\" is not a process id", printable(line, 40));
    pids.push_back(pid);
  }
  std::sort(pids.begin(), pids.end());
  pids.erase(std::unique(pids.begin(), pids.end()), pids.end());
  return pids;
}

Result<FreezerState> parse_freezer_state(std::string_view text) {
  const std::string_view word = trim(text);
  if (word == "THAWED") return FreezerState::thawed;
  if (word == "FREEZING") return FreezerState::freezing;
  if (word == "FROZEN") return FreezerState::frozen;
  return fail(Code::invalid_argument, "\"{}\" is not a state of the freezer", printable(word, 40));
}

Result<Pressure> Pressure::parse(std::string_view text) {
  Pressure pressure;
  bool some_seen = false;
  for (const std::string_view line : lines_of(text)) {
    const auto words = split_words(line);
    if (words[0] != "some" && words[0] != "full") continue;
    TRY_ASSIGN(const auto values, parse_pressure_line(words));
    if (words[0] == "full") {
      pressure.full = values;
    } else {
      pressure.some = values;
      some_seen = true;
    }
  }
  if (!some_seen) return fail(Code::invalid_argument, "\"{}\" has no line \"some\"", printable(text, 80));
  return pressure;
}

} // namespace keelson::cgroups
