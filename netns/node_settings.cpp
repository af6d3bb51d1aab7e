#include "netns/node_settings.hpp"

#include "base/file.hpp"
#include "base/text.hpp"

namespace keelson::netns {
namespace {

std::string conf(Family family, const std::string& interface, const char* name) {
  return fmt::format("/proc/sys/net/{}/conf/{}/{}", family == Family::ipv4 ? "ipv4" : "ipv6", interface, name);
}

// Writes only what differs: a read-only /proc/sys that already has the value is fine.
Result<> set(const std::string& path, std::string_view value) {
  if (const auto present = read_file(path); present && trim(*present) == value) return {};
  return write_kernel_file(path, value);
}

Result<> keep_router_advertisements() {
  const std::string root = "/proc/sys/net/ipv6/conf";
  TRY_ASSIGN(const auto interfaces, list_dir(root));
  for (const std::string& interface : interfaces) {
    if (interface == "all" || interface == "default" || interface == "lo") continue;
    const std::string path = conf(Family::ipv6, interface, "accept_ra");
    if (const auto value = read_file(path); value && trim(*value) == "1") TRY(write_kernel_file(path, "2"));
  }
  return {};
}

// False with the kernel's ipv6.disable=1.
bool has_ipv6() {
  return exists("/proc/sys/net/ipv6");
}

} // namespace

Result<> enable_forwarding(Family family) {
  if (family == Family::ipv4) return set("/proc/sys/net/ipv4/ip_forward", "1");
  const std::string path = conf(Family::ipv6, "all", "forwarding");
  const auto present = read_file(path);
  if (!present) return Fail(present.error());
  if (trim(*present) == "1") return {};
  TRY(keep_router_advertisements());
  return write_kernel_file(path, "1");
}

Result<> prepare_bridge_settings(const std::string& bridge, Family family) {
  if (family == Family::ipv4) {
    TRY(set(conf(family, bridge, "send_redirects"), "0"));
    return set(conf(family, bridge, "forwarding"), "1");
  }
  if (!has_ipv6()) return {};
  TRY(set(conf(family, bridge, "accept_dad"), "0"));
  TRY(set(conf(family, bridge, "autoconf"), "0"));
  TRY(set(conf(family, bridge, "accept_redirects"), "0"));
  return set(conf(family, bridge, "accept_ra"), "0");
}

Result<> allow_localhost_source(const std::string& bridge) {
  return set(conf(Family::ipv4, bridge, "route_localnet"), "1");
}

Result<> prepare_pod_settings(const std::string& interface, Family family) {
  if (family == Family::ipv4) {
    // Redirects are taken if either setting says so.
    TRY(set(conf(family, "all", "accept_redirects"), "0"));
    return set(conf(family, interface, "accept_redirects"), "0");
  }
  if (!has_ipv6()) return {};
  TRY(set(conf(family, interface, "accept_dad"), "0"));
  TRY(set(conf(family, interface, "autoconf"), "0"));
  TRY(set(conf(family, interface, "accept_redirects"), "0"));
  return set(conf(family, interface, "accept_ra"), "0");
}

} // namespace keelson::netns
