// A pod: Kubernetes core/v1 Pod.
#pragma once

#include "api/meta.hpp"
#include "api/pod_status.hpp"
#include "api/volume.hpp"

namespace keelson::api {

enum class RestartPolicy { unset, always, on_failure, never };
enum class DnsPolicy { unset, cluster_first, cluster_first_with_host_net, default_, none };
enum class FsGroupChangePolicy { unset, always, on_root_mismatch };
enum class SupplementalGroupsPolicy { unset, merge, strict };

struct Sysctl {
  std::string name;
  std::string value;
  Extra extra;
  bool operator==(const Sysctl&) const = default;
};

struct PodSecurityContext {
  std::optional<SeLinuxOptions> se_linux_options;
  std::optional<std::int64_t> run_as_user;
  std::optional<std::int64_t> run_as_group;
  std::optional<bool> run_as_non_root;
  std::vector<std::int64_t> supplemental_groups;
  SupplementalGroupsPolicy supplemental_groups_policy = SupplementalGroupsPolicy::unset;
  std::optional<std::int64_t> fs_group;
  FsGroupChangePolicy fs_group_change_policy = FsGroupChangePolicy::unset;
  std::vector<Sysctl> sysctls;
  std::optional<SecurityProfile> seccomp_profile;
  std::optional<SecurityProfile> app_armor_profile;
  Extra extra;
  bool operator==(const PodSecurityContext&) const = default;
};

struct PodDnsOption {
  std::string name;
  std::optional<std::string> value;
  Extra extra;
  bool operator==(const PodDnsOption&) const = default;
};

struct PodDnsConfig {
  std::vector<std::string> nameservers;
  std::vector<std::string> searches;
  std::vector<PodDnsOption> options;
  Extra extra;
  bool operator==(const PodDnsConfig&) const = default;
};

struct HostAlias {
  std::string ip;
  std::vector<std::string> hostnames;
  Extra extra;
  bool operator==(const HostAlias&) const = default;
};

struct Toleration {
  std::string key;
  std::string operator_; // "Exists", "Equal"
  std::string value;
  std::string effect;
  std::optional<std::int64_t> toleration_seconds;
  Extra extra;
  bool operator==(const Toleration&) const = default;
};

struct PodSpec {
  std::vector<Volume> volumes;
  std::vector<Container> init_containers;
  std::vector<Container> containers;
  std::vector<Container> ephemeral_containers;
  RestartPolicy restart_policy = RestartPolicy::unset;
  std::optional<std::int64_t> termination_grace_period_seconds;
  std::optional<std::int64_t> active_deadline_seconds;
  DnsPolicy dns_policy = DnsPolicy::unset;
  std::optional<PodDnsConfig> dns_config;
  StringMap node_selector;
  std::string service_account_name;
  std::optional<bool> automount_service_account_token;
  std::string node_name;
  bool host_network = false;
  bool host_pid = false;
  bool host_ipc = false;
  std::optional<bool> host_users;
  std::optional<bool> share_process_namespace;
  std::optional<bool> set_hostname_as_fqdn;
  std::optional<PodSecurityContext> security_context;
  std::vector<LocalObjectReference> image_pull_secrets;
  std::string hostname;
  std::string subdomain;
  std::string scheduler_name;
  std::vector<Toleration> tolerations;
  std::vector<HostAlias> host_aliases;
  std::string priority_class_name;
  std::optional<std::int32_t> priority;
  std::string runtime_class_name;
  std::optional<bool> enable_service_links;
  ResourceList overhead;
  std::optional<ResourceRequirements> resources; // of the pod as a whole, KEP-2837
  Extra extra;
  bool operator==(const PodSpec&) const = default;
};

struct Pod {
  ObjectMeta metadata;
  PodSpec spec;
  PodStatus status;
  Extra extra;
  bool operator==(const Pod&) const = default;
};

// "namespace/name", for messages.
inline std::string full_name(const Pod& pod) {
  return (pod.metadata.namespace_.empty() ? "default" : pod.metadata.namespace_) + "/" + pod.metadata.name;
}

} // namespace keelson::api
