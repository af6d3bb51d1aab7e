#include "qos/qos_class.hpp"

#include <fmt/format.h>

#include <array>
#include <vector>

namespace keelson::qos {

namespace {

using api::Quantity;
using api::ResourceList;

constexpr std::array<const char*, 2> kResources = {"cpu", "memory"}; // others do not count

// One thing that can ask for resources: a container, or the pod as a whole.
struct Asker {
  std::string path;  // "spec.containers[0].resources"
  std::string title; // "container web"
  const api::ResourceRequirements* resources;
};

std::vector<Asker> askers_of(const api::Pod& pod) {
  if (pod.spec.resources) return {{"spec.resources", "the pod", &*pod.spec.resources}};
  std::vector<Asker> askers;
  const auto add = [&](const std::vector<api::Container>& containers, std::string_view list, std::string_view kind) {
    for (std::size_t i = 0; i < containers.size(); ++i) {
      askers.push_back({fmt::format("spec.{}[{}].resources", list, i), fmt::format("{} {}", kind, containers[i].name),
                        &containers[i].resources});
    }
  };
  add(pod.spec.containers, "containers", "container");
  add(pod.spec.init_containers, "initContainers", "init container");
  return askers;
}

bool is_set(const ResourceList& list, const char* resource) {
  return api::amount_of(list, resource).sign() > 0;
}

// The first amount that anybody asks for; none means BestEffort.
std::string first_field(const std::vector<Asker>& askers) {
  for (const Asker& asker : askers) {
    for (const char* resource : kResources) {
      if (is_set(asker.resources->requests, resource)) return fmt::format("{}.requests.{}", asker.path, resource);
      if (is_set(asker.resources->limits, resource)) return fmt::format("{}.limits.{}", asker.path, resource);
    }
  }
  return {};
}

// The sums decide: requests equal limits, both for cpu and memory.
ClassDecision compare_sums(const std::vector<Asker>& askers) {
  for (const char* resource : kResources) {
    Quantity requests;
    Quantity limits;
    for (const Asker& asker : askers) {
      const Quantity request = api::amount_of(asker.resources->requests, resource);
      if (request.sign() > 0) requests += request;
      limits += api::amount_of(asker.resources->limits, resource);
    }
    if (requests == limits) continue;
    for (const Asker& asker : askers) {
      const Quantity request = api::amount_of(asker.resources->requests, resource);
      const Quantity limit = api::amount_of(asker.resources->limits, resource);
      if (request == limit) continue;
      return {QosClass::burstable, fmt::format("{}.requests.{}", asker.path, resource),
              fmt::format("the {} request {} of {} is not its limit {}", resource, request.to_string(), asker.title,
                          limit.to_string())};
    }
  }
  return {QosClass::guaranteed, askers.front().path,
          "every container has cpu and memory limits, and requests equal limits"};
}

} // namespace

ClassDecision classify(const api::Pod& pod) {
  const std::vector<Asker> askers = askers_of(pod);
  const std::string first = first_field(askers);
  if (first.empty()) return {QosClass::best_effort, "", "no container has a cpu or memory request or limit"};
  for (const Asker& asker : askers) {
    for (const char* resource : kResources) {
      if (is_set(asker.resources->limits, resource)) continue;
      return {QosClass::burstable, fmt::format("{}.limits.{}", asker.path, resource),
              fmt::format("{} has no {} limit, but {} is set", asker.title, resource, first)};
    }
  }
  return compare_sums(askers);
}

QosClass class_of(const api::Pod& pod) {
  return classify(pod).qos_class;
}

std::string_view to_string(QosClass qos_class) {
  switch (qos_class) {
  case QosClass::guaranteed:
    return "Guaranteed";
  case QosClass::burstable:
    return "Burstable";
  case QosClass::best_effort:
  case QosClass::unset:
    break;
  }
  return "BestEffort";
}

} // namespace keelson::qos
