// The mounts of a container in their order. Pure; internal to cri/oci/.
#pragma once

#include "cri/oci/spec_builder.hpp"

namespace keelson::cri {

struct OciMount {
  std::string destination;
  std::string type;
  std::string source;
  std::vector<std::string> options;
};

struct MountPlan {
  std::vector<OciMount> mounts;
  std::string rootfs_propagation; // empty: the runtime's default
};

// The default set without what the config mounts itself, then generated files and CRI mounts, parents before children.
Result<MountPlan> plan_mounts(const SpecInput& input);

} // namespace keelson::cri
