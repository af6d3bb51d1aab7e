// The tier tree as a drawing, and what in it differs. Pure; input is the daemon's report (qos::TierTree::to_json).
#pragma once

#include "base/json.hpp"
#include "daemon/ctl/table.hpp"

#include <string>

namespace keelson::daemon::ctl {

// The groups of a report that lie on the way to a pod's group, that group, and what is below it. The pod is
// "namespace/name", a name, or a uid. Empty: all of them.
json::array groups_of_pod(const json::array& groups, const std::string& pod);

std::string tier_tree_text(const json::array& groups, const TableOptions& options);

// One row per difference: a group that is missing, a value that is not the intended one.
Table tier_differences(const json::array& groups);
json::array tier_differences_json(const json::array& groups);

// "268435456 (256MiB)" for the values of memory files; others as they are.
std::string explained_value(const std::string& file, const std::string& value);

} // namespace keelson::daemon::ctl
