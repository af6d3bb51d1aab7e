// The quality-of-service class of a pod, and why it is that one. Pure.
// Rules: https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/; pod-level resources: KEP-2837.
#pragma once

#include "api/pod.hpp"

#include <string>
#include <string_view>

namespace keelson::qos {

using api::QosClass;

struct ClassDecision {
  QosClass qos_class = QosClass::best_effort;
  std::string field;  // what decided: "spec.containers[1].resources.limits.memory"; empty for BestEffort
  std::string reason; // a sentence: "container web has no memory limit"
};

// Every container and init container counts; ephemeral ones cannot ask for resources. Amounts of zero count as absent.
// Expects a pod after api::apply_defaults(), which takes missing requests from limits.
ClassDecision classify(const api::Pod& pod);
QosClass class_of(const api::Pod& pod);

std::string_view to_string(QosClass qos_class); // "Guaranteed"

} // namespace keelson::qos
