// A pod's sandbox and containers as CRI messages. Pure, but for the node's resolv.conf, which the caller reads.
#pragma once

#include "api/pod.hpp"
#include "daemon/pods/pod_runtime.hpp"
#include "qos/values.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace keelson::daemon {

struct SandboxInput {
  const api::Pod& pod;
  std::uint32_t attempt = 0;
  std::string node_name;
  std::string manifest_hash;
  std::string log_dir;       // of this pod
  std::string cgroup_parent; // empty: the runtime's choice
  std::string resolv_conf;   // the node's, as text
  WallTime seen_at{};
};
Result<::runtime::v1::PodSandboxConfig> sandbox_config(const SandboxInput& input);

// The host name of the pod: spec.hostname, else its name cut to 63 characters.
std::string pod_hostname(const api::Pod& pod);

// A volume that is ready to be mounted.
struct PreparedMount {
  std::string host_path;
  std::string container_path;
  bool read_only = false;
  api::RecursiveReadOnly recursive = api::RecursiveReadOnly::unset;
  api::MountPropagation propagation = api::MountPropagation::unset;
};

struct ContainerInput {
  const api::Pod& pod; // its status has the addresses, for field references
  const api::Container& container;
  ContainerKind kind = ContainerKind::regular;
  std::uint32_t attempt = 0;
  std::chrono::seconds back_off{0};
  ImageFacts image;
  std::vector<PreparedMount> mounts;
  std::string termination_file;
  qos::CriResources resources;
  bool seccomp_default = false;
  std::vector<std::pair<std::string, std::string>> environment; // resolved
};
// An error is kubelet's CreateContainerConfigError.
Result<::runtime::v1::ContainerConfig> container_config(const ContainerInput& input);

} // namespace keelson::daemon
