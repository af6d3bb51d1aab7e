// Memory and CPU of all processes of one runtime: those whose command line holds a given text.
#pragma once

#include "base/error.hpp"

#include <chrono>
#include <cstdint>
#include <string>

namespace keelson::bench {

struct ProcessUsage {
  unsigned processes = 0;
  std::uint64_t pss_kib = 0;           // proportional set size of all of them
  std::chrono::duration<double> cpu{}; // user and system since each began
};

// Processes whose command line (arguments joined by spaces) contains the text, this one excepted. Needs root.
Result<ProcessUsage> usage_of(const std::string& command_line_part);

} // namespace keelson::bench
