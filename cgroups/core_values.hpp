// Contents of files that every group has: cgroup.events, cgroup.procs, freezer.state, and pressure (PSI) files. Pure:
// no system calls. Kernel documents: admin-guide/cgroup-v2.rst, accounting/psi.rst.
#pragma once

#include "base/error.hpp"

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::cgroups {

struct GroupEvents {
  bool populated = false; // a live process is in the group or below it
  bool frozen = false;
  static Result<GroupEvents> parse(std::string_view text);
  bool operator==(const GroupEvents&) const = default;
};

// cgroup.procs: one pid per line, in any order, on v1 possibly twice. 0 is a process outside of the reader's PID
// namespace; it is kept. Sorted, without repetitions.
Result<std::vector<pid_t>> parse_procs(std::string_view text);

enum class FreezerState { thawed, freezing, frozen };
Result<FreezerState> parse_freezer_state(std::string_view text); // freezer.state of v1

// One line of a pressure file: shares of time in percent, and the sum since the group exists.
struct PressureLine {
  double avg10 = 0;
  double avg60 = 0;
  double avg300 = 0;
  std::chrono::microseconds total{0};
  bool operator==(const PressureLine&) const = default;
};
struct Pressure {
  PressureLine some;
  std::optional<PressureLine> full; // cpu.pressure has none before Linux 5.13
  static Result<Pressure> parse(std::string_view text);
  bool operator==(const Pressure&) const = default;
};

} // namespace keelson::cgroups
