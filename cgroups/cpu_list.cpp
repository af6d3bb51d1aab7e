#include "cgroups/cpu_list.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <utility>

namespace keelson::cgroups {

CpuList::CpuList(std::vector<std::uint32_t> ids)
    : ids_(std::move(ids)) {
  std::sort(ids_.begin(), ids_.end());
  ids_.erase(std::unique(ids_.begin(), ids_.end()), ids_.end());
}

Result<CpuList> CpuList::parse(std::string_view text) {
  const std::string_view list = trim(text);
  if (list.empty()) return CpuList();
  std::vector<std::pair<std::uint32_t, std::uint32_t>> ranges;
  for (const std::string_view range : split(list, ',')) {
    const std::size_t dash = range.find('-');
    const std::string_view first_text = range.substr(0, dash);
    const std::string_view last_text = dash == std::string_view::npos ? first_text : range.substr(dash + 1);
    const auto first = parse_int<std::uint16_t>(first_text);
    const auto last = parse_int<std::uint16_t>(last_text);
    if (!first || !last || *first > *last)
      return fail(Code::invalid_argument, "\"{}\" is not a list like 0-3,7: bad range \"{}\"", printable(list, 80),
                  printable(range, 40));
    ranges.emplace_back(*first, *last);
  }
  // Merged before they are spelled out: "0-65535,0-65535,..." must not become a huge vector.
  std::sort(ranges.begin(), ranges.end());
  CpuList parsed;
  std::uint32_t next = 0;
  for (const auto& [first, last] : ranges) {
    for (next = std::max(next, first); next <= last; ++next) parsed.ids_.push_back(next);
  }
  return parsed;
}

bool CpuList::contains(std::uint32_t id) const {
  return std::binary_search(ids_.begin(), ids_.end(), id);
}

bool CpuList::contains_all(const CpuList& other) const {
  return std::includes(ids_.begin(), ids_.end(), other.ids_.begin(), other.ids_.end());
}

std::string format(const CpuList& value) {
  std::string text;
  const auto& ids = value.ids();
  for (std::size_t i = 0; i < ids.size();) {
    std::size_t end = i;
    while (end + 1 < ids.size() && ids[end + 1] == ids[end] + 1) ++end;
    if (!text.empty()) text += ',';
    text += end == i ? fmt::format("{}", ids[i]) : fmt::format("{}-{}", ids[i], ids[end]);
    i = end + 1;
  }
  return text;
}

} // namespace keelson::cgroups
