#include "api/defaults.hpp"

#include "api/hash.hpp"
#include "api/pod_resources.hpp"

#include <algorithm>

namespace keelson::api {

namespace {

constexpr std::int32_t kSystemCriticalPriority = 2'000'000'000;
constexpr std::int32_t kFileMode = 0644;

template <class T>
void set_if_unset(T& field, T value) {
  if (field == T{}) field = value;
}

template <class T>
void set_if_absent(std::optional<T>& field, T value) {
  if (!field) field = value;
}

void default_http(std::optional<HttpGetAction>& action) {
  if (!action) return;
  set_if_unset(action->path, std::string("/"));
  set_if_unset(action->scheme, UriScheme::http);
}

void default_probe(std::optional<Probe>& probe) {
  if (!probe) return;
  default_http(probe->http_get);
  set_if_unset(probe->timeout_seconds, 1);
  set_if_unset(probe->period_seconds, 10);
  set_if_unset(probe->success_threshold, 1);
  set_if_unset(probe->failure_threshold, 3);
}

void default_lifecycle(std::optional<Lifecycle>& lifecycle) {
  if (!lifecycle) return;
  if (lifecycle->post_start) default_http(lifecycle->post_start->http_get);
  if (lifecycle->pre_stop) default_http(lifecycle->pre_stop->http_get);
}

void default_field(std::optional<ObjectFieldSelector>& selector) {
  if (selector) set_if_unset(selector->api_version, std::string("v1"));
}

void default_resources(ResourceRequirements& resources) {
  for (auto* list : {&resources.limits, &resources.requests}) {
    for (auto& [name, quantity] : *list) quantity = quantity.rounded_to_milli();
  }
  for (const auto& [name, quantity] : resources.limits) resources.requests.emplace(name, quantity);
}

void default_ports(const PodSpec& spec, Container& container) {
  for (ContainerPort& port : container.ports) {
    set_if_unset(port.protocol, Protocol::tcp);
    if (spec.host_network) set_if_unset(port.host_port, port.container_port);
  }
}

void default_container(const PodSpec& spec, Container& container) {
  set_if_unset(container.image_pull_policy, default_pull_policy(container.image));
  set_if_unset(container.termination_message_path, std::string("/dev/termination-log"));
  set_if_unset(container.termination_message_policy, TerminationMessagePolicy::file);
  default_ports(spec, container);
  default_resources(container.resources);
  default_probe(container.liveness_probe);
  default_probe(container.readiness_probe);
  default_probe(container.startup_probe);
  default_lifecycle(container.lifecycle);
  for (EnvVar& variable : container.env) {
    if (variable.value_from) default_field(variable.value_from->field_ref);
  }
  if (container.security_context) set_if_unset(container.security_context->proc_mount, ProcMount::default_);
}

void default_files(std::vector<DownwardApiFile>& files) {
  for (DownwardApiFile& file : files) default_field(file.field_ref);
}

void default_projection(VolumeProjection& projection) {
  constexpr std::int64_t kTokenSeconds = 3600;
  if (projection.downward_api) default_files(projection.downward_api->items);
  if (projection.service_account_token) {
    set_if_absent(projection.service_account_token->expiration_seconds, kTokenSeconds);
  }
}

void default_volume(Volume& volume) {
  if (source_name(volume).empty()) volume.empty_dir.emplace();
  if (volume.config_map) set_if_absent(volume.config_map->default_mode, kFileMode);
  if (volume.secret) set_if_absent(volume.secret->default_mode, kFileMode);
  if (volume.downward_api) {
    set_if_absent(volume.downward_api->default_mode, kFileMode);
    default_files(volume.downward_api->items);
  }
  if (volume.projected) {
    set_if_absent(volume.projected->default_mode, kFileMode);
    for (VolumeProjection& source : volume.projected->sources) default_projection(source);
  }
}

// Requests of the whole pod: what its containers ask for, else its own limits (KEP-2837).
void default_pod_level_requests(Pod& pod) {
  if (!pod.spec.resources) return;
  for (const auto& [name, quantity] : sum_of_container_requests(pod)) {
    if (is_pod_level_resource(name)) pod.spec.resources->requests.emplace(name, quantity);
  }
  default_resources(*pod.spec.resources);
}

} // namespace

PullPolicy default_pull_policy(std::string_view image) {
  if (image.find('@') != std::string_view::npos) return PullPolicy::if_not_present;
  const std::size_t slash = image.rfind('/');
  const std::string_view last = slash == std::string_view::npos ? image : image.substr(slash + 1);
  const std::size_t colon = last.rfind(':');
  const bool latest = colon == std::string_view::npos || last.substr(colon + 1) == "latest";
  return latest ? PullPolicy::always : PullPolicy::if_not_present;
}

void apply_defaults(Pod& pod) {
  PodSpec& spec = pod.spec;
  set_if_unset(pod.metadata.namespace_, std::string("default"));
  set_if_unset(spec.restart_policy, RestartPolicy::always);
  set_if_unset(spec.dns_policy, DnsPolicy::cluster_first);
  set_if_absent(spec.termination_grace_period_seconds, std::int64_t{30});
  set_if_absent(spec.enable_service_links, true);
  set_if_unset(spec.scheduler_name, std::string("default-scheduler"));
  if (!spec.security_context) spec.security_context.emplace();
  for (auto* containers : {&spec.init_containers, &spec.containers, &spec.ephemeral_containers}) {
    for (Container& container : *containers) default_container(spec, container);
  }
  for (Volume& volume : spec.volumes) default_volume(volume);
  for (auto& [name, quantity] : spec.overhead) quantity = quantity.rounded_to_milli();
  default_pod_level_requests(pod);
}

void apply_static_pod_identity(Pod& pod, std::string_view node_name, std::string_view manifest_path) {
  ObjectMeta& metadata = pod.metadata;
  const std::string hash = static_pod_uid(pod, node_name, manifest_path);
  set_if_unset(metadata.uid, hash);
  set_if_unset(metadata.namespace_, std::string("default"));
  metadata.name += "-" + std::string(node_name);
  pod.spec.node_name = node_name;
  metadata.annotations[kConfigHashAnnotation] = hash;
  metadata.annotations[kConfigSourceAnnotation] = "file";
  const bool tolerated = std::any_of(pod.spec.tolerations.begin(), pod.spec.tolerations.end(), [](const auto& t) {
    return t.operator_ == "Exists" && t.key.empty() && (t.effect.empty() || t.effect == "NoExecute");
  });
  if (tolerated) return;
  Toleration toleration;
  toleration.operator_ = "Exists";
  toleration.effect = "NoExecute";
  pod.spec.tolerations.push_back(std::move(toleration));
}

bool is_static(const Pod& pod) {
  const StringMap& annotations = pod.metadata.annotations;
  const auto source = annotations.find(kConfigSourceAnnotation);
  return annotations.contains(kConfigMirrorAnnotation) || (source != annotations.end() && source->second != "api");
}

bool is_node_critical(const Pod& pod) {
  if (pod.spec.priority_class_name != "system-node-critical") return false;
  return is_static(pod) || pod.spec.priority.value_or(0) >= kSystemCriticalPriority;
}

} // namespace keelson::api
