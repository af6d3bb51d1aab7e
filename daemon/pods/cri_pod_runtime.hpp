// The container runtime as the pod agent sees it: cri::Runtime, called in this process.
#pragma once

#include "daemon/pods/pod_runtime.hpp"

#include <memory>

namespace keelson::cri {
class Runtime;
} // namespace keelson::cri

namespace keelson::daemon {

// The runtime must outlive it. Owns the thread that waits for container events.
std::unique_ptr<PodRuntime> make_pod_runtime(cri::Runtime& runtime);

} // namespace keelson::daemon
