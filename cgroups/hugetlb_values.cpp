#include "cgroups/hugetlb_values.hpp"

#include "base/file.hpp"
#include "base/text.hpp"

#include <array>
#include <utility>

namespace keelson::cgroups {
namespace {

constexpr std::array<std::pair<std::string_view, std::int64_t>, 3> kUnits = {{
    {"GB", std::int64_t{1} << 30},
    {"MB", std::int64_t{1} << 20},
    {"KB", std::int64_t{1} << 10},
}};

bool is_power_of_two(std::int64_t value) {
  return value > 0 && (value & (value - 1)) == 0;
}

} // namespace

Result<std::string> huge_page_name(Bytes size) {
  if (is_power_of_two(size.value)) {
    for (const auto& [unit, factor] : kUnits) {
      if (size.value >= factor) return fmt::format("{}{}", size.value / factor, unit);
    }
  }
  return fail(Code::invalid_argument, "{} bytes is not the size of a huge page", size.value);
}

Result<Bytes> huge_page_size(std::string_view name) {
  for (const auto& [unit, factor] : kUnits) {
    if (name.size() <= unit.size() || name.substr(name.size() - unit.size()) != unit) continue;
    const auto count = parse_int<std::int64_t>(name.substr(0, name.size() - unit.size()));
    if (count && *count < 1024 && is_power_of_two(*count)) return Bytes{*count * factor};
  }
  return fail(Code::invalid_argument, "\"{}\" is not a huge page size like 2MB", printable(name, 40));
}

std::vector<std::string> machine_huge_page_sizes() {
  std::vector<std::string> sizes;
  for (const std::string& name : list_dir("/sys/kernel/mm/hugepages").value_or(std::vector<std::string>())) {
    if (!name.starts_with("hugepages-") || !name.ends_with("kB")) continue;
    const auto kilobytes = parse_int<std::int64_t>(std::string_view(name).substr(10, name.size() - 12));
    if (!kilobytes) continue;
    if (auto size = huge_page_name(Bytes{*kilobytes * 1024})) sizes.push_back(std::move(*size));
  }
  return sizes;
}

} // namespace keelson::cgroups
