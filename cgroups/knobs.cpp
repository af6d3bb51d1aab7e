#include "cgroups/knobs.hpp"

namespace keelson::cgroups {

std::string_view to_string(Knob knob) {
  switch (knob) {
  case Knob::cpu_shares:
    return "cpu_shares";
  case Knob::cpu_quota:
    return "cpu_quota";
  case Knob::cpu_period:
    return "cpu_period";
  case Knob::memory_limit:
    return "memory_limit";
  case Knob::swap_limit:
    return "swap_limit";
  case Knob::memory_min:
    return "memory_min";
  case Knob::memory_low:
    return "memory_low";
  case Knob::memory_high:
    return "memory_high";
  case Knob::memory_oom_group:
    return "memory_oom_group";
  case Knob::pids_max:
    return "pids_max";
  case Knob::cpuset_cpus:
    return "cpuset_cpus";
  case Knob::cpuset_mems:
    return "cpuset_mems";
  case Knob::io_weight:
    return "io_weight";
  case Knob::io_limits:
    return "io_limits";
  case Knob::hugetlb_limits:
    return "hugetlb_limits";
  case Knob::unified:
    return "unified";
  }
  return "unknown";
}

} // namespace keelson::cgroups
