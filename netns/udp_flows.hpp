// Forgetting UDP flows of a host port in the kernel's connection table. Translation is decided by a flow's first
// packet: a client that keeps its port would be sent to a pod that is gone, or past a pod that is new, as long as it
// goes on.
#pragma once

#include "base/error.hpp"
#include "base/time.hpp"
#include "netns/pod_network.hpp"

#include <string>
#include <vector>

namespace keelson::netns {

// Arguments of conntrack(8). Pure. Flows that lead through the port to the pod.
std::vector<std::string> flows_to_pod_arguments(const PortMapping& port, const IpAddress& pod);
// Flows to the port at an address of the node, wherever they lead.
std::vector<std::string> flows_to_node_arguments(const PortMapping& port, const IpAddress& node);

// Runs the program; to delete nothing is success.
Result<> delete_flows(const std::string& program, std::vector<std::string> arguments, Deadline deadline);

} // namespace keelson::netns
