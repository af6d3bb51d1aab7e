#include "api/schemas.hpp"

namespace keelson::api {

const Schema& schema_of(Type<ObjectFieldSelector>) {
  static const Field kFields[] = {
      field<&ObjectFieldSelector::api_version>("apiVersion"),
      field<&ObjectFieldSelector::field_path>("fieldPath", Presence::always),
  };
  static const Schema kSchema = make_schema<ObjectFieldSelector>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<ResourceFieldSelector>) {
  static const Field kFields[] = {
      field<&ResourceFieldSelector::container_name>("containerName"),
      field<&ResourceFieldSelector::resource>("resource", Presence::always),
      field<&ResourceFieldSelector::divisor>("divisor"),
  };
  static const Schema kSchema = make_schema<ResourceFieldSelector>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<KeySelector>) {
  static const Field kFields[] = {
      field<&KeySelector::name>("name"),
      field<&KeySelector::key>("key", Presence::always),
      field<&KeySelector::optional>("optional"),
  };
  static const Schema kSchema = make_schema<KeySelector>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<EnvVarSource>) {
  static const Field kFields[] = {
      field<&EnvVarSource::field_ref>("fieldRef"),
      field<&EnvVarSource::resource_field_ref>("resourceFieldRef"),
      field<&EnvVarSource::config_map_key_ref>("configMapKeyRef"),
      field<&EnvVarSource::secret_key_ref>("secretKeyRef"),
  };
  static constexpr std::string_view kKept[] = {"fileKeyRef"};
  static const Schema kSchema = make_schema<EnvVarSource>(kFields, kKept);
  return kSchema;
}

const Schema& schema_of(Type<EnvVar>) {
  static const Field kFields[] = {
      field<&EnvVar::name>("name", Presence::always),
      field<&EnvVar::value>("value"),
      field<&EnvVar::value_from>("valueFrom"),
  };
  static const Schema kSchema = make_schema<EnvVar>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<EnvSourceObject>) {
  static const Field kFields[] = {
      field<&EnvSourceObject::name>("name"),
      field<&EnvSourceObject::optional>("optional"),
  };
  static const Schema kSchema = make_schema<EnvSourceObject>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<EnvFromSource>) {
  static const Field kFields[] = {
      field<&EnvFromSource::prefix>("prefix"),
      field<&EnvFromSource::config_map_ref>("configMapRef"),
      field<&EnvFromSource::secret_ref>("secretRef"),
  };
  static const Schema kSchema = make_schema<EnvFromSource>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<ContainerPort>) {
  static const Field kFields[] = {
      field<&ContainerPort::name>("name"),
      field<&ContainerPort::host_port>("hostPort"),
      field<&ContainerPort::container_port>("containerPort", Presence::always),
      field<&ContainerPort::protocol>("protocol"),
      field<&ContainerPort::host_ip>("hostIP"),
  };
  static const Schema kSchema = make_schema<ContainerPort>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<ResourceClaim>) {
  static const Field kFields[] = {
      field<&ResourceClaim::name>("name", Presence::always),
      field<&ResourceClaim::request>("request"),
  };
  static const Schema kSchema = make_schema<ResourceClaim>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<ResourceRequirements>) {
  static const Field kFields[] = {
      field<&ResourceRequirements::limits>("limits"),
      field<&ResourceRequirements::requests>("requests"),
      field<&ResourceRequirements::claims>("claims"),
  };
  static const Schema kSchema = make_schema<ResourceRequirements>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<VolumeMount>) {
  static const Field kFields[] = {
      field<&VolumeMount::name>("name", Presence::always),
      field<&VolumeMount::read_only>("readOnly"),
      field<&VolumeMount::recursive_read_only>("recursiveReadOnly"),
      field<&VolumeMount::mount_path>("mountPath", Presence::always),
      field<&VolumeMount::sub_path>("subPath"),
      field<&VolumeMount::mount_propagation>("mountPropagation"),
      field<&VolumeMount::sub_path_expr>("subPathExpr"),
  };
  static const Schema kSchema = make_schema<VolumeMount>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<VolumeDevice>) {
  static const Field kFields[] = {
      field<&VolumeDevice::name>("name", Presence::always),
      field<&VolumeDevice::device_path>("devicePath", Presence::always),
  };
  static const Schema kSchema = make_schema<VolumeDevice>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<Container>) {
  static const Field kFields[] = {
      field<&Container::name>("name", Presence::always),
      field<&Container::image>("image"),
      field<&Container::command>("command"),
      field<&Container::args>("args"),
      field<&Container::working_dir>("workingDir"),
      field<&Container::ports>("ports"),
      field<&Container::env_from>("envFrom"),
      field<&Container::env>("env"),
      field<&Container::resources>("resources"),
      field<&Container::restart_policy>("restartPolicy"),
      field<&Container::volume_mounts>("volumeMounts"),
      field<&Container::volume_devices>("volumeDevices"),
      field<&Container::liveness_probe>("livenessProbe"),
      field<&Container::readiness_probe>("readinessProbe"),
      field<&Container::startup_probe>("startupProbe"),
      field<&Container::lifecycle>("lifecycle"),
      field<&Container::termination_message_path>("terminationMessagePath"),
      field<&Container::termination_message_policy>("terminationMessagePolicy"),
      field<&Container::image_pull_policy>("imagePullPolicy"),
      field<&Container::security_context>("securityContext"),
      field<&Container::stdin_>("stdin"),
      field<&Container::stdin_once>("stdinOnce"),
      field<&Container::tty>("tty"),
      field<&Container::target_container_name>("targetContainerName"),
  };
  static constexpr std::string_view kKept[] = {"resizePolicy", "restartPolicyRules"};
  static const Schema kSchema = make_schema<Container>(kFields, kKept);
  return kSchema;
}

} // namespace keelson::api
