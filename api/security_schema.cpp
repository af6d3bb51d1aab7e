#include "api/schemas.hpp"

namespace keelson::api {

const Schema& schema_of(Type<Capabilities>) {
  static const Field kFields[] = {
      field<&Capabilities::add>("add"),
      field<&Capabilities::drop>("drop"),
  };
  static const Schema kSchema = make_schema<Capabilities>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<SeLinuxOptions>) {
  static const Field kFields[] = {
      field<&SeLinuxOptions::user>("user"),
      field<&SeLinuxOptions::role>("role"),
      field<&SeLinuxOptions::type>("type"),
      field<&SeLinuxOptions::level>("level"),
  };
  static const Schema kSchema = make_schema<SeLinuxOptions>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<SecurityProfile>) {
  static const Field kFields[] = {
      field<&SecurityProfile::type>("type", Presence::always),
      field<&SecurityProfile::localhost_profile>("localhostProfile"),
  };
  static const Schema kSchema = make_schema<SecurityProfile>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<SecurityContext>) {
  static const Field kFields[] = {
      field<&SecurityContext::capabilities>("capabilities"),
      field<&SecurityContext::privileged>("privileged"),
      field<&SecurityContext::se_linux_options>("seLinuxOptions"),
      field<&SecurityContext::run_as_user>("runAsUser"),
      field<&SecurityContext::run_as_group>("runAsGroup"),
      field<&SecurityContext::run_as_non_root>("runAsNonRoot"),
      field<&SecurityContext::read_only_root_filesystem>("readOnlyRootFilesystem"),
      field<&SecurityContext::allow_privilege_escalation>("allowPrivilegeEscalation"),
      field<&SecurityContext::proc_mount>("procMount"),
      field<&SecurityContext::seccomp_profile>("seccompProfile"),
      field<&SecurityContext::app_armor_profile>("appArmorProfile"),
  };
  static constexpr std::string_view kKept[] = {"windowsOptions"};
  static const Schema kSchema = make_schema<SecurityContext>(kFields, kKept);
  return kSchema;
}

const Schema& schema_of(Type<Sysctl>) {
  static const Field kFields[] = {
      field<&Sysctl::name>("name", Presence::always),
      field<&Sysctl::value>("value", Presence::always),
  };
  static const Schema kSchema = make_schema<Sysctl>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<PodSecurityContext>) {
  static const Field kFields[] = {
      field<&PodSecurityContext::se_linux_options>("seLinuxOptions"),
      field<&PodSecurityContext::run_as_user>("runAsUser"),
      field<&PodSecurityContext::run_as_group>("runAsGroup"),
      field<&PodSecurityContext::run_as_non_root>("runAsNonRoot"),
      field<&PodSecurityContext::supplemental_groups>("supplementalGroups"),
      field<&PodSecurityContext::supplemental_groups_policy>("supplementalGroupsPolicy"),
      field<&PodSecurityContext::fs_group>("fsGroup"),
      field<&PodSecurityContext::sysctls>("sysctls"),
      field<&PodSecurityContext::fs_group_change_policy>("fsGroupChangePolicy"),
      field<&PodSecurityContext::seccomp_profile>("seccompProfile"),
      field<&PodSecurityContext::app_armor_profile>("appArmorProfile"),
  };
  static constexpr std::string_view kKept[] = {"windowsOptions", "seLinuxChangePolicy"};
  static const Schema kSchema = make_schema<PodSecurityContext>(kFields, kKept);
  return kSchema;
}

} // namespace keelson::api
