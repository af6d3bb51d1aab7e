// What a pod needs as a whole: the sums of the scheduler and of the pod's cgroup. Pure.
//
// Containers and sidecars add up; an init container counts with the sidecars that start before it; the larger of the
// two is what the pod needs
// (https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#resource-sharing-within-containers, KEP-753).
// Values of spec.resources replace sums (KEP-2837); overhead is added (KEP-688), to limits only where there are any.
#pragma once

#include "api/pod.hpp"

namespace keelson::api {

enum class Overhead { included, excluded };

ResourceList pod_requests(const Pod& pod, Overhead overhead = Overhead::included);
ResourceList pod_limits(const Pod& pod, Overhead overhead = Overhead::included);

// The sums without spec.resources and overhead.
ResourceList sum_of_container_requests(const Pod& pod);
ResourceList sum_of_container_limits(const Pod& pod);

bool is_pod_level_resource(std::string_view resource); // cpu, memory, hugepages-*

} // namespace keelson::api
