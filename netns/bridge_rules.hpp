// The iptables-restore text of the built-in network. Pure: from values to text.
//
//   nat     PREROUTING, OUTPUT --dst-type LOCAL--> <P>-HOSTPORTS     one DNAT per host port
//           POSTROUTING --> <P>-POSTROUTING                         pod to itself through a host port; localhost; then
//                           <P>-MASQUERADE                          from a pod range: return if to pods, else
//                           masquerade
//   filter  FORWARD (last) --> <P>-FORWARD                          lets pod traffic pass a policy of DROP
//   mangle  PREROUTING --> <P>-GUARD                                drops what pods send to 127.0.0.0/8
//
// With --noflush a chain that is declared is emptied, so each text sets its chains to exactly what it says; chains and
// rules of others are not touched.
#pragma once

#include "netns/ip_address.hpp"
#include "netns/pod_network.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace keelson::netns {

struct RuleOptions {
  std::string prefix = "KEELSON"; // of chain names
  std::string bridge;
  std::vector<IpPrefix> ranges;
  std::vector<IpPrefix> no_masquerade;
  bool masquerade = true;
  bool host_ports = true;
  bool localhost_host_ports = true;
};

// The host ports of one pod.
struct PodHostPorts {
  std::string owner; // "namespace/name", for the comments
  std::vector<IpAddress> ips;
  std::vector<PortMapping> ports;
};

// A rule of a built-in chain that leads to one of ours.
struct Jump {
  std::string table;
  std::string chain;
  std::string rule;   // "-j KEELSON-FORWARD"
  bool first = false; // inserted before the others' rules instead of after them
};
std::vector<Jump> bridge_jumps(const RuleOptions& options, Family family);

// All chains of ours with their rules, host ports included. No jumps.
std::string format_chains(const RuleOptions& options, Family family, const std::vector<PodHostPorts>& pods);

// Only the chains that host ports change.
std::string format_host_port_chains(const RuleOptions& options, Family family, const std::vector<PodHostPorts>& pods);

// Moves the jumps to their places: deletes and adds each. Fails as a whole if one is not there yet.
std::string format_jump_replacement(const std::vector<Jump>& jumps);
std::string format_jump(const Jump& jump, bool remove);

// Deletes our chains; the jumps must be gone.
std::string format_removal(const RuleOptions& options, Family family);

// Whether the two mappings want the same port of the node.
bool conflict(const PortMapping& a, const PortMapping& b);

} // namespace keelson::netns
