// Host side of CRI mounts, before the spec is built: symlinks resolved, absent directories made, propagation checked.
#pragma once

#include "base/error.hpp"

#include <string>
#include <vector>

namespace runtime::v1 {
class ContainerConfig;
} // namespace runtime::v1

namespace keelson::cri {

struct MountPeer {
  std::string mount_point;
  bool shared = false; // has a peer group: mounts in it propagate
  bool slave = false;
};
// The line of /proc/self/mountinfo (proc(5)) whose mount holds the path.
Result<MountPeer> mount_holding(std::string_view mountinfo, const std::string& path);

// One source for each of config.mounts(), in order. image_paths: where image volumes are mounted on the host, by index
// of the mount; the image's sub path is resolved inside it. An absent host path becomes a directory, as in containerd.
// Mounts with propagation need a source on a shared mount: failed_precondition says how to make it so.
Result<std::vector<std::string>> resolve_mount_sources(const runtime::v1::ContainerConfig& config,
                                                       const std::vector<std::string>& image_paths = {});

} // namespace keelson::cri
