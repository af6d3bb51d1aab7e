// Label selectors: the structured form (matchLabels, matchExpressions) and the string form (a=b,c in (d,e),!f). Pure.
#pragma once

#include "api/meta.hpp"
#include "base/json.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace keelson::api {

enum class SelectorOperator { in, not_in, exists, does_not_exist, greater_than, less_than };

struct Requirement {
  std::string key;
  SelectorOperator op = SelectorOperator::exists;
  std::vector<std::string> values; // sorted, without duplicates
  bool operator==(const Requirement&) const = default;
};

// All requirements must hold; none at all selects everything.
class Selector {
 public:
  Selector() = default;
  static Result<Selector> parse(std::string_view text);
  static Result<Selector> from_labels(const StringMap& labels);
  static Result<Selector> from_json(const json::value& label_selector); // {"matchLabels": ..., "matchExpressions": ...}

  // A key that is absent satisfies not_in (and !=), as in Kubernetes.
  bool matches(const StringMap& labels) const;
  std::string to_string() const;
  bool selects_everything() const { return requirements_.empty(); }
  const std::vector<Requirement>& requirements() const { return requirements_; }
  bool operator==(const Selector&) const = default;

 private:
  std::vector<Requirement> requirements_; // sorted by key
};

} // namespace keelson::api
