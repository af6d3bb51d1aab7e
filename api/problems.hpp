// Collects what a validation finds. Only the validation's own files include this header.
#pragma once

#include "api/validation.hpp"
#include "base/text.hpp"

#include <fmt/format.h>

#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keelson::api {

class Problems {
 public:
  template <class... Args>
  void add(std::string path, fmt::format_string<Args...> format, Args&&... args) {
    constexpr std::size_t kMaxProblems = 100;
    if (list_.size() < kMaxProblems) {
      list_.push_back({std::move(path), fmt::format(format, std::forward<Args>(args)...)});
    }
  }
  std::vector<Problem> take() { return std::move(list_); }

  // Most rules are one of these.
  void require(const std::string& path, const std::string& text) {
    if (text.empty()) add(path, "is required");
  }
  void name(const std::string& path, const std::string& text, bool (*valid)(std::string_view), std::string_view rule) {
    if (!valid(text)) add(path, "\"{}\" is not valid: use {}", printable(text, 80), rule);
  }
  void unique(const std::string& path, std::set<std::string>& seen, const std::string& text) {
    if (!seen.insert(text).second) add(path, "\"{}\" is given twice", printable(text, 80));
  }
  void range(const std::string& path, std::int64_t value, std::int64_t low, std::int64_t high) {
    if (value < low || value > high) add(path, "{} is out of range: use {} to {}", value, low, high);
  }
  void no_nul(const std::string& path, const std::string& text) {
    if (text.find('\0') != std::string::npos) add(path, "contains a NUL byte, which no process can receive");
  }

 private:
  std::vector<Problem> list_;
};

inline constexpr const char* kLabelRule = "at most 63 of a-z, 0-9 and -, with a letter or digit at both ends";
inline constexpr const char* kSubdomainRule =
    "at most 253 of a-z, 0-9, - and ., with a letter or digit at both ends of each part";
inline constexpr std::int64_t kMaxId = 2147483647; // of users and groups

inline std::string at(const std::string& path, std::string_view list, std::size_t index) {
  return fmt::format("{}.{}[{}]", path, list, index);
}

enum class ContainerRole { regular, init, ephemeral };

void validate_container(Problems& problems, const std::string& path, const Pod& pod, const Container& container,
                        ContainerRole role);
void validate_resources(Problems& problems, const std::string& path, const ResourceRequirements& resources);
void validate_probes(Problems& problems, const std::string& path, const Container& container, ContainerRole role);
void validate_lifecycle(Problems& problems, const std::string& path, const Lifecycle& lifecycle, const Pod& pod);
void validate_environment(Problems& problems, const std::string& path, const Container& container);
void validate_profile(Problems& problems, const std::string& path, const std::optional<SecurityProfile>& profile);
void validate_volumes(Problems& problems, const PodSpec& spec);
bool leads_upwards(std::string_view path); // has a ".." part

} // namespace keelson::api
