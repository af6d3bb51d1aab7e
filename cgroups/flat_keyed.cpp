#include "cgroups/flat_keyed.hpp"

#include "base/text.hpp"

namespace keelson::cgroups {

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  for (const std::string_view line : split(text, '\n')) {
    if (!trim(line).empty()) lines.push_back(line);
  }
  return lines;
}

Result<> parse_flat_keyed(std::string_view text,
                          std::initializer_list<std::pair<std::string_view, std::uint64_t*>> targets) {
  for (const std::string_view line : lines_of(text)) {
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos || space == 0)
      return fail(Code::invalid_argument, "\"{}\" is not a line of key and value", printable(line, 80));
    for (const auto& [key, target] : targets) {
      if (line.substr(0, space) != key) continue;
      auto value = parse_int<std::uint64_t>(line.substr(space + 1));
      if (!value) return Fail(std::move(value).error().context(printable(line, 80)));
      *target = *value;
    }
  }
  return {};
}

Result<std::pair<std::string_view, std::string_view>> parse_assignment(std::string_view word) {
  const std::size_t equals = word.find('=');
  if (equals == std::string_view::npos || equals == 0)
    return fail(Code::invalid_argument, "\"{}\" is not key=value", printable(word, 80));
  return std::pair{word.substr(0, equals), word.substr(equals + 1)};
}

} // namespace keelson::cgroups
