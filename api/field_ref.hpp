// Downward API: values of fields of a pod as text. Pure.
// https://kubernetes.io/docs/concepts/workloads/pods/downward-api/
#pragma once

#include "api/pod.hpp"

#include <string>
#include <string_view>

namespace keelson::api {

// metadata.name, metadata.namespace, metadata.uid, metadata.labels['k'], metadata.annotations['k'], metadata.labels and
// metadata.annotations (volumes), spec.nodeName, spec.serviceAccountName, status.hostIP(s), status.podIP(s).
// invalid_argument for another path. A label that is absent is empty.
Result<std::string> field_value(const Pod& pod, std::string_view field_path);
bool is_supported_env_field(std::string_view field_path);    // allowed in env
bool is_supported_volume_field(std::string_view field_path); // allowed in downwardAPI volumes

// limits.cpu, requests.memory, limits.hugepages-2Mi, ... divided by the divisor and rounded up. A cpu, memory or
// ephemeral-storage limit that is not set is the node's allocatable amount.
Result<std::string> resource_field_value(const Container& container, const ResourceFieldSelector& selector,
                                         const ResourceList& node_allocatable);

const Container* find_container(const Pod& pod, std::string_view name); // init and sidecar containers too

} // namespace keelson::api
