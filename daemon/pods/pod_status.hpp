// The status of a pod as a kubelet would publish it: a pure function of manifest, records and plan. Rules:
// https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
#pragma once

#include "api/pod.hpp"
#include "daemon/pods/pod_plan.hpp"
#include "daemon/pods/pod_runtime.hpp"

#include <map>
#include <string>
#include <vector>

namespace keelson::daemon {

// What probes say of a running instance.
struct ProbedState {
  bool started = false;
  bool ready = false;
};

struct StatusInput {
  const api::Pod& pod;
  const PodRecord& record;
  const Plan& plan;
  std::map<std::string, ProbedState> probed;       // by container id
  std::map<std::string, std::string> end_messages; // termination messages, by container id
  std::vector<std::string> host_addresses;
  WallTime now{};
  WallTime seen_at{};
};

// Conditions that did not change keep the time of `previous`.
api::PodStatus pod_status(const StatusInput& input, const api::PodStatus& previous);

} // namespace keelson::daemon
