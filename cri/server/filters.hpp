// The filters of list calls, as CRI defines them: every field that is set must fit; an id may be a prefix.
#pragma once

#include <google/protobuf/map.h>

#include <string>
#include <string_view>

namespace keelson::cri {

using LabelMap = google::protobuf::Map<std::string, std::string>;

inline bool labels_match(const LabelMap& selector, const LabelMap& labels) {
  for (const auto& [key, value] : selector) {
    const auto found = labels.find(key);
    if (found == labels.end() || found->second != value) return false;
  }
  return true;
}

inline bool id_matches(std::string_view wanted, std::string_view id) {
  return wanted.empty() || id.starts_with(wanted);
}

} // namespace keelson::cri
