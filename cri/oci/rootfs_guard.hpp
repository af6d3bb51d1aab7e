// A look at a mounted root file system before an external runtime gets it. Images are hostile, and runc before 1.3.6
// can be led by symlinks in them (CVE-2025-31133, CVE-2025-52881, CVE-2026-41579): what it cannot handle is refused
// here, and every mount point is made beforehand under openat2(RESOLVE_IN_ROOT), so that the runtime has nothing to
// create.
#pragma once

#include "cri/oci/spec_builder.hpp"

#include <string>
#include <vector>

namespace keelson::cri {

struct RootfsPlan {
  std::vector<MountTarget> mounts;      // BuiltSpec::mounts
  std::vector<std::string> volume_dirs; // the image's volumes: made as directories of the writable layer
  std::string cwd;
  bool privileged = false;
};

RootfsPlan rootfs_plan(const BuiltSpec& spec, const ImageConfig& image, bool privileged);

// rootfs_fd: the writable merged directory, before the runtime mounts anything. failed_precondition names path and
// reason when the image makes /dev, /proc, /sys or a mount point lead elsewhere, or the working directory lead into
// /proc. What it creates stays in the container's own layer. Blocks on the file system; needs root.
Result<> prepare_rootfs(int rootfs_fd, const RootfsPlan& plan);

} // namespace keelson::cri
