// Removal of trees that hostile programs made.
#pragma once

#include "base/error.hpp"

#include <string>

namespace keelson::cri {

// Removes a file or directory tree of any depth with a bounded number of descriptors: what lies too deep is first
// renamed upwards. Follows no link, crosses no mount point (failed_precondition, with what is below it untouched).
// Succeeds if there is nothing. Blocks.
Result<> remove_deep_tree(int dir, const std::string& name);

} // namespace keelson::cri
