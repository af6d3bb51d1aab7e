// Links, addresses and routes of the network namespace that a RouteSocket belongs to. Each function is one rtnetlink
// request. Errors name the link and carry the kernel's errno; nothing here retries.
#pragma once

#include "netns/interface_stats.hpp"
#include "netns/ip_address.hpp"
#include "netns/route_socket.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace keelson::netns {

using MacAddress = std::array<std::uint8_t, 6>;
std::string to_string(const MacAddress& mac); // 0a:6b:0a:58:00:05

struct Link {
  int index = 0;
  int master = 0; // index of the bridge it is a port of; 0: none
  unsigned mtu = 0;
  bool up = false;
  bool loopback = false;
  bool lower_up = false; // has a carrier
  std::string name;
  std::string kind; // "bridge", "veth"; empty for hardware
  std::string alias;
  MacAddress mac{};
  InterfaceStats stats;
};

// not_found if there is no such link.
Result<Link> find_link(RouteSocket& socket, const std::string& name);
Result<std::vector<Link>> list_links(RouteSocket& socket);

Result<> create_bridge(RouteSocket& socket, const std::string& name, unsigned mtu, const MacAddress& mac);

struct VethSpec {
  std::string name;      // of the end in this namespace
  std::string peer_name; // of the other end
  int peer_namespace = -1;
  MacAddress peer_mac{};
  unsigned mtu = 0;
};
// Both ends are down. already_exists if either name is taken.
Result<> create_veth(RouteSocket& socket, const VethSpec& spec);

// Makes the link a port of the bridge with hairpin on, without an IPv6 address of its own, labels it with the alias,
// and brings it up.
Result<> join_bridge(RouteSocket& socket, const std::string& name, int bridge_index, const std::string& alias);

Result<> set_link_up(RouteSocket& socket, int index);
Result<> set_link_mtu(RouteSocket& socket, int index, unsigned mtu);
Result<> delete_link(RouteSocket& socket, const std::string& name); // succeeds if there is none

// Usable at once: IPv6 duplicate address detection is off for it. Succeeds if the link has it already.
Result<> add_address(RouteSocket& socket, int index, const IpAddress& address, unsigned prefix_length);
Result<std::vector<IpAddress>> list_addresses(RouteSocket& socket, int index);

// A host route to the gateway through the link, and a default route through the gateway.
Result<> add_default_route(RouteSocket& socket, int index, const IpAddress& gateway);

// The link that the main table's default route of the lowest metric leads to; IPv4 comes first. not_found if there is
// none.
Result<Link> find_uplink(RouteSocket& socket);

} // namespace keelson::netns
