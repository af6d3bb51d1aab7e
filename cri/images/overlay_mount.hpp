// Mounting overlayfs with any number of layers.
#pragma once

#include "base/error.hpp"

#include <string>
#include <vector>

namespace keelson::cri {

struct OverlaySpec {
  std::vector<std::string> lower; // directories, the lowest layer last, as overlayfs counts; at least one
  std::string upper;              // empty: read-only, without a writable layer
  std::string work;
  bool volatile_upper = false;
};

// Mounts at an existing directory. With the descriptor based calls of Linux 6.13 (or names, from 6.8 on) each layer is
// given on its own; before, and with `legacy`, all layers go through /proc/self/fd in one mount(2) option string, which
// holds about 200 of them whatever their paths are. Needs root. A read-only mount of a single layer is a bind mount:
// overlayfs wants two.
Result<> mount_overlay(const OverlaySpec& spec, const std::string& target, bool legacy = false);

// Succeeds if nothing is mounted there. What is busy is detached, so that it goes when its last user does.
Result<> unmount_path(const std::string& target);

} // namespace keelson::cri
