// The infra process: PID 1 of a PID namespace that a pod's containers share. It reaps what they orphan, ignores every
// signal from inside, has no capability, no user of the host's, an empty read-only root, and a program that is a sealed
// file in memory, so that nothing of the host is in reach of it.
#pragma once

#include "base/error.hpp"

#include <sys/types.h>

#include <string>

namespace keelson::cri::monitor {

inline constexpr const char* kInfraName = "keelson-infra"; // argv[0]

// Starts it from the monitor's own program and returns its pid once it is confined. mount_point: any directory that
// exists.
Result<pid_t> start_infra(const std::string& mount_point);

// main() of the infra process.
int run_infra(const char* mount_point);

} // namespace keelson::cri::monitor
