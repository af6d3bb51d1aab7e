#include "api/schemas.hpp"

namespace keelson::api {

const Schema& schema_of(Type<PodCondition>) {
  static const Field kFields[] = {
      field<&PodCondition::type>("type", Presence::always),
      field<&PodCondition::status>("status", Presence::always),
      field<&PodCondition::observed_generation>("observedGeneration"),
      field<&PodCondition::last_probe_time>("lastProbeTime"),
      field<&PodCondition::last_transition_time>("lastTransitionTime"),
      field<&PodCondition::reason>("reason"),
      field<&PodCondition::message>("message"),
  };
  static const Schema kSchema = make_schema<PodCondition>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<ContainerStateWaiting>) {
  static const Field kFields[] = {
      field<&ContainerStateWaiting::reason>("reason"),
      field<&ContainerStateWaiting::message>("message"),
  };
  static const Schema kSchema = make_schema<ContainerStateWaiting>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<ContainerStateRunning>) {
  static const Field kFields[] = {
      field<&ContainerStateRunning::started_at>("startedAt"),
  };
  static const Schema kSchema = make_schema<ContainerStateRunning>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<ContainerStateTerminated>) {
  static const Field kFields[] = {
      field<&ContainerStateTerminated::exit_code>("exitCode", Presence::always),
      field<&ContainerStateTerminated::signal>("signal"),
      field<&ContainerStateTerminated::reason>("reason"),
      field<&ContainerStateTerminated::message>("message"),
      field<&ContainerStateTerminated::started_at>("startedAt"),
      field<&ContainerStateTerminated::finished_at>("finishedAt"),
      field<&ContainerStateTerminated::container_id>("containerID"),
  };
  static const Schema kSchema = make_schema<ContainerStateTerminated>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<ContainerState>) {
  static const Field kFields[] = {
      field<&ContainerState::waiting>("waiting"),
      field<&ContainerState::running>("running"),
      field<&ContainerState::terminated>("terminated"),
  };
  static const Schema kSchema = make_schema<ContainerState>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<ContainerStatus>) {
  static const Field kFields[] = {
      field<&ContainerStatus::name>("name", Presence::always),
      field<&ContainerStatus::state>("state"),
      field<&ContainerStatus::last_state>("lastState"),
      field<&ContainerStatus::ready>("ready", Presence::always),
      field<&ContainerStatus::restart_count>("restartCount", Presence::always),
      field<&ContainerStatus::image>("image", Presence::always),
      field<&ContainerStatus::image_id>("imageID", Presence::always),
      field<&ContainerStatus::container_id>("containerID"),
      field<&ContainerStatus::started>("started"),
      field<&ContainerStatus::allocated_resources>("allocatedResources"),
      field<&ContainerStatus::resources>("resources"),
  };
  static constexpr std::string_view kKept[] = {"volumeMounts", "user", "allocatedResourcesStatus", "stopSignal"};
  static const Schema kSchema = make_schema<ContainerStatus>(kFields, kKept);
  return kSchema;
}

const Schema& schema_of(Type<IpAddress>) {
  static const Field kFields[] = {
      field<&IpAddress::ip>("ip", Presence::always),
  };
  static const Schema kSchema = make_schema<IpAddress>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<PodStatus>) {
  static const Field kFields[] = {
      field<&PodStatus::observed_generation>("observedGeneration"),
      field<&PodStatus::phase>("phase"),
      field<&PodStatus::conditions>("conditions"),
      field<&PodStatus::message>("message"),
      field<&PodStatus::reason>("reason"),
      field<&PodStatus::nominated_node_name>("nominatedNodeName"),
      field<&PodStatus::host_ip>("hostIP"),
      field<&PodStatus::host_ips>("hostIPs"),
      field<&PodStatus::pod_ip>("podIP"),
      field<&PodStatus::pod_ips>("podIPs"),
      field<&PodStatus::start_time>("startTime"),
      field<&PodStatus::init_container_statuses>("initContainerStatuses"),
      field<&PodStatus::container_statuses>("containerStatuses"),
      field<&PodStatus::ephemeral_container_statuses>("ephemeralContainerStatuses"),
      field<&PodStatus::qos_class>("qosClass"),
  };
  static constexpr std::string_view kKept[] = {"resize", "resourceClaimStatuses", "extendedResourceClaimStatus",
                                               "allocatedResources", "resources"};
  static const Schema kSchema = make_schema<PodStatus>(kFields, kKept);
  return kSchema;
}

} // namespace keelson::api
