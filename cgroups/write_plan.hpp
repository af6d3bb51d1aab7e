// Knobs translated to writes into kernel files, and the comparison of what was written with what the kernel shows
// afterwards. Pure: no system calls, so that a dry run prints exactly what a real one does.
#pragma once

#include "base/error.hpp"
#include "cgroups/controller.hpp"
#include "cgroups/cpu_values.hpp"
#include "cgroups/knobs.hpp"
#include "cgroups/memory_values.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace keelson::cgroups {

struct Write {
  Controller controller = Controller::core;
  std::string file;  // name in the group's directory of that controller
  std::string value; // without a newline
  Knob knob = Knob::unified;
  // Some kernels lack the file, and the group works without: then the write is skipped and reported.
  bool optional = false;
  bool operator==(const Write&) const = default;
};

// A knob that this machine or version has no file for, and why.
struct Dropped {
  Knob knob = Knob::unified;
  std::string reason;
  bool operator==(const Dropped&) const = default;
};

struct WritePlan {
  std::vector<Write> writes; // in the order to write them
  std::vector<Dropped> dropped;
};

// What the group has now. Order depends on it: v1 refuses a memory limit above memory + swap even for a moment, and a
// quota above the parent's. The default is that of a new group: nothing limited.
struct CurrentLimits {
  LimitValue memory;          // v1: memory.limit_in_bytes
  LimitValue memory_and_swap; // v1: memory.memsw.limit_in_bytes
  CpuMax cpu;
};

struct PlanOptions {
  CurrentLimits current;
  WeightFormula weight_formula = WeightFormula::linear;
};

// invalid_argument for values that no kernel takes (a key of `unified` with a slash, an empty CPU list on v1, a page
// size that is none).
Result<WritePlan> plan_writes(const ControllerLayout& layout, const Knobs& knobs, const PlanOptions& options = {});
Result<WritePlan> plan_writes(Version version, const Knobs& knobs, const PlanOptions& options = {});

// Whether `actual`, read from the write's file, is what the kernel makes of the value: memory is rounded down to pages
// and hugetlb to huge pages, CPU shares are clamped, lists are compared as sets, "-1" reads as a huge number. A
// cpu.weight may be the logarithmic formula's of the same shares: newer runtimes write that one.
bool matches(const Write& write, std::string_view actual);

} // namespace keelson::cgroups
