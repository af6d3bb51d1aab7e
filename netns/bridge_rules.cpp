#include "netns/bridge_rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>

namespace keelson::netns {
namespace {

template <class... Args>
void line(std::string& out, fmt::format_string<Args...> format, Args&&... args) {
  fmt::format_to(std::back_inserter(out), format, std::forward<Args>(args)...);
  out += '\n';
}

// iptables takes a comment of 255 bytes in quotes. Names come from outside: nothing of them may end the quotes or the
// line.
std::string comment_text(std::string_view text) {
  std::string safe(text.substr(0, 200));
  const auto is_safe = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_' || c == '/';
  };
  std::replace_if(
      safe.begin(), safe.end(), [&](char c) { return !is_safe(c); }, '_');
  return safe;
}

bool applies(const PortMapping& port, Family family) {
  return port.host_port != 0 && (!port.host_ip || port.host_ip->family() == family);
}

const IpAddress* address_of(const PodHostPorts& pod, Family family) {
  const auto found =
      std::find_if(pod.ips.begin(), pod.ips.end(), [family](const IpAddress& ip) { return ip.family() == family; });
  return found == pod.ips.end() ? nullptr : &*found;
}

std::string_view loopback_net(Family family) {
  return family == Family::ipv4 ? "127.0.0.0/8" : "::1/128";
}

void add_host_port_rules(std::string& out, const RuleOptions& options, Family family,
                         const std::vector<PodHostPorts>& pods) {
  // A port of one address goes before the same port of every address.
  for (const bool of_one_address : {true, false}) {
    for (const PodHostPorts& pod : pods) {
      const IpAddress* ip = address_of(pod, family);
      if (ip == nullptr) continue;
      for (const PortMapping& port : pod.ports) {
        const bool bound = port.host_ip && !port.host_ip->is_unspecified();
        if (!applies(port, family) || bound != of_one_address) continue;
        const std::string destination = bound ? fmt::format(" -d {}/{}", port.host_ip->text(), ip->bits()) : "";
        const std::string target = ip->is_v4() ? ip->text() : fmt::format("[{}]", ip->text());
        line(out, "-A {}-HOSTPORTS{} -p {} --dport {} -m comment --comment \"{}\" -j DNAT --to-destination {}:{}",
             options.prefix, destination, to_string(port.protocol), port.host_port, comment_text(pod.owner), target,
             port.container_port);
      }
    }
  }
}

// Packets of a pod that come back to it through a host port need another source, or it would answer itself directly.
void add_postrouting_rules(std::string& out, const RuleOptions& options, Family family,
                           const std::vector<PodHostPorts>& pods) {
  for (const PodHostPorts& pod : pods) {
    const IpAddress* ip = address_of(pod, family);
    const auto here = [family](const PortMapping& port) { return applies(port, family); };
    if (ip == nullptr || std::none_of(pod.ports.begin(), pod.ports.end(), here)) continue;
    line(out, "-A {}-POSTROUTING -s {}/{} -d {}/{} -j MASQUERADE", options.prefix, ip->text(), ip->bits(), ip->text(),
         ip->bits());
  }
  if (options.host_ports && options.localhost_host_ports && family == Family::ipv4)
    line(out, "-A {}-POSTROUTING -s 127.0.0.0/8 -o {} -j MASQUERADE", options.prefix, options.bridge);
  if (!options.masquerade) return;
  for (const IpPrefix& range : options.ranges)
    if (range.family() == family)
      line(out, "-A {}-POSTROUTING -s {} -j {}-MASQUERADE", options.prefix, range.text(), options.prefix);
}

void add_masquerade_rules(std::string& out, const RuleOptions& options, Family family) {
  for (const auto& list : {options.ranges, options.no_masquerade})
    for (const IpPrefix& range : list)
      if (range.family() == family) line(out, "-A {}-MASQUERADE -d {} -j RETURN", options.prefix, range.text());
  line(out, "-A {}-MASQUERADE -d {} -j RETURN", options.prefix, family == Family::ipv4 ? "224.0.0.0/4" : "ff00::/8");
  line(out, "-A {}-MASQUERADE -j MASQUERADE --random-fully", options.prefix);
}

void add_filter_table(std::string& out, const RuleOptions& options, Family family) {
  const std::string& prefix = options.prefix;
  line(out, "*filter\n:{}-FORWARD - [0:0]", prefix);
  line(out, "-A {}-FORWARD -i {} -j ACCEPT", prefix, options.bridge);
  line(out, "-A {}-FORWARD -o {} -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT", prefix, options.bridge);
  for (const IpPrefix& range : options.no_masquerade)
    if (range.family() == family)
      line(out, "-A {}-FORWARD -s {} -o {} -j ACCEPT", prefix, range.text(), options.bridge);
  line(out, "COMMIT");
}

bool has_guard(const RuleOptions& options, Family family) {
  return family == Family::ipv4 && options.host_ports && options.localhost_host_ports;
}

} // namespace

std::vector<Jump> bridge_jumps(const RuleOptions& options, Family family) {
  std::vector<Jump> jumps;
  const std::string& prefix = options.prefix;
  if (options.host_ports) {
    // A neighbour can send packets for 127.0.0.1 to the node's MAC address. Translated here, they would pass the check
    // of the routing code that drops them, and reach a port that was meant for the node alone.
    const std::string leads = fmt::format("-m addrtype --dst-type LOCAL -j {}-HOSTPORTS", prefix);
    const std::string not_loopback = fmt::format("! -d {} {}", loopback_net(family), leads);
    const bool localhost = options.localhost_host_ports && family == Family::ipv4;
    jumps.push_back({"nat", "PREROUTING", not_loopback});
    jumps.push_back({"nat", "OUTPUT", localhost ? leads : not_loopback});
  }
  jumps.push_back({"nat", "POSTROUTING", fmt::format("-j {}-POSTROUTING", prefix)});
  jumps.push_back({"filter", "FORWARD", fmt::format("-j {}-FORWARD", prefix)});
  if (has_guard(options, family)) jumps.push_back({"mangle", "PREROUTING", fmt::format("-j {}-GUARD", prefix), true});
  return jumps;
}

std::string format_host_port_chains(const RuleOptions& options, Family family, const std::vector<PodHostPorts>& pods) {
  std::string out;
  line(out, "*nat\n:{}-HOSTPORTS - [0:0]\n:{}-POSTROUTING - [0:0]", options.prefix, options.prefix);
  add_host_port_rules(out, options, family, pods);
  add_postrouting_rules(out, options, family, pods);
  line(out, "COMMIT");
  return out;
}

std::string format_chains(const RuleOptions& options, Family family, const std::vector<PodHostPorts>& pods) {
  const std::string& prefix = options.prefix;
  std::string out;
  line(out, "*nat\n:{}-MASQUERADE - [0:0]\n:{}-HOSTPORTS - [0:0]\n:{}-POSTROUTING - [0:0]", prefix, prefix, prefix);
  if (options.masquerade) add_masquerade_rules(out, options, family);
  add_host_port_rules(out, options, family, pods);
  add_postrouting_rules(out, options, family, pods);
  line(out, "COMMIT");
  add_filter_table(out, options, family);
  if (!has_guard(options, family)) return out;
  // Answers to localhost are addressed to the bridge here: mangle comes before the translation back.
  line(out, "*mangle\n:{}-GUARD - [0:0]\n-A {}-GUARD -i {} -d 127.0.0.0/8 -j DROP\nCOMMIT", prefix, prefix,
       options.bridge);
  return out;
}

std::string format_jump(const Jump& jump, bool remove) {
  const char* verb = remove ? "-D" : jump.first ? "-I" : "-A";
  return fmt::format("*{}\n{} {} {}\nCOMMIT\n", jump.table, verb, jump.chain, jump.rule);
}

std::string format_jump_replacement(const std::vector<Jump>& jumps) {
  std::map<std::string, std::string> tables;
  for (const Jump& jump : jumps)
    fmt::format_to(std::back_inserter(tables[jump.table]), "-D {0} {1}\n{2} {0} {1}\n", jump.chain, jump.rule,
                   jump.first ? "-I" : "-A");
  std::string out;
  for (const auto& [table, lines] : tables) fmt::format_to(std::back_inserter(out), "*{}\n{}COMMIT\n", table, lines);
  return out;
}

std::string format_removal(const RuleOptions& options, Family family) {
  const std::string& p = options.prefix;
  std::string out;
  line(out, "*nat\n:{0}-MASQUERADE - [0:0]\n:{0}-HOSTPORTS - [0:0]\n:{0}-POSTROUTING - [0:0]", p);
  line(out, "-X {0}-MASQUERADE\n-X {0}-HOSTPORTS\n-X {0}-POSTROUTING\nCOMMIT", p);
  line(out, "*filter\n:{0}-FORWARD - [0:0]\n-X {0}-FORWARD\nCOMMIT", p);
  if (has_guard(options, family)) line(out, "*mangle\n:{0}-GUARD - [0:0]\n-X {0}-GUARD\nCOMMIT", p);
  return out;
}

bool conflict(const PortMapping& a, const PortMapping& b) {
  if (a.host_port == 0 || a.host_port != b.host_port || a.protocol != b.protocol) return false;
  if (!a.host_ip || !b.host_ip) return true;
  if (a.host_ip->family() != b.host_ip->family()) return false;
  return a.host_ip->is_unspecified() || b.host_ip->is_unspecified() || *a.host_ip == *b.host_ip;
}

} // namespace keelson::netns
