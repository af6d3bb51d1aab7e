// The observed state of a pod: Kubernetes core/v1 PodStatus.
#pragma once

#include "api/container.hpp"

namespace keelson::api {

enum class PodPhase { unset, pending, running, succeeded, failed, unknown };
enum class ConditionStatus { unset, true_, false_, unknown };
enum class QosClass { unset, guaranteed, burstable, best_effort };

struct PodCondition {
  std::string type; // PodScheduled, PodReadyToStartContainers, Initialized, ContainersReady, Ready
  ConditionStatus status = ConditionStatus::unset;
  std::optional<std::int64_t> observed_generation;
  std::optional<Time> last_probe_time;
  std::optional<Time> last_transition_time;
  std::string reason;
  std::string message;
  Extra extra;
  bool operator==(const PodCondition&) const = default;
};

struct ContainerStateWaiting {
  std::string reason;
  std::string message;
  Extra extra;
  bool operator==(const ContainerStateWaiting&) const = default;
};

struct ContainerStateRunning {
  std::optional<Time> started_at;
  Extra extra;
  bool operator==(const ContainerStateRunning&) const = default;
};

struct ContainerStateTerminated {
  std::int32_t exit_code = 0;
  std::int32_t signal = 0;
  std::string reason;
  std::string message;
  std::optional<Time> started_at;
  std::optional<Time> finished_at;
  std::string container_id;
  Extra extra;
  bool operator==(const ContainerStateTerminated&) const = default;
};

// At most one is set; none means waiting.
struct ContainerState {
  std::optional<ContainerStateWaiting> waiting;
  std::optional<ContainerStateRunning> running;
  std::optional<ContainerStateTerminated> terminated;
  Extra extra;
  bool operator==(const ContainerState&) const = default;
};

struct ContainerStatus {
  std::string name;
  ContainerState state;
  ContainerState last_state;
  bool ready = false;
  std::int32_t restart_count = 0;
  std::string image;
  std::string image_id;
  std::string container_id; // "keelson://<id>"
  std::optional<bool> started;
  ResourceList allocated_resources;
  std::optional<ResourceRequirements> resources;
  Extra extra;
  bool operator==(const ContainerStatus&) const = default;
};

struct IpAddress {
  std::string ip;
  Extra extra;
  bool operator==(const IpAddress&) const = default;
};

struct PodStatus {
  std::optional<std::int64_t> observed_generation;
  PodPhase phase = PodPhase::unset;
  std::vector<PodCondition> conditions;
  std::string message;
  std::string reason;
  std::string nominated_node_name;
  std::string host_ip;
  std::vector<IpAddress> host_ips;
  std::string pod_ip;
  std::vector<IpAddress> pod_ips;
  std::optional<Time> start_time;
  std::vector<ContainerStatus> init_container_statuses;
  std::vector<ContainerStatus> container_statuses;
  std::vector<ContainerStatus> ephemeral_container_statuses;
  QosClass qos_class = QosClass::unset;
  Extra extra;
  bool operator==(const PodStatus&) const = default;
};

} // namespace keelson::api
