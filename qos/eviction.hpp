// Which pod goes first when memory runs short. Pure.
// Rules:
// https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/#pod-selection-for-kubelet-eviction
#pragma once

#include "base/units.hpp"
#include "qos/qos_class.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace keelson::qos {

struct EvictionCandidate {
  std::string uid;
  QosClass qos_class = QosClass::best_effort;
  std::int32_t priority = 0;
  bool critical = false; // static, mirror or system-critical: never evicted
  Bytes usage{0};        // working set
  Bytes request{0};
};

EvictionCandidate eviction_candidate(const api::Pod& pod, Bytes usage);

// True if a goes before b: pods that use more than they asked for first, then lower priority, then the larger excess;
// ties by class (BestEffort first) and uid. A strict weak order.
bool evict_before(const EvictionCandidate& a, const EvictionCandidate& b);

// Without critical ones, in order.
std::vector<EvictionCandidate> eviction_order(std::vector<EvictionCandidate> candidates);

} // namespace keelson::qos
