// Linux capabilities by name, and the sets that a container gets from what CRI asks. Pure.
#pragma once

#include "cri/oci/process_spec.hpp"

#include <optional>
#include <string_view>

namespace keelson::cri {

// "CAP_CHOWN", "chown" and "Chown" are 0; nothing if the kernel headers of this build know no such capability.
std::optional<unsigned> capability_number(std::string_view name);
std::string capability_name(unsigned number); // "CAP_CHOWN"
std::vector<std::string> capability_names(std::uint64_t mask);

std::uint64_t default_capabilities(); // what containerd grants when nothing is asked

struct CapabilityRequest {
  std::vector<std::string> add; // names with or without CAP_, or ALL
  std::vector<std::string> drop;
  std::vector<std::string> ambient;
  bool privileged = false;
};

struct CapabilityGrant {
  CapabilitySets sets;
  std::vector<std::string> missing; // asked for, but this node's own bounding set lacks them
};

// ALL first, then single names; drop wins over add, and "drop ALL, add X" leaves X. Ambient ones must be permitted, and
// only they are inheritable (CVE-2022-24769). invalid_argument names an unknown capability.
Result<CapabilityGrant> grant_capabilities(const CapabilityRequest& request, std::uint64_t node_bounding);

} // namespace keelson::cri
