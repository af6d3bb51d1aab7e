// The shapes that kernel files have in common: lines, "key value" lines, "id key=value ..." lines. Pure.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <utility>
#include <vector>

namespace keelson::cgroups {

std::vector<std::string_view> lines_of(std::string_view text); // without empty ones

// "key value" per line into the targets of known keys. Unknown keys are skipped, as newer kernels add some; a line of
// another shape, or a known key without a number, is invalid_argument naming it. Absent keys leave their target alone.
Result<> parse_flat_keyed(std::string_view text,
                          std::initializer_list<std::pair<std::string_view, std::uint64_t*>> targets);

// "key=value" split at the first equals sign.
Result<std::pair<std::string_view, std::string_view>> parse_assignment(std::string_view word);

} // namespace keelson::cgroups
