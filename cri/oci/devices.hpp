// Host devices for containers: looked up here (the shell), put into the spec by spec_builder (pure).
#pragma once

#include "base/error.hpp"

#include <sys/types.h>

#include <string>
#include <vector>

namespace runtime::v1 {
class ContainerConfig;
} // namespace runtime::v1

namespace keelson::cri {

struct HostDevice {
  std::string container_path; // "/dev/fuse"
  char type = 'c';            // 'c' or 'b'
  unsigned major = 0;
  unsigned minor = 0;
  mode_t mode = 0; // permission bits
  uid_t uid = 0;
  gid_t gid = 0;
  std::string permissions = "rwm"; // of r, w, m; for the device cgroup
};

// The devices that the config names (a directory means every device below it), or every device of the host's /dev if
// the container is privileged. not_found and invalid_argument name the path. Blocks on the file system.
Result<std::vector<HostDevice>> resolve_devices(const runtime::v1::ContainerConfig& config);

} // namespace keelson::cri
