#include "netns/pod_interface.hpp"

#include "base/namespace_thread.hpp"
#include "netns/links.hpp"
#include "netns/node_settings.hpp"

#include <algorithm>

namespace keelson::netns {
namespace {

Result<> configure_here(const PodInterface& interface) {
  TRY_ASSIGN(RouteSocket socket, RouteSocket::open());
  TRY_ASSIGN(const Link link, find_link(socket, interface.name));
  for (const Family family : {Family::ipv4, Family::ipv6}) TRY(prepare_pod_settings(interface.name, family));
  for (const IpAddress& ip : interface.ips) TRY(add_address(socket, link.index, ip, ip.bits()));
  TRY(set_link_up(socket, link.index));
  for (const IpAddress& gateway : interface.gateways) TRY(add_default_route(socket, link.index, gateway));
  return {};
}

Result<std::string> check_here(const PodInterface& interface) {
  TRY_ASSIGN(RouteSocket socket, RouteSocket::open());
  auto link = find_link(socket, interface.name);
  if (!link && link.error().sys_errno == ENODEV)
    return fail(Code::failed_precondition, "the pod has no interface {}", interface.name);
  if (!link) return Fail(std::move(link).error());
  if (!link->up) return fail(Code::failed_precondition, "the pod's interface {} is down", interface.name);
  TRY_ASSIGN(const auto present, list_addresses(socket, link->index));
  for (const IpAddress& ip : interface.ips)
    if (std::find(present.begin(), present.end(), ip) == present.end())
      return fail(Code::failed_precondition, "the pod's interface {} has lost its address {}", interface.name,
                  ip.text());
  return to_string(link->mac);
}

} // namespace

Result<> configure_pod_interface(int net_namespace_fd, const PodInterface& interface) {
  return run_in_net_namespace(net_namespace_fd, [&interface] { return configure_here(interface); });
}

Result<std::string> check_pod_interface(int net_namespace_fd, const PodInterface& interface) {
  std::string mac;
  TRY(run_in_net_namespace(net_namespace_fd, [&]() -> Result<> {
    TRY_ASSIGN(mac, check_here(interface));
    return {};
  }));
  return mac;
}

} // namespace keelson::netns
