// Published defaults of core/v1 (https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/), and
// those that a node gives to its static pods. Pure; applying them twice changes nothing.
#pragma once

#include "api/pod.hpp"

namespace keelson::api {

void apply_defaults(Pod& pod);

// Always for the tag latest or none, IfNotPresent for another tag or a digest.
PullPolicy default_pull_policy(std::string_view image);

// Annotations that mark a static pod.
inline constexpr const char* kConfigHashAnnotation = "kubernetes.io/config.hash";
inline constexpr const char* kConfigSourceAnnotation = "kubernetes.io/config.source";
inline constexpr const char* kConfigSeenAnnotation = "kubernetes.io/config.seen";
inline constexpr const char* kConfigMirrorAnnotation = "kubernetes.io/config.mirror";

// What the kubelet does to a pod of its manifest directory: a uid from the manifest, node and path (unless it has one),
// "-<node>" after its name, namespace "default", the node's name, a toleration of every NoExecute taint, and the
// annotations config.hash and config.source. Call before apply_defaults().
void apply_static_pod_identity(Pod& pod, std::string_view node_name, std::string_view manifest_path);

bool is_static(const Pod& pod);        // from a source other than the API server, or its mirror
bool is_node_critical(const Pod& pod); // static or of system-critical priority, with class system-node-critical

} // namespace keelson::api
