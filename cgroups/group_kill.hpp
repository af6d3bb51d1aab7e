// The ways to kill a group, for kernels without cgroup.kill. Internal to the library; Group::kill_all chooses.
#pragma once

#include "base/time.hpp"
#include "cgroups/group.hpp"

namespace keelson::cgroups {

// Rounds of freeze, SIGKILL by pidfd, thaw, until the group is empty.
Result<> kill_by_rounds(const Group& group, Deadline deadline);

} // namespace keelson::cgroups
