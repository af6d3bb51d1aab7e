// A container of a pod, as in the Kubernetes core/v1 API. An enumeration starts with `unset`: the field was not given
// and no default has been applied.
#pragma once

#include "api/meta.hpp"
#include "api/quantity.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace keelson::api {

enum class PullPolicy { unset, always, if_not_present, never };
enum class Protocol { unset, tcp, udp, sctp };
enum class UriScheme { unset, http, https };
enum class MountPropagation { unset, none, host_to_container, bidirectional };
enum class RecursiveReadOnly { unset, disabled, if_possible, enabled };
enum class TerminationMessagePolicy { unset, file, fallback_to_logs_on_error };
enum class ContainerRestartPolicy { unset, always, on_failure, never };
enum class ProfileType { unset, runtime_default, localhost, unconfined };
enum class ProcMount { unset, default_, unmasked };

struct ObjectFieldSelector {
  std::string api_version;
  std::string field_path;
  Extra extra;
  bool operator==(const ObjectFieldSelector&) const = default;
};

struct ResourceFieldSelector {
  std::string container_name;
  std::string resource;
  std::optional<Quantity> divisor;
  Extra extra;
  bool operator==(const ResourceFieldSelector&) const = default;
};

// A key of a ConfigMap or of a Secret.
struct KeySelector {
  std::string name;
  std::string key;
  std::optional<bool> optional;
  Extra extra;
  bool operator==(const KeySelector&) const = default;
};

struct EnvVarSource {
  std::optional<ObjectFieldSelector> field_ref;
  std::optional<ResourceFieldSelector> resource_field_ref;
  std::optional<KeySelector> config_map_key_ref;
  std::optional<KeySelector> secret_key_ref;
  Extra extra;
  bool operator==(const EnvVarSource&) const = default;
};

struct EnvVar {
  std::string name;
  std::string value;
  std::optional<EnvVarSource> value_from;
  Extra extra;
  bool operator==(const EnvVar&) const = default;
};

// A whole ConfigMap or Secret.
struct EnvSourceObject {
  std::string name;
  std::optional<bool> optional;
  Extra extra;
  bool operator==(const EnvSourceObject&) const = default;
};

struct EnvFromSource {
  std::string prefix;
  std::optional<EnvSourceObject> config_map_ref;
  std::optional<EnvSourceObject> secret_ref;
  Extra extra;
  bool operator==(const EnvFromSource&) const = default;
};

struct ContainerPort {
  std::string name;
  std::int32_t host_port = 0; // 0: none
  std::int32_t container_port = 0;
  Protocol protocol = Protocol::unset;
  std::string host_ip;
  Extra extra;
  bool operator==(const ContainerPort&) const = default;
};

struct ResourceClaim {
  std::string name;
  std::string request;
  Extra extra;
  bool operator==(const ResourceClaim&) const = default;
};

struct ResourceRequirements {
  ResourceList limits;
  ResourceList requests;
  std::vector<ResourceClaim> claims;
  Extra extra;
  bool operator==(const ResourceRequirements&) const = default;
};

struct VolumeMount {
  std::string name;
  std::string mount_path;
  bool read_only = false;
  RecursiveReadOnly recursive_read_only = RecursiveReadOnly::unset;
  std::string sub_path;
  std::string sub_path_expr;
  MountPropagation mount_propagation = MountPropagation::unset;
  Extra extra;
  bool operator==(const VolumeMount&) const = default;
};

struct VolumeDevice {
  std::string name;
  std::string device_path;
  Extra extra;
  bool operator==(const VolumeDevice&) const = default;
};

struct ExecAction {
  std::vector<std::string> command;
  Extra extra;
  bool operator==(const ExecAction&) const = default;
};

struct HttpHeader {
  std::string name;
  std::string value;
  Extra extra;
  bool operator==(const HttpHeader&) const = default;
};

struct HttpGetAction {
  std::string path;
  IntOrString port;
  std::string host; // empty: the pod's address
  UriScheme scheme = UriScheme::unset;
  std::vector<HttpHeader> http_headers;
  Extra extra;
  bool operator==(const HttpGetAction&) const = default;
};

struct TcpSocketAction {
  IntOrString port;
  std::string host;
  Extra extra;
  bool operator==(const TcpSocketAction&) const = default;
};

struct GrpcAction {
  std::int32_t port = 0;
  std::string service;
  Extra extra;
  bool operator==(const GrpcAction&) const = default;
};

// Zero in a number means: not given; apply_defaults() fills it in.
struct Probe {
  std::optional<ExecAction> exec;
  std::optional<HttpGetAction> http_get;
  std::optional<TcpSocketAction> tcp_socket;
  std::optional<GrpcAction> grpc;
  std::int32_t initial_delay_seconds = 0;
  std::int32_t timeout_seconds = 0;
  std::int32_t period_seconds = 0;
  std::int32_t success_threshold = 0;
  std::int32_t failure_threshold = 0;
  std::optional<std::int64_t> termination_grace_period_seconds;
  Extra extra;
  bool operator==(const Probe&) const = default;
};

struct SleepAction {
  std::int64_t seconds = 0;
  Extra extra;
  bool operator==(const SleepAction&) const = default;
};

struct LifecycleHandler {
  std::optional<ExecAction> exec;
  std::optional<HttpGetAction> http_get;
  std::optional<TcpSocketAction> tcp_socket; // accepted and ignored, as in Kubernetes
  std::optional<SleepAction> sleep;
  Extra extra;
  bool operator==(const LifecycleHandler&) const = default;
};

struct Lifecycle {
  std::optional<LifecycleHandler> post_start;
  std::optional<LifecycleHandler> pre_stop;
  std::string stop_signal; // SIGUSR1; empty: the image's
  Extra extra;
  bool operator==(const Lifecycle&) const = default;
};

struct Capabilities {
  std::vector<std::string> add;
  std::vector<std::string> drop;
  Extra extra;
  bool operator==(const Capabilities&) const = default;
};

struct SeLinuxOptions {
  std::string user;
  std::string role;
  std::string type;
  std::string level;
  Extra extra;
  bool operator==(const SeLinuxOptions&) const = default;
};

// A seccomp or AppArmor profile.
struct SecurityProfile {
  ProfileType type = ProfileType::unset;
  std::optional<std::string> localhost_profile;
  Extra extra;
  bool operator==(const SecurityProfile&) const = default;
};

struct SecurityContext {
  std::optional<Capabilities> capabilities;
  std::optional<bool> privileged;
  std::optional<SeLinuxOptions> se_linux_options;
  std::optional<std::int64_t> run_as_user;
  std::optional<std::int64_t> run_as_group;
  std::optional<bool> run_as_non_root;
  std::optional<bool> read_only_root_filesystem;
  std::optional<bool> allow_privilege_escalation;
  ProcMount proc_mount = ProcMount::unset;
  std::optional<SecurityProfile> seccomp_profile;
  std::optional<SecurityProfile> app_armor_profile;
  Extra extra;
  bool operator==(const SecurityContext&) const = default;
};

// Also a sidecar (an init container whose restart policy is always, KEP-753) and an ephemeral container.
struct Container {
  std::string name;
  std::string image;
  std::vector<std::string> command;
  std::vector<std::string> args;
  std::string working_dir;
  std::vector<ContainerPort> ports;
  std::vector<EnvFromSource> env_from;
  std::vector<EnvVar> env;
  ResourceRequirements resources;
  ContainerRestartPolicy restart_policy = ContainerRestartPolicy::unset;
  std::vector<VolumeMount> volume_mounts;
  std::vector<VolumeDevice> volume_devices;
  std::optional<Probe> liveness_probe;
  std::optional<Probe> readiness_probe;
  std::optional<Probe> startup_probe;
  std::optional<Lifecycle> lifecycle;
  std::string termination_message_path;
  TerminationMessagePolicy termination_message_policy = TerminationMessagePolicy::unset;
  PullPolicy image_pull_policy = PullPolicy::unset;
  std::optional<SecurityContext> security_context;
  bool stdin_ = false;
  bool stdin_once = false;
  bool tty = false;
  std::string target_container_name; // of ephemeral containers only
  Extra extra;
  bool operator==(const Container&) const = default;
};

// True for an init container that runs beside the pod's containers.
inline bool is_sidecar(const Container& init_container) {
  return init_container.restart_policy == ContainerRestartPolicy::always;
}

} // namespace keelson::api
