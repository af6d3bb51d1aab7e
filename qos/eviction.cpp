#include "qos/eviction.hpp"

#include "api/defaults.hpp"
#include "api/pod_resources.hpp"

#include <algorithm>
#include <tuple>

namespace keelson::qos {

namespace {

int rank(QosClass qos_class) {
  return qos_class == QosClass::guaranteed ? 2 : qos_class == QosClass::burstable ? 1 : 0;
}

} // namespace

EvictionCandidate eviction_candidate(const api::Pod& pod, Bytes usage) {
  constexpr std::int32_t kSystemCritical = 2'000'000'000;
  EvictionCandidate candidate;
  candidate.uid = pod.metadata.uid;
  candidate.qos_class = class_of(pod);
  candidate.priority = pod.spec.priority.value_or(0);
  candidate.critical = api::is_static(pod) || candidate.priority >= kSystemCritical;
  candidate.usage = usage;
  candidate.request = api::amount_of(api::pod_requests(pod), "memory").bytes();
  return candidate;
}

bool evict_before(const EvictionCandidate& a, const EvictionCandidate& b) {
  const auto key = [](const EvictionCandidate& c) {
    const std::int64_t excess = c.usage.value - c.request.value; // both are amounts of memory: no overflow
    return std::tuple(excess <= 0, c.priority, -excess, rank(c.qos_class), std::string_view(c.uid));
  };
  return key(a) < key(b);
}

std::vector<EvictionCandidate> eviction_order(std::vector<EvictionCandidate> candidates) {
  std::erase_if(candidates, [](const EvictionCandidate& candidate) { return candidate.critical; });
  std::sort(candidates.begin(), candidates.end(), evict_before);
  return candidates;
}

} // namespace keelson::qos
