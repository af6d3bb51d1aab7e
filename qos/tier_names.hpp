// Names of the groups of pods. Pure.
//
//   <parent>                          Guaranteed pods, and the tiers
//   <parent>/pod<uid>                 a Guaranteed pod
//   <parent>/burstable/pod<uid>
//   <parent>/besteffort/pod<uid>
//   .../pod<uid>/<container id>       made by the OCI runtime
#pragma once

#include "cgroups/group_name.hpp"
#include "qos/qos_class.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace keelson::qos {

// parent: "kubepods", or deeper. A Guaranteed pod's tier is the parent itself.
Result<cgroups::GroupName> tier_name(const cgroups::GroupName& parent, QosClass qos_class);
Result<cgroups::GroupName> pod_name(const cgroups::GroupName& parent, QosClass qos_class, std::string_view uid);

// The uid of a directory's name "pod<uid>"; empty if it is none.
std::optional<std::string> uid_of_group(std::string_view name);

} // namespace keelson::qos
