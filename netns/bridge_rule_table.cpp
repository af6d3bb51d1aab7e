#include "netns/bridge_rule_table.hpp"

#include "base/log.hpp"
#include "netns/links.hpp"
#include "netns/node_settings.hpp"
#include "netns/udp_flows.hpp"

#include <algorithm>
#include <utility>

namespace keelson::netns {
namespace {

Result<std::vector<IpAddress>> node_addresses() {
  TRY_ASSIGN(RouteSocket socket, RouteSocket::open());
  TRY_ASSIGN(const auto links, list_links(socket));
  std::vector<IpAddress> addresses;
  for (const Link& link : links) {
    TRY_ASSIGN(const auto of_link, list_addresses(socket, link.index));
    addresses.insert(addresses.end(), of_link.begin(), of_link.end());
  }
  return addresses;
}

bool leads_from(const PortMapping& port, const IpAddress& node) {
  if (port.protocol != Protocol::udp || port.host_port == 0) return false;
  if (!port.host_ip) return true;
  return port.host_ip->family() == node.family() && (port.host_ip->is_unspecified() || *port.host_ip == node);
}

} // namespace

std::vector<Family> BridgeRuleTable::families() const {
  std::vector<Family> found;
  for (const IpPrefix& range : options_.ranges)
    if (std::find(found.begin(), found.end(), range.family()) == found.end()) found.push_back(range.family());
  return found;
}

std::vector<PodHostPorts> BridgeRuleTable::pods() const {
  std::vector<PodHostPorts> list;
  list.reserve(pods_.size());
  for (const auto& [id, entry] : pods_) list.push_back(entry.pod);
  return list;
}

Result<> BridgeRuleTable::probe() const {
  if (!wanted()) return {};
  for (const Family family : families()) TRY(iptables_.probe(family));
  return {};
}

// iptables-restore cannot ask whether a rule is there. Replacing is tried first: after a restart it moves all jumps in
// one transaction. It fails as a whole if any is missing; then each is deleted until none is left, and added.
Result<> BridgeRuleTable::install_jumps(Family family) {
  const auto jumps = bridge_jumps(options_, family);
  const Deadline deadline = Deadline::never();
  if (iptables_.restore(family, format_jump_replacement(jumps), deadline)) return {};
  for (const Jump& jump : jumps) {
    while (iptables_.restore(family, format_jump(jump, true), deadline)) {
    }
    TRY(iptables_.restore(family, format_jump(jump, false), deadline));
  }
  return {};
}

Result<> BridgeRuleTable::install(std::map<std::string, PodHostPorts> with_ports) {
  const std::lock_guard lock(mutex_);
  pods_.clear();
  for (auto& [id, pod] : with_ports) pods_[id] = {std::move(pod), true};
  if (!wanted()) return {};
  for (const Family family : families()) {
    TRY_CONTEXT(iptables_.restore(family, format_chains(options_, family, pods()), Deadline::never()),
                "write the node's rules for pods");
    TRY_CONTEXT(install_jumps(family), "write the node's rules for pods");
  }
  return pods_.empty() ? Result<>() : open_localhost();
}

Result<> BridgeRuleTable::claim(const std::string& sandbox_id, const PodHostPorts& pod) {
  if (!options_.host_ports)
    return fail(Code::failed_precondition, "pod {} asks for host ports, which this node's network has turned off",
                pod.owner);
  const std::lock_guard lock(mutex_);
  for (const auto& [id, other] : pods_) {
    if (id == sandbox_id) continue;
    for (const PortMapping& theirs : other.pod.ports)
      for (const PortMapping& ours : pod.ports)
        if (conflict(ours, theirs))
          return fail(Code::already_exists, "pod {}: host port {}/{} is taken by pod {}", pod.owner, ours.host_port,
                      to_string(ours.protocol), other.pod.owner);
  }
  for (std::size_t i = 0; i < pod.ports.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (conflict(pod.ports[i], pod.ports[j]))
        return fail(Code::invalid_argument, "pod {} asks for host port {}/{} twice", pod.owner, pod.ports[i].host_port,
                    to_string(pod.ports[i].protocol));
  pods_[sandbox_id] = {pod, false};
  return {};
}

Result<> BridgeRuleTable::open_localhost() {
  const auto present = families();
  const bool has_v4 = std::find(present.begin(), present.end(), Family::ipv4) != present.end();
  if (!options_.localhost_host_ports || localhost_open_ || !has_v4) return {};
  TRY(allow_localhost_source(options_.bridge));
  localhost_open_ = true;
  return {};
}

Result<> BridgeRuleTable::write_host_ports(Deadline deadline) {
  for (const Family family : families()) {
    auto done = iptables_.restore(family, format_host_port_chains(options_, family, pods()), deadline);
    // A transaction that was refused has changed nothing; after a time-out nobody knows.
    if (done || done.error().code != Code::internal)
      for (auto& [id, entry] : pods_) entry.written = true;
    if (!done) return Fail(std::move(done).error().context("write the host port rules"));
  }
  return {};
}

Result<> BridgeRuleTable::apply(const std::string& sandbox_id, Deadline deadline) {
  PodHostPorts pod;
  {
    const std::lock_guard lock(mutex_);
    const auto found = pods_.find(sandbox_id);
    if (found == pods_.end()) return {};
    pod = found->second.pod;
    TRY(write_host_ports(deadline));
    TRY(open_localhost());
  }
  forget_flows_to_node(pod, deadline);
  return {};
}

Result<> BridgeRuleTable::release(const std::string& sandbox_id, Deadline deadline) {
  PodHostPorts pod;
  {
    const std::lock_guard lock(mutex_);
    auto taken = pods_.extract(sandbox_id);
    if (taken.empty()) return {};
    pod = taken.mapped().pod;
    if (!taken.mapped().written) return {};
    if (auto written = write_host_ports(deadline); !written) {
      pods_.insert(std::move(taken));
      return written;
    }
  }
  forget_flows_to_pod(pod, deadline);
  return {};
}

void BridgeRuleTable::forget_flows_to_pod(const PodHostPorts& pod, Deadline deadline) const {
  for (const PortMapping& port : pod.ports)
    for (const IpAddress& ip : pod.ips) {
      if (port.protocol != Protocol::udp || (port.host_ip && port.host_ip->family() != ip.family())) continue;
      auto done = delete_flows(iptables_.config().conntrack, flows_to_pod_arguments(port, ip), deadline);
      if (!done)
        log::warning("UDP flows to host port {} of pod {} stay: {}", port.host_port, pod.owner, done.error().message);
    }
}

void BridgeRuleTable::forget_flows_to_node(const PodHostPorts& pod, Deadline deadline) const {
  const auto is_udp = [](const PortMapping& port) { return port.protocol == Protocol::udp; };
  if (std::none_of(pod.ports.begin(), pod.ports.end(), is_udp)) return;
  const auto addresses = node_addresses();
  if (!addresses) return log::warning("UDP flows past pod {} stay: {}", pod.owner, addresses.error().message);
  for (const PortMapping& port : pod.ports)
    for (const IpAddress& node : *addresses) {
      if (!leads_from(port, node)) continue;
      auto done = delete_flows(iptables_.config().conntrack, flows_to_node_arguments(port, node), deadline);
      if (!done) return log::warning("UDP flows past pod {} stay: {}", pod.owner, done.error().message);
    }
}

Result<> BridgeRuleTable::remove_all() {
  const std::lock_guard lock(mutex_);
  if (!wanted()) return {};
  for (const Family family : families()) {
    for (const Jump& jump : bridge_jumps(options_, family))
      while (iptables_.restore(family, format_jump(jump, true), Deadline::never())) {
      }
    TRY_CONTEXT(iptables_.restore(family, format_removal(options_, family), Deadline::never()),
                "remove the node's rules");
  }
  pods_.clear();
  return {};
}

} // namespace keelson::netns
