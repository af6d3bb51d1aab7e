#include "api/defaults.hpp"
#include "qos/qos_class.hpp"
#include "qos/values.hpp"

#include <algorithm>
#include <limits>

namespace keelson::qos {

namespace {

constexpr int kGuaranteed = -997;
constexpr int kBestEffort = 1000;
constexpr std::int64_t kLowestBurstable = 1000 + kGuaranteed; // above any Guaranteed container
constexpr std::int64_t kHighestBurstable = kBestEffort - 1;

std::int64_t memory_request(const api::Container& container) {
  return std::max<std::int64_t>(api::amount_of(container.resources.requests, "memory").value(), 0);
}

// 1000 - 1000 * request / capacity, without overflow.
std::int64_t score_of(std::int64_t request, Bytes node_memory) {
  if (node_memory.value <= 0) return kBestEffort;
  __extension__ typedef __int128 Wide;
  const Wide share = Wide{1000} * request / node_memory.value;
  return static_cast<std::int64_t>(std::max<Wide>(1000 - share, 0));
}

// What a pod-level request leaves above its containers' requests is divided among all of them.
std::int64_t unassigned_share(const api::Pod& pod) {
  if (!pod.spec.resources || !pod.spec.resources->requests.contains("memory")) return 0;
  std::int64_t left = api::amount_of(pod.spec.resources->requests, "memory").value();
  std::int64_t count = 0;
  const auto take = [&](const api::Container& container) {
    left -= std::min(left, memory_request(container));
    ++count;
  };
  for (const api::Container& container : pod.spec.containers) take(container);
  for (const api::Container& container : pod.spec.init_containers) {
    if (api::is_sidecar(container)) take(container); // others are over when the pod runs
  }
  return count == 0 ? 0 : std::max<std::int64_t>(left, 0) / count;
}

std::int64_t smallest_regular_request(const api::Pod& pod) {
  if (pod.spec.containers.empty()) return 0;
  std::int64_t smallest = std::numeric_limits<std::int64_t>::max();
  for (const api::Container& container : pod.spec.containers) smallest = std::min(smallest, memory_request(container));
  return smallest;
}

bool is_sidecar_of(const api::Pod& pod, const api::Container& container) {
  return std::any_of(pod.spec.init_containers.begin(), pod.spec.init_containers.end(),
                     [&](const auto& init) { return init.name == container.name && api::is_sidecar(init); });
}

OomScore burstable_score(const api::Pod& pod, const api::Container& container, Bytes node_memory) {
  const std::int64_t share = unassigned_share(pod);
  const std::int64_t request = memory_request(container);
  std::int64_t score = score_of(request + share, node_memory);
  std::string source =
      fmt::format("memory request {} of container {}, node has {}", request + share, container.name, node_memory.value);
  if (is_sidecar_of(pod, container)) { // never before the containers that it serves (KEP-753)
    const std::int64_t other = score_of(smallest_regular_request(pod) + share, node_memory);
    if (other < score) {
      score = other;
      source = "sidecar: as the container with the smallest memory request";
    }
  }
  return {static_cast<int>(std::clamp(score, kLowestBurstable, kHighestBurstable)), std::move(source)};
}

} // namespace

OomScore oom_score(const api::Pod& pod, const api::Container& container, Bytes node_memory) {
  if (api::is_node_critical(pod)) return {kGuaranteed, "spec.priorityClassName"};
  switch (class_of(pod)) {
  case QosClass::guaranteed:
    return {kGuaranteed, "class Guaranteed"};
  case QosClass::burstable:
    return burstable_score(pod, container, node_memory);
  case QosClass::best_effort:
  case QosClass::unset:
    break;
  }
  return {kBestEffort, "class BestEffort"};
}

} // namespace keelson::qos
