// The part of TOML 1.0 that containerd's hosts.toml files use. Pure.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace keelson::cri {

struct TomlValue {
  std::variant<std::string, bool, std::int64_t, std::vector<TomlValue>> value;
};

// One "key = value" line: the table's path followed by the key's own, so that `a.b = 1` under `[t]` is {"t","a","b"}.
struct TomlEntry {
  std::vector<std::string> path;
  TomlValue value;
  std::size_t line = 0;
};

struct TomlDocument {
  std::vector<TomlEntry> entries;               // in the order of the file
  std::vector<std::vector<std::string>> tables; // headers in their order, tables without keys included
};

// Tables, bare, quoted and dotted keys, basic and literal strings on one line, integers, booleans, arrays over any
// number of lines, comments. What else TOML has (floats, dates, inline tables, arrays of tables, strings over several
// lines) and anything given twice is refused with its line. At most 1 MiB, arrays 8 deep.
Result<TomlDocument> parse_toml(std::string_view text);

} // namespace keelson::cri
