// YAML text to JSON values and back. Plain scalars get the types that sigs.k8s.io/yaml gives them (go-yaml v2,
// YAML 1.1): yes, on and y are true, 0644 and 0o644 are octal, 1_000 is a number; anything quoted is a string. Merge
// keys (<<) work. Nothing here throws. Aliases are copied, bounded by a count of values, so that nested aliases cannot
// fill the memory.
#pragma once

#include "base/json.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace keelson::api {

struct YamlLimits {
  std::size_t max_size = std::size_t{4} << 20; // bytes of text
  std::size_t max_depth = 64;                  // nested lists and maps
  std::size_t max_values = 200'000;            // in all documents, aliases counted as often as they are used
  std::size_t max_documents = 256;
};

struct YamlDocuments {
  std::vector<json::value> documents;
  std::vector<std::string> warnings; // "line 4: key \"name\" is given twice; the last one counts"
};

// invalid_argument with the line; resource_exhausted when a limit is passed.
Result<YamlDocuments> parse_yaml(std::string_view text, const YamlLimits& limits = {});

// A plain scalar, typed by those rules. An infinite or not-a-number float is refused: JSON has none.
Result<json::value> type_plain_scalar(std::string_view text);

std::string to_yaml(const json::value& v);

} // namespace keelson::api
