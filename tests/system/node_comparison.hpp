// What a node has on the machine, compared with what its lists say.
#pragma once

#include "tests/system/node.hpp"

#include <string>
#include <vector>

namespace keelson::test {

// Differences between ListPodSandbox and ListContainers on one side, and directories, mounts, cgroups, processes,
// links, addresses and host port rules on the other: one line each. Host ports are known by the pod label "host-port".
// Asks again while the daemon still tidies up.
std::vector<std::string> differences(Node& node);

} // namespace keelson::test
