// What this node can do, as far as container specs depend on it.
#pragma once

#include "cri/oci/seccomp_profile.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace keelson::cri {

struct NodeFacts {
  bool cgroup_v2 = false;
  bool swap_accounting = true; // memory.memsw or memory.swap.max exist
  bool hugetlb = true;         // the controller is there
  bool seccomp = true;
  bool selinux = false; // on, enforcing or not
  bool apparmor = false;
  bool cap_sys_resource = true;  // else: no lower oom_score_adj than min_oom_score_adj, no higher hard rlimits
  int min_oom_score_adj = -1000; // the least value that may be written
  std::uint64_t bounding = ~std::uint64_t{0}; // capabilities that can be given at all
  KernelVersion kernel;

  struct HardLimit {
    std::string type; // "RLIMIT_NOFILE"
    std::uint64_t hard = 0;
  };
  std::vector<HardLimit> hard_limits; // of the daemon itself
};

// Reads /proc and /sys of this process; cgroup_v2 is the caller's knowledge. Once, at start.
NodeFacts detect_node_facts(bool cgroup_v2);

} // namespace keelson::cri
