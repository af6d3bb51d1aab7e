// What the test's own process uses, for tests that it does not grow.
#pragma once

#include "base/file.hpp"

#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

namespace keelson::health {

inline std::size_t open_fds() {
  const auto names = list_dir("/proc/self/fd");
  return names ? names->size() : 0;
}

inline std::string descriptor_list() {
  std::string text;
  for (const std::string& name : list_dir("/proc/self/fd").value_or(std::vector<std::string>{})) {
    char target[256] = {};
    if (::readlink(("/proc/self/fd/" + name).c_str(), target, sizeof target - 1) > 0)
      text += name + " -> " + target + "\n";
  }
  return text;
}

inline std::size_t threads() {
  const auto names = list_dir("/proc/self/task");
  return names ? names->size() : 0;
}

// A sanitizer's shadow memory is not growth.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
inline constexpr bool kMemoryIsOurs = false;
#else
inline constexpr bool kMemoryIsOurs = true;
#endif

inline long resident_kib() {
  const auto status = read_file("/proc/self/status");
  if (!status) return 0;
  const auto at = status->find("VmRSS:");
  return at == std::string::npos ? 0 : std::strtol(status->c_str() + at + 6, nullptr, 10);
}

} // namespace keelson::health
