// What each group of the tier tree gets, and from which field each value comes. Pure.
//
// Rules: the published behaviour of kubelet's cgroup manager, KEP-2837 (pod-level resources), KEP-753 (sidecars),
// KEP-2570 (memory QoS),
// https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/#node-out-of-memory-behavior.
#pragma once

#include "api/pod.hpp"
#include "base/units.hpp"
#include "cgroups/controller.hpp"
#include "cgroups/knobs.hpp"
#include "cgroups/write_plan.hpp"
#include "qos/cpu_values.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace keelson::qos {

// Knobs with the source of each: the path of a field, or words ("tier besteffort").
struct SourcedKnobs {
  cgroups::Knobs knobs;
  std::map<std::string, std::string> sources; // by knob ("memory_limit"), "hugetlb_limits.2MB", "unified.memory.min"
  std::string source_of(const cgroups::Write& write) const; // empty: unknown
};

struct Node {
  MilliCpu cpu{0};                          // capacity
  Bytes memory{0};                          // capacity
  std::vector<std::string> huge_page_sizes; // "2MB", "1GB": what the kernel offers
};

struct ValueOptions {
  cgroups::Version version = cgroups::Version::v1; // of the memory controller
  bool cpu_quota = true;
  std::chrono::microseconds cpu_period = kCpuPeriod;
  bool swap = false;       // false: containers with a memory limit get no swap
  bool memory_qos = false; // memory.min and memory.high, v2 only
  double memory_throttling = 0.9;
  bool oom_kills_group = true; // v2: one OOM kill takes the container's every process
};

SourcedKnobs pod_values(const api::Pod& pod, const Node& node, const ValueOptions& options);

struct OomScore {
  int value = 0; // oom_score_adj, -1000..1000
  std::string source;
};

struct ContainerValues {
  SourcedKnobs knobs;
  OomScore oom;
};

ContainerValues container_values(const api::Pod& pod, const api::Container& container, const Node& node,
                                 const ValueOptions& options);

// The adjustment of the process that holds a pod's namespaces.
inline constexpr int kInfraOomScore = -998;
OomScore oom_score(const api::Pod& pod, const api::Container& container, Bytes node_memory);

// The numbers of CRI's LinuxContainerResources. Zero: not set, as in the protocol.
struct CriResources {
  std::int64_t cpu_period = 0;
  std::int64_t cpu_quota = 0;
  std::int64_t cpu_shares = 0;
  std::int64_t memory_limit_in_bytes = 0;
  std::int64_t memory_swap_limit_in_bytes = 0; // memory and swap together
  std::int64_t oom_score_adj = 0;
  std::map<std::string, std::uint64_t> hugepage_limits; // by page size
  std::map<std::string, std::string> unified;
  bool operator==(const CriResources&) const = default;
};
CriResources cri_resources(const ContainerValues& values);

// The tiers. Shares of the burstable tier are the sum of what its pods ask for.
MilliCpu cpu_request_of(const api::Pod& pod);
SourcedKnobs burstable_tier_values(MilliCpu requested, std::size_t pods);
SourcedKnobs best_effort_tier_values();
SourcedKnobs root_tier_values(const Node& allocatable); // amounts of zero leave the group as it is

} // namespace keelson::qos
