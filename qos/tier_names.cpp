#include "qos/tier_names.hpp"

namespace keelson::qos {

Result<cgroups::GroupName> tier_name(const cgroups::GroupName& parent, QosClass qos_class) {
  switch (qos_class) {
  case QosClass::guaranteed:
    return parent;
  case QosClass::burstable:
    return parent.child("burstable");
  case QosClass::best_effort:
  case QosClass::unset:
    break;
  }
  return parent.child("besteffort");
}

Result<cgroups::GroupName> pod_name(const cgroups::GroupName& parent, QosClass qos_class, std::string_view uid) {
  if (uid.empty()) return fail(Code::invalid_argument, "a pod without uid has no cgroup");
  TRY_ASSIGN(const cgroups::GroupName tier, tier_name(parent, qos_class));
  return tier.child("pod" + std::string(uid));
}

std::optional<std::string> uid_of_group(std::string_view name) {
  if (!name.starts_with("pod") || name.size() == 3) return {};
  return std::string(name.substr(3));
}

} // namespace keelson::qos
