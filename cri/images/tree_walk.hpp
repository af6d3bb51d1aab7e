// Sizes and copies of directory trees that containers can write to.
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"

#include <cstdint>

namespace keelson::cri {

struct TreeUsage {
  std::uint64_t bytes = 0; // allocated blocks, a file with several names once per name
  std::uint64_t inodes = 0;
};

// Any depth with two descriptors at a time; what is moved about during the walk may be counted twice or not at all.
// Blocks for about a microsecond per file.
Result<TreeUsage> measure_tree(int directory);

// Copies what is in `source` into the empty directory `target`: files, directories, links, fifos and devices with
// owner, mode, times and xattrs. Opens nothing that is not a plain file or directory, follows no link.
// resource_exhausted beyond max_bytes or 256 levels.
Result<> copy_tree(int source, int target, std::uint64_t max_bytes);

} // namespace keelson::cri
