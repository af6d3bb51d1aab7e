#include "base/text.hpp"
#include "cri/proto/runtime_v1.pb.h"
#include "daemon/pods/container_config.hpp"

namespace keelson::daemon {

namespace v1 = ::runtime::v1;

namespace {

constexpr std::size_t kMaxHostname = 63;

v1::Protocol protocol_of(api::Protocol protocol) {
  switch (protocol) {
  case api::Protocol::udp:
    return v1::UDP;
  case api::Protocol::sctp:
    return v1::SCTP;
  case api::Protocol::unset:
  case api::Protocol::tcp:
    break;
  }
  return v1::TCP;
}

void add_ports(const api::Pod& pod, v1::PodSandboxConfig& config) {
  if (pod.spec.host_network) return;
  for (const auto* containers : {&pod.spec.init_containers, &pod.spec.containers}) {
    for (const api::Container& container : *containers) {
      if (containers == &pod.spec.init_containers && !api::is_sidecar(container)) continue;
      for (const api::ContainerPort& port : container.ports) {
        if (port.host_port == 0) continue;
        v1::PortMapping& mapping = *config.add_port_mappings();
        mapping.set_protocol(protocol_of(port.protocol));
        mapping.set_container_port(port.container_port);
        mapping.set_host_port(port.host_port);
        mapping.set_host_ip(port.host_ip);
      }
    }
  }
}

// resolv.conf(5): the last "search" counts, "nameserver" and "options" add up.
void read_resolv_conf(std::string_view text, v1::DNSConfig& dns) {
  for (const std::string_view line : split(text, '\n')) {
    const auto words = split_words(line);
    if (words.size() < 2) continue;
    const auto rest = [&](auto* list) {
      for (std::size_t i = 1; i < words.size(); ++i) list->Add(std::string(words[i]));
    };
    if (words[0] == "nameserver") {
      dns.add_servers(std::string(words[1]));
    } else if (words[0] == "search" || words[0] == "domain") {
      dns.clear_searches();
      rest(dns.mutable_searches());
    } else if (words[0] == "options") {
      rest(dns.mutable_options());
    }
  }
}

// Without a cluster DNS, ClusterFirst is Default. An empty message means: the node's own file.
void set_dns(const SandboxInput& input, v1::PodSandboxConfig& config) {
  const api::PodSpec& spec = input.pod.spec;
  const bool none = spec.dns_policy == api::DnsPolicy::none;
  if (!none && !spec.dns_config) return;
  v1::DNSConfig& dns = *config.mutable_dns_config();
  if (!none) read_resolv_conf(input.resolv_conf, dns);
  if (!spec.dns_config) return;
  for (const std::string& server : spec.dns_config->nameservers) dns.add_servers(server);
  for (const std::string& search : spec.dns_config->searches) dns.add_searches(search);
  for (const api::PodDnsOption& option : spec.dns_config->options)
    dns.add_options(option.value && !option.value->empty() ? option.name + ":" + *option.value : option.name);
}

void set_security(const api::Pod& pod, v1::LinuxPodSandboxConfig& linux) {
  v1::LinuxSandboxSecurityContext& security = *linux.mutable_security_context();
  v1::NamespaceOption& namespaces = *security.mutable_namespace_options();
  namespaces.set_network(pod.spec.host_network ? v1::NODE : v1::POD);
  namespaces.set_ipc(pod.spec.host_ipc ? v1::NODE : v1::POD);
  const bool shared = pod.spec.share_process_namespace.value_or(false);
  namespaces.set_pid(pod.spec.host_pid ? v1::NODE : shared ? v1::POD : v1::CONTAINER);
  for (const auto* containers : {&pod.spec.init_containers, &pod.spec.containers})
    for (const api::Container& container : *containers)
      if (container.security_context && container.security_context->privileged.value_or(false))
        security.set_privileged(true);
  if (!pod.spec.security_context) return;
  const api::PodSecurityContext& context = *pod.spec.security_context;
  if (context.run_as_user) security.mutable_run_as_user()->set_value(*context.run_as_user);
  if (context.run_as_group) security.mutable_run_as_group()->set_value(*context.run_as_group);
  if (context.fs_group) security.add_supplemental_groups(*context.fs_group);
  for (const std::int64_t group : context.supplemental_groups) security.add_supplemental_groups(group);
  for (const api::Sysctl& sysctl : context.sysctls) {
    std::string name = sysctl.name;
    for (char& c : name)
      if (c == '/') c = '.';
    (*linux.mutable_sysctls())[name] = sysctl.value;
  }
}

} // namespace

std::string pod_hostname(const api::Pod& pod) {
  std::string name = pod.spec.hostname.empty() ? pod.metadata.name : pod.spec.hostname;
  if (name.size() > kMaxHostname) name.resize(kMaxHostname);
  while (!name.empty() && (name.back() == '-' || name.back() == '.')) name.pop_back();
  return name;
}

Result<v1::PodSandboxConfig> sandbox_config(const SandboxInput& input) {
  const api::ObjectMeta& metadata = input.pod.metadata;
  v1::PodSandboxConfig config;
  config.mutable_metadata()->set_name(metadata.name);
  config.mutable_metadata()->set_namespace_(metadata.namespace_);
  config.mutable_metadata()->set_uid(metadata.uid);
  config.mutable_metadata()->set_attempt(input.attempt);
  config.set_hostname(input.pod.spec.host_network ? "" : pod_hostname(input.pod));
  config.set_log_directory(input.log_dir);
  set_dns(input, config);
  add_ports(input.pod, config);
  auto& labels = *config.mutable_labels();
  for (const auto& [key, value] : metadata.labels) labels[key] = value;
  labels[keys::kPodName] = metadata.name;
  labels[keys::kPodNamespace] = metadata.namespace_;
  labels[keys::kPodUid] = metadata.uid;
  auto& annotations = *config.mutable_annotations();
  for (const auto& [key, value] : metadata.annotations) annotations[key] = value;
  annotations["kubernetes.io/config.seen"] = format_rfc3339_nano(input.seen_at);
  annotations[keys::kAgent] = input.node_name;
  annotations[keys::kSeenAt] = std::to_string(unix_nanos(input.seen_at));
  annotations[keys::kManifestHash] = input.manifest_hash;
  config.mutable_linux()->set_cgroup_parent(input.cgroup_parent);
  set_security(input.pod, *config.mutable_linux());
  return config;
}

} // namespace keelson::daemon
