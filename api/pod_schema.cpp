#include "api/schemas.hpp"

namespace keelson::api {

const Schema& schema_of(Type<PodDnsOption>) {
  static const Field kFields[] = {
      field<&PodDnsOption::name>("name"),
      field<&PodDnsOption::value>("value"),
  };
  static const Schema kSchema = make_schema<PodDnsOption>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<PodDnsConfig>) {
  static const Field kFields[] = {
      field<&PodDnsConfig::nameservers>("nameservers"),
      field<&PodDnsConfig::searches>("searches"),
      field<&PodDnsConfig::options>("options"),
  };
  static const Schema kSchema = make_schema<PodDnsConfig>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<HostAlias>) {
  static const Field kFields[] = {
      field<&HostAlias::ip>("ip", Presence::always),
      field<&HostAlias::hostnames>("hostnames"),
  };
  static const Schema kSchema = make_schema<HostAlias>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<Toleration>) {
  static const Field kFields[] = {
      field<&Toleration::key>("key"),
      field<&Toleration::operator_>("operator"),
      field<&Toleration::value>("value"),
      field<&Toleration::effect>("effect"),
      field<&Toleration::toleration_seconds>("tolerationSeconds"),
  };
  static const Schema kSchema = make_schema<Toleration>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<PodSpec>) {
  static const Field kFields[] = {
      field<&PodSpec::volumes>("volumes"),
      field<&PodSpec::init_containers>("initContainers"),
      field<&PodSpec::containers>("containers", Presence::always),
      field<&PodSpec::ephemeral_containers>("ephemeralContainers"),
      field<&PodSpec::restart_policy>("restartPolicy"),
      field<&PodSpec::termination_grace_period_seconds>("terminationGracePeriodSeconds"),
      field<&PodSpec::active_deadline_seconds>("activeDeadlineSeconds"),
      field<&PodSpec::dns_policy>("dnsPolicy"),
      field<&PodSpec::dns_config>("dnsConfig"),
      field<&PodSpec::node_selector>("nodeSelector"),
      field<&PodSpec::service_account_name>("serviceAccountName"),
      field<&PodSpec::automount_service_account_token>("automountServiceAccountToken"),
      field<&PodSpec::node_name>("nodeName"),
      field<&PodSpec::host_network>("hostNetwork"),
      field<&PodSpec::host_pid>("hostPID"),
      field<&PodSpec::host_ipc>("hostIPC"),
      field<&PodSpec::host_users>("hostUsers"),
      field<&PodSpec::share_process_namespace>("shareProcessNamespace"),
      field<&PodSpec::set_hostname_as_fqdn>("setHostnameAsFQDN"),
      field<&PodSpec::security_context>("securityContext"),
      field<&PodSpec::image_pull_secrets>("imagePullSecrets"),
      field<&PodSpec::hostname>("hostname"),
      field<&PodSpec::subdomain>("subdomain"),
      field<&PodSpec::scheduler_name>("schedulerName"),
      field<&PodSpec::tolerations>("tolerations"),
      field<&PodSpec::host_aliases>("hostAliases"),
      field<&PodSpec::priority_class_name>("priorityClassName"),
      field<&PodSpec::priority>("priority"),
      field<&PodSpec::runtime_class_name>("runtimeClassName"),
      field<&PodSpec::enable_service_links>("enableServiceLinks"),
      field<&PodSpec::overhead>("overhead"),
      field<&PodSpec::resources>("resources"),
  };
  static constexpr std::string_view kKept[] = {"affinity",         "hostnameOverride", "os",
                                               "preemptionPolicy", "readinessGates",   "resourceClaims",
                                               "schedulingGates",  "serviceAccount",   "topologySpreadConstraints",
                                               "workloadRef"};
  static const Schema kSchema = make_schema<PodSpec>(kFields, kKept);
  return kSchema;
}

const Schema& schema_of(Type<Pod>) {
  static const Field kFields[] = {
      field<&Pod::metadata>("metadata"),
      field<&Pod::spec>("spec"),
      field<&Pod::status>("status"),
  };
  static constexpr std::string_view kKept[] = {"apiVersion", "kind"};
  static const Schema kSchema = make_schema<Pod>(kFields, kKept);
  return kSchema;
}

} // namespace keelson::api
