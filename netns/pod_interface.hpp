// The pod's end of its veth pair, from inside its network namespace.
#pragma once

#include "base/error.hpp"
#include "netns/ip_address.hpp"

#include <string>
#include <vector>

namespace keelson::netns {

struct PodInterface {
  std::string name;
  std::vector<IpAddress> ips;
  std::vector<IpAddress> gateways; // one for each address
};

// Gives the interface its addresses as host routes, brings it up and adds the default routes. On a thread of its own.
Result<> configure_pod_interface(int net_namespace_fd, const PodInterface& interface);

// failed_precondition says what is missing: the interface, its being up, or an address. Returns the MAC address.
Result<std::string> check_pod_interface(int net_namespace_fd, const PodInterface& interface);

} // namespace keelson::netns
