// The rules of the built-in network as they are in the kernel: who has which host port, and the text that says so.
#pragma once

#include "netns/bridge_rules.hpp"
#include "netns/iptables.hpp"

#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace keelson::netns {

// Thread-safe: one transaction at a time. Every change writes the host-port chains whole, so that they never hold what
// this table does not: rules that a daemon before us left behind vanish with the first one.
class BridgeRuleTable {
 public:
  BridgeRuleTable(RuleOptions options, IptablesConfig iptables)
      : options_(std::move(options))
      , iptables_(std::move(iptables)) {}

  // Whether the programs that the rules need are there.
  Result<> probe() const;

  // Writes all chains and jumps for these pods: after a start, in one transaction per table, without a gap for pods
  // that run on.
  Result<> install(std::map<std::string, PodHostPorts> with_ports);

  // Takes the ports for the sandbox; already_exists names the pod that has one. Not in the kernel before apply().
  Result<> claim(const std::string& sandbox_id, const PodHostPorts& pod);
  Result<> apply(const std::string& sandbox_id, Deadline deadline);

  // Removes the sandbox' rules, and its UDP flows. Succeeds if it has none. After an error the ports stay taken.
  Result<> release(const std::string& sandbox_id, Deadline deadline);

  Result<> remove_all();

 private:
  struct Entry {
    PodHostPorts pod;
    bool written = false; // its rules may be in the kernel
  };

  std::vector<Family> families() const;
  std::vector<PodHostPorts> pods() const;
  bool wanted() const { return options_.masquerade || options_.host_ports; }
  Result<> install_jumps(Family family);
  Result<> write_host_ports(Deadline deadline);
  Result<> open_localhost();
  void forget_flows_to_node(const PodHostPorts& pod, Deadline deadline) const;
  void forget_flows_to_pod(const PodHostPorts& pod, Deadline deadline) const;

  const RuleOptions options_;
  const Iptables iptables_;
  std::mutex mutex_; // guards pods_, localhost_open_ and the order of transactions
  std::map<std::string, Entry> pods_;
  bool localhost_open_ = false;
};

} // namespace keelson::netns
