// Users and groups of a mounted root file system. Its files are hostile: they are reached without leaving the root,
// must be regular files, and are read up to 10 MiB (CVE-2026-47262).
#pragma once

#include "cri/oci/container_user.hpp"

namespace keelson::cri {

// Blocks on the file system. Reads only the files that the request needs. failed_precondition if one is no regular
// file, resource_exhausted if it is too long.
Result<ResolvedUser> resolve_user(int rootfs_fd, const UserRequest& request);

} // namespace keelson::cri
