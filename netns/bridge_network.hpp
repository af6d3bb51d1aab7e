// The built-in pod network: one bridge per node, a veth pair per pod, IPv4 and IPv6, host ports, masquerade.
//
//   pod eth0 (10.88.0.5/32, fd00:88::5/128) --veth-- kv<hash> -- bridge (10.88.0.1/16, fd00:88::1/64) -- node's routes
//
// Pods hold host routes only, so that packets between two pods of a node pass the node's IP layer: a service or host
// port address that leads back into the bridge is translated back on the way home, which plain bridging needs
// br_netfilter for. "The node" is the network namespace of the thread that calls open().
//
// On disk, below Config::state_dir (survives restarts of the daemon):
//   ipam/<network>/<ip>          the sandbox that holds the address
//   attachments/<sandbox id>     addresses, interface and host ports, JSON
#pragma once

#include "netns/iptables.hpp"
#include "netns/pod_network.hpp"

#include <memory>
#include <string>
#include <vector>

namespace keelson::netns {

struct BridgeConfig {
  std::string bridge = "keelson0";
  std::string network = "bridge"; // the name of the IPAM directory
  std::string state_dir;          // <root>/node
  unsigned mtu = 0;               // 0: that of the default route's link when open() is called; 1500 without one
  std::vector<IpPrefix> ranges;   // several of a family: the next is used when the first is full. Order of families =
                                  // order of pod addresses
  bool masquerade = true; // traffic from pods to anything but the ranges and the list below gets the node's address
  std::vector<IpPrefix> no_masquerade; // pod ranges of other nodes, for example
  bool host_ports = true;
  // 127.0.0.1:<host port> on the node leads to the pod, as with CNI's portmap. Needs route_localnet on the bridge
  // (never on "all"), which is set with the first host port and only after a rule that drops what pods send to
  // 127.0.0.0/8 (CVE-2020-8558). IPv6 has no such setting: [::1] never works.
  bool localhost_host_ports = true;
  IptablesConfig iptables; // used if masquerade or host_ports
};

// Holds one netlink socket and the lock of the host-port rules. Needs root. attach() makes no process unless host ports
// are asked for.
class BridgeNetwork final : public PodNetwork {
 public:
  // Creates or adopts the bridge, its addresses, forwarding and the fixed rules. failed_precondition if iptables is
  // needed and missing, already_exists if a link of that name is no bridge, invalid_argument for ranges that do not
  // work.
  static Result<std::unique_ptr<BridgeNetwork>> open(const BridgeConfig& config);
  ~BridgeNetwork() override;

  Result<PodAddresses> attach(const AttachRequest& request) override;
  Result<> detach(const DetachRequest& request) override;
  Result<PodAddresses> check(const std::string& sandbox_id, const std::string& netns_path) override;
  NetworkStatus status() override;
  Result<> reconcile(const std::vector<std::string>& live_sandbox_ids) override;

  // Removes the bridge and every rule and chain of ours; for a node that goes away for good. Addresses stay reserved.
  Result<> remove();

 private:
  struct State;
  explicit BridgeNetwork(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// The name of the node's end of a sandbox's veth pair: "kv" and 13 characters of a hash.
std::string host_interface_name(std::string_view sandbox_id);

} // namespace keelson::netns
