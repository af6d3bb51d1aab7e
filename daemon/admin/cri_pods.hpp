// Pods that others made over CRI, as v1 Pod objects, so that one table shows every pod of the node. Pure.
#pragma once

#include "base/json.hpp"

namespace keelson::daemon {

// `sandboxes` and `containers` as admin_objects.hpp lists them, `own` the agent's v1 Pods. One pod for each sandbox
// whose uid none of `own` has; of several sandboxes with one uid, the newest. They carry the annotation
// keelson.dev/source: cri.
json::array pods_of_others(const json::array& sandboxes, const json::array& containers, const json::array& own);

} // namespace keelson::daemon
