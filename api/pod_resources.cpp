#include "api/pod_resources.hpp"

namespace keelson::api {

namespace {

using Amounts = ResourceList ResourceRequirements::*;

void add(ResourceList& sum, const ResourceList& more) {
  for (const auto& [name, quantity] : more) sum[name] += quantity;
}

void raise_to(ResourceList& list, const ResourceList& other) {
  for (const auto& [name, quantity] : other) {
    const auto [entry, inserted] = list.emplace(name, quantity);
    if (!inserted && entry->second < quantity) entry->second = quantity;
  }
}

ResourceList sum_of(const Pod& pod, Amounts amounts) {
  ResourceList running;
  for (const Container& container : pod.spec.containers) add(running, container.resources.*amounts);
  ResourceList starting; // the most that any moment of the initialization needs
  ResourceList sidecars; // those started so far
  for (const Container& container : pod.spec.init_containers) {
    const ResourceList& own = container.resources.*amounts;
    if (is_sidecar(container)) {
      add(running, own);
      add(sidecars, own);
      raise_to(starting, sidecars);
    } else {
      ResourceList moment = own;
      add(moment, sidecars);
      raise_to(starting, moment);
    }
  }
  raise_to(running, starting);
  return running;
}

void replace_by_pod_level(ResourceList& list, const Pod& pod, Amounts amounts) {
  if (!pod.spec.resources) return;
  for (const auto& [name, quantity] : *pod.spec.resources.*amounts) {
    if (is_pod_level_resource(name)) list[name] = quantity;
  }
}

} // namespace

bool is_pod_level_resource(std::string_view resource) {
  return resource == "cpu" || resource == "memory" || resource.starts_with("hugepages-");
}

ResourceList sum_of_container_requests(const Pod& pod) {
  return sum_of(pod, &ResourceRequirements::requests);
}

ResourceList sum_of_container_limits(const Pod& pod) {
  return sum_of(pod, &ResourceRequirements::limits);
}

ResourceList pod_requests(const Pod& pod, Overhead overhead) {
  ResourceList list = sum_of_container_requests(pod);
  replace_by_pod_level(list, pod, &ResourceRequirements::requests);
  if (overhead == Overhead::included) add(list, pod.spec.overhead);
  return list;
}

ResourceList pod_limits(const Pod& pod, Overhead overhead) {
  ResourceList list = sum_of_container_limits(pod);
  replace_by_pod_level(list, pod, &ResourceRequirements::limits);
  if (overhead == Overhead::excluded) return list;
  for (const auto& [name, quantity] : pod.spec.overhead) {
    const auto found = list.find(name);
    if (found != list.end() && !found->second.is_zero()) found->second += quantity;
  }
  return list;
}

} // namespace keelson::api
