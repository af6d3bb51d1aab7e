#include "daemon/pods/container_config.hpp"

#include "api/decode.hpp"
#include "api/environment.hpp"
#include "api/hash.hpp"
#include "cri/proto/runtime_v1.pb.h"

#include <boost/json/serialize.hpp>

#include <array>
#include <cstdlib>

namespace keelson::daemon {

namespace v1 = ::runtime::v1;

namespace {

// What a container that is not privileged does not see, and what it may only read, of /proc and /sys.
constexpr std::array kMaskedPaths = {"/proc/asound",
                                     "/proc/acpi",
                                     "/proc/kcore",
                                     "/proc/keys",
                                     "/proc/latency_stats",
                                     "/proc/timer_list",
                                     "/proc/timer_stats",
                                     "/proc/sched_debug",
                                     "/proc/scsi",
                                     "/sys/firmware",
                                     "/sys/devices/virtual/powercap"};
constexpr std::array kReadOnlyPaths = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};

// The container's word counts before the pod's.
struct Identity {
  std::optional<std::int64_t> user;
  std::optional<std::int64_t> group;
  bool non_root = false;
};

Identity identity_of(const api::Pod& pod, const api::SecurityContext& own) {
  const api::PodSecurityContext shared = pod.spec.security_context.value_or(api::PodSecurityContext{});
  return {own.run_as_user ? own.run_as_user : shared.run_as_user,
          own.run_as_group ? own.run_as_group : shared.run_as_group,
          (own.run_as_non_root ? own.run_as_non_root : shared.run_as_non_root).value_or(false)};
}

Result<> check_non_root(const ContainerInput& input, const Identity& identity) {
  if (!identity.non_root) return {};
  const std::string where = fmt::format("(pod: \"{}_{}({})\", container: {})", input.pod.metadata.name,
                                        input.pod.metadata.namespace_, input.pod.metadata.uid, input.container.name);
  if (identity.user) {
    if (*identity.user == 0)
      return fail(Code::failed_precondition, "container's runAsUser breaks non-root policy {}", where);
    return {};
  }
  if (input.image.uid == std::int64_t{0} || (!input.image.uid && input.image.username.empty()))
    return fail(Code::failed_precondition, "container has runAsNonRoot and image will run as root {}", where);
  if (!input.image.username.empty())
    return fail(Code::failed_precondition,
                "container has runAsNonRoot and image has non-numeric user ({}), cannot verify user is non-root {}",
                input.image.username, where);
  return {};
}

void set_seccomp(const ContainerInput& input, const api::SecurityContext& own, v1::SecurityProfile& out) {
  const auto& shared = input.pod.spec.security_context;
  const api::SecurityProfile* profile = nullptr;
  if (own.seccomp_profile)
    profile = &*own.seccomp_profile;
  else if (shared && shared->seccomp_profile)
    profile = &*shared->seccomp_profile;
  if (profile == nullptr) {
    out.set_profile_type(input.seccomp_default ? v1::SecurityProfile::RuntimeDefault : v1::SecurityProfile::Unconfined);
    return;
  }
  if (profile->type == api::ProfileType::localhost) {
    out.set_profile_type(v1::SecurityProfile::Localhost);
    out.set_localhost_ref(profile->localhost_profile.value_or(""));
  } else {
    out.set_profile_type(profile->type == api::ProfileType::runtime_default ? v1::SecurityProfile::RuntimeDefault
                                                                            : v1::SecurityProfile::Unconfined);
  }
}

void set_groups(const api::Pod& pod, v1::LinuxContainerSecurityContext& out) {
  if (!pod.spec.security_context) return;
  const api::PodSecurityContext& shared = *pod.spec.security_context;
  if (shared.fs_group) out.add_supplemental_groups(*shared.fs_group);
  for (const std::int64_t group : shared.supplemental_groups) out.add_supplemental_groups(group);
  out.set_supplemental_groups_policy(
      shared.supplemental_groups_policy == api::SupplementalGroupsPolicy::strict ? v1::Strict : v1::Merge);
}

Result<> set_security(const ContainerInput& input, v1::LinuxContainerSecurityContext& out) {
  const api::PodSpec& spec = input.pod.spec;
  const api::SecurityContext own = input.container.security_context.value_or(api::SecurityContext{});
  const Identity identity = identity_of(input.pod, own);
  TRY(check_non_root(input, identity));
  if (identity.user) out.mutable_run_as_user()->set_value(*identity.user);
  // CRI wants a user with a group; the image's is used then.
  if (identity.group) out.mutable_run_as_group()->set_value(*identity.group);
  if (!identity.user && identity.group) {
    if (input.image.uid)
      out.mutable_run_as_user()->set_value(*input.image.uid);
    else if (!input.image.username.empty())
      out.set_run_as_username(input.image.username);
    else
      out.mutable_run_as_user()->set_value(0);
  }
  const bool privileged = own.privileged.value_or(false);
  out.set_privileged(privileged);
  out.set_readonly_rootfs(own.read_only_root_filesystem.value_or(false));
  out.set_no_new_privs(!own.allow_privilege_escalation.value_or(true));
  v1::NamespaceOption& namespaces = *out.mutable_namespace_options();
  namespaces.set_network(spec.host_network ? v1::NODE : v1::POD);
  namespaces.set_ipc(spec.host_ipc ? v1::NODE : v1::POD);
  const bool shared_pid = spec.share_process_namespace.value_or(false);
  namespaces.set_pid(spec.host_pid ? v1::NODE : shared_pid ? v1::POD : v1::CONTAINER);
  if (own.capabilities) {
    for (const std::string& name : own.capabilities->add) out.mutable_capabilities()->add_add_capabilities(name);
    for (const std::string& name : own.capabilities->drop) out.mutable_capabilities()->add_drop_capabilities(name);
  }
  set_groups(input.pod, out);
  set_seccomp(input, own, *out.mutable_seccomp());
  if (privileged || own.proc_mount == api::ProcMount::unmasked) return {};
  for (const char* path : kMaskedPaths) out.add_masked_paths(path);
  for (const char* path : kReadOnlyPaths) out.add_readonly_paths(path);
  return {};
}

void set_resources(const qos::CriResources& from, v1::LinuxContainerResources& to) {
  to.set_cpu_period(from.cpu_period);
  to.set_cpu_quota(from.cpu_quota);
  to.set_cpu_shares(from.cpu_shares);
  to.set_memory_limit_in_bytes(from.memory_limit_in_bytes);
  to.set_memory_swap_limit_in_bytes(from.memory_swap_limit_in_bytes);
  to.set_oom_score_adj(from.oom_score_adj);
  for (const auto& [size, limit] : from.hugepage_limits) {
    v1::HugepageLimit& out = *to.add_hugepage_limits();
    out.set_page_size(size);
    out.set_limit(limit);
  }
  for (const auto& [key, value] : from.unified) (*to.mutable_unified())[key] = value;
}

Result<> add_mount(const PreparedMount& from, v1::ContainerConfig& config) {
  v1::Mount& to = *config.add_mounts();
  to.set_container_path(from.container_path);
  to.set_host_path(from.host_path);
  to.set_readonly(from.read_only);
  // IfPossible is left alone: whether the handler can do it is known to the runtime only.
  to.set_recursive_read_only(from.recursive == api::RecursiveReadOnly::enabled);
  switch (from.propagation) {
  case api::MountPropagation::host_to_container:
    to.set_propagation(v1::PROPAGATION_HOST_TO_CONTAINER);
    break;
  case api::MountPropagation::bidirectional:
    to.set_propagation(v1::PROPAGATION_BIDIRECTIONAL);
    break;
  case api::MountPropagation::unset:
  case api::MountPropagation::none:
    to.set_propagation(v1::PROPAGATION_PRIVATE);
    break;
  }
  return {};
}

void set_labels(const ContainerInput& input, v1::ContainerConfig& config) {
  const api::ObjectMeta& metadata = input.pod.metadata;
  auto& labels = *config.mutable_labels();
  labels[keys::kPodName] = metadata.name;
  labels[keys::kPodNamespace] = metadata.namespace_;
  labels[keys::kPodUid] = metadata.uid;
  labels[keys::kContainerName] = input.container.name;
  auto& annotations = *config.mutable_annotations();
  annotations[keys::kContainerHash] = api::hash_of(input.container);
  annotations[keys::kRestartCount] = std::to_string(input.attempt);
  annotations[keys::kMessagePath] = input.container.termination_message_path;
  annotations[keys::kMessagePolicy] =
      input.container.termination_message_policy == api::TerminationMessagePolicy::fallback_to_logs_on_error
          ? "FallbackToLogsOnError"
          : "File";
  annotations[keys::kGracePeriod] = std::to_string(input.pod.spec.termination_grace_period_seconds.value_or(30));
  annotations[keys::kKind] = std::string(to_string(input.kind));
  annotations[keys::kBackOff] = std::to_string(input.back_off.count());
  const json::value encoded = api::encode_container(input.container);
  if (const auto* ports = json::find_array(encoded.as_object(), "ports"))
    annotations[keys::kPorts] = boost::json::serialize(*ports);
  if (const auto* lifecycle = json::find_object(encoded.as_object(), "lifecycle"))
    if (const auto* pre_stop = json::find_object(*lifecycle, "preStop"))
      annotations[keys::kPreStop] = boost::json::serialize(*pre_stop);
}

Result<> set_stop_signal(const api::Container& container, v1::ContainerConfig& config) {
  if (!container.lifecycle || container.lifecycle->stop_signal.empty()) return {};
  // CRI spells SIGRTMIN+3 as SIGNAL_SIGRTMINPLUS3.
  std::string name = "SIGNAL_";
  for (const char c : container.lifecycle->stop_signal) {
    if (c == '+')
      name += "PLUS";
    else if (c == '-')
      name += "MINUS";
    else
      name += c;
  }
  v1::Signal signal = v1::SIGNAL_RUNTIME_DEFAULT;
  if (!v1::Signal_Parse(name, &signal))
    return fail(Code::invalid_argument, "lifecycle.stopSignal: \"{}\" is no signal", container.lifecycle->stop_signal);
  config.set_stop_signal(signal);
  return {};
}

} // namespace

Result<v1::ContainerConfig> container_config(const ContainerInput& input) {
  const api::Container& container = input.container;
  v1::ContainerConfig config;
  config.mutable_metadata()->set_name(container.name);
  config.mutable_metadata()->set_attempt(input.attempt);
  config.mutable_image()->set_image(input.image.id.empty() ? container.image : input.image.id);
  config.mutable_image()->set_user_specified_image(container.image);
  for (std::string& word : api::expand_all(container.command, input.environment)) config.add_command(std::move(word));
  for (std::string& word : api::expand_all(container.args, input.environment)) config.add_args(std::move(word));
  config.set_working_dir(container.working_dir);
  for (const auto& [name, value] : input.environment) {
    v1::KeyValue& variable = *config.add_envs();
    variable.set_key(name);
    variable.set_value(value);
  }
  for (const PreparedMount& mount : input.mounts) TRY(add_mount(mount, config));
  if (!input.termination_file.empty() && !container.termination_message_path.empty())
    TRY(add_mount({input.termination_file, container.termination_message_path}, config));
  set_labels(input, config);
  TRY(set_stop_signal(container, config));
  config.set_log_path(fmt::format("{}/{}.log", container.name, input.attempt));
  config.set_stdin(container.stdin_);
  config.set_stdin_once(container.stdin_once);
  config.set_tty(container.tty);
  set_resources(input.resources, *config.mutable_linux()->mutable_resources());
  TRY(set_security(input, *config.mutable_linux()->mutable_security_context()));
  return config;
}

} // namespace keelson::daemon
