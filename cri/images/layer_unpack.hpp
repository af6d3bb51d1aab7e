// One layer from its blob to a directory that overlayfs can stack.
#pragma once

#include "base/error.hpp"
#include "cri/images/layer_plan.hpp"

#include <cstdint>
#include <set>
#include <stop_token>
#include <string>

namespace keelson::cri {

struct UnpackOptions {
  LayerPlanLimits limits;
  std::uint64_t max_ratio = 1100;
  std::uint64_t blob_size = 0;
  bool lowest = false; // no layer lies below: whiteouts mean nothing
  std::stop_token cancel;
};

struct UnpackedLayer {
  std::string diff_id; // digest of the uncompressed tar; the caller compares it
  std::uint64_t bytes = 0;
  std::uint64_t inodes = 0;
  std::set<std::string> implicit_directories; // "" is the root
};

// Reads the blob from its start into `directory`, which is empty and new. On an error the directory holds a part; the
// caller removes it. Blocks; needs root. Undefined if another program writes in the directory meanwhile, but even then
// nothing outside of it is touched.
Result<UnpackedLayer> unpack_layer(int blob, int directory, const UnpackOptions& options);

// Gives directories that a layer did not name the owner, mode and times that the layers below have for them. `below`
// are directories of unpacked layers, lowest first.
Result<> inherit_directories(int directory, const std::set<std::string>& paths, const std::vector<int>& below);

} // namespace keelson::cri
