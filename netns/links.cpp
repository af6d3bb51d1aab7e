#include "netns/links.hpp"

#include <linux/if.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <optional>

namespace keelson::netns {
namespace {

int address_family(Family family) {
  return family == Family::ipv4 ? AF_INET : AF_INET6;
}

std::string text_of(const nlattr* attribute) {
  const auto* data = static_cast<const char*>(nla_data(attribute));
  return {data, strnlen(data, static_cast<std::size_t>(nla_len(attribute)))};
}

InterfaceStats stats_of(const nlattr* attribute) {
  rtnl_link_stats64 raw{}; // copied: the attribute is aligned to 4 bytes only, and shorter in older kernels
  std::memcpy(&raw, nla_data(attribute), std::min(sizeof(raw), static_cast<std::size_t>(nla_len(attribute))));
  InterfaceStats stats;
  stats.rx_bytes = raw.rx_bytes;
  stats.rx_packets = raw.rx_packets;
  stats.rx_errors = raw.rx_errors;
  stats.rx_dropped = raw.rx_dropped;
  stats.tx_bytes = raw.tx_bytes;
  stats.tx_packets = raw.tx_packets;
  stats.tx_errors = raw.tx_errors;
  stats.tx_dropped = raw.tx_dropped;
  return stats;
}

std::string kind_of(nlattr* link_info) {
  nlattr* table[IFLA_INFO_MAX + 1] = {};
  if (nla_parse_nested(table, IFLA_INFO_MAX, link_info, nullptr) != 0 || table[IFLA_INFO_KIND] == nullptr) return {};
  return text_of(table[IFLA_INFO_KIND]);
}

Link parse_link(const nlmsghdr& message) {
  const auto* info = static_cast<const ifinfomsg*>(nlmsg_data(&message));
  Link link;
  link.index = info->ifi_index;
  link.up = (info->ifi_flags & IFF_UP) != 0;
  link.lower_up = (info->ifi_flags & IFF_LOWER_UP) != 0;
  link.loopback = (info->ifi_flags & IFF_LOOPBACK) != 0;
  nlattr* table[IFLA_MAX + 1] = {};
  if (nlmsg_parse(const_cast<nlmsghdr*>(&message), sizeof(ifinfomsg), table, IFLA_MAX, nullptr) != 0) return link;
  if (table[IFLA_IFNAME] != nullptr) link.name = text_of(table[IFLA_IFNAME]);
  if (table[IFLA_IFALIAS] != nullptr) link.alias = text_of(table[IFLA_IFALIAS]);
  if (table[IFLA_MASTER] != nullptr) link.master = static_cast<int>(nla_get_u32(table[IFLA_MASTER]));
  if (table[IFLA_MTU] != nullptr) link.mtu = nla_get_u32(table[IFLA_MTU]);
  if (table[IFLA_LINKINFO] != nullptr) link.kind = kind_of(table[IFLA_LINKINFO]);
  if (table[IFLA_STATS64] != nullptr) link.stats = stats_of(table[IFLA_STATS64]);
  if (table[IFLA_ADDRESS] != nullptr && nla_len(table[IFLA_ADDRESS]) == static_cast<int>(link.mac.size()))
    std::memcpy(link.mac.data(), nla_data(table[IFLA_ADDRESS]), link.mac.size());
  link.stats.name = link.name;
  return link;
}

RouteMessage link_message(int type, int flags, int index = 0, unsigned set_flags = 0,
                          unsigned char family = AF_UNSPEC) {
  ifinfomsg info{};
  info.ifi_family = family;
  info.ifi_index = index;
  info.ifi_flags = set_flags;
  info.ifi_change = set_flags;
  return {type, flags, &info, sizeof(info)};
}

struct DefaultRoute {
  int index = 0; // of the link; of several next hops the first one's
  std::uint32_t metric = 0;
};

// Nothing if the message is another route than a default route of the main table through a link.
std::optional<DefaultRoute> parse_default_route(const nlmsghdr& message) {
  if (message.nlmsg_type != RTM_NEWROUTE) return std::nullopt;
  const auto* info = static_cast<const rtmsg*>(nlmsg_data(&message));
  if (info->rtm_table != RT_TABLE_MAIN || info->rtm_type != RTN_UNICAST || info->rtm_dst_len != 0) return std::nullopt;
  nlattr* table[RTA_MAX + 1] = {};
  if (nlmsg_parse(const_cast<nlmsghdr*>(&message), sizeof(rtmsg), table, RTA_MAX, nullptr) != 0) return std::nullopt;
  DefaultRoute route;
  if (table[RTA_PRIORITY] != nullptr) route.metric = nla_get_u32(table[RTA_PRIORITY]);
  if (table[RTA_OIF] != nullptr) {
    route.index = static_cast<int>(nla_get_u32(table[RTA_OIF]));
  } else if (table[RTA_MULTIPATH] != nullptr && nla_len(table[RTA_MULTIPATH]) >= static_cast<int>(sizeof(rtnexthop))) {
    rtnexthop hop{};
    std::memcpy(&hop, nla_data(table[RTA_MULTIPATH]), sizeof(hop));
    route.index = hop.rtnh_ifindex;
  } else {
    return std::nullopt;
  }
  return route;
}

} // namespace

std::string to_string(const MacAddress& mac) {
  return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

Result<Link> find_link(RouteSocket& socket, const std::string& name) {
  if (name.empty() || name.size() >= IFNAMSIZ) return fail(Code::not_found, "\"{}\" is no interface name", name);
  RouteMessage request = link_message(RTM_GETLINK, 0);
  request.put_text(IFLA_IFNAME, name);
  Link link;
  TRY(socket.query(request, fmt::format("look up interface {}", name),
                   [&link](const nlmsghdr& message) { link = parse_link(message); }));
  return link;
}

Result<std::vector<Link>> list_links(RouteSocket& socket) {
  RouteMessage request = link_message(RTM_GETLINK, NLM_F_DUMP);
  std::vector<Link> links;
  TRY(socket.query(request, "list the interfaces", [&links](const nlmsghdr& message) {
    if (message.nlmsg_type == RTM_NEWLINK) links.push_back(parse_link(message));
  }));
  return links;
}

Result<> create_bridge(RouteSocket& socket, const std::string& name, unsigned mtu, const MacAddress& mac) {
  RouteMessage request = link_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  request.put_text(IFLA_IFNAME, name).put_u32(IFLA_MTU, mtu);
  // Without a fixed address a bridge takes the lowest one of its ports, and changes it under the pods' neighbour
  // tables.
  request.put(IFLA_ADDRESS, mac.data(), mac.size());
  void* info = request.begin_nest(IFLA_LINKINFO);
  request.put_text(IFLA_INFO_KIND, "bridge");
  request.end_nest(info);
  return socket.execute(request, fmt::format("create bridge {}", name));
}

Result<> create_veth(RouteSocket& socket, const VethSpec& spec) {
  RouteMessage request = link_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  request.put_text(IFLA_IFNAME, spec.name).put_u32(IFLA_MTU, spec.mtu);
  void* info = request.begin_nest(IFLA_LINKINFO);
  request.put_text(IFLA_INFO_KIND, "veth");
  void* data = request.begin_nest(IFLA_INFO_DATA);
  void* peer = request.begin_nest(VETH_INFO_PEER);
  const ifinfomsg peer_info{};
  request.append(&peer_info, sizeof(peer_info));
  request.put_text(IFLA_IFNAME, spec.peer_name).put_u32(IFLA_MTU, spec.mtu);
  request.put(IFLA_ADDRESS, spec.peer_mac.data(), spec.peer_mac.size());
  request.put_u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(spec.peer_namespace));
  request.end_nest(peer);
  request.end_nest(data);
  request.end_nest(info);
  return socket.execute(request, fmt::format("create interfaces {} and {}", spec.name, spec.peer_name));
}

Result<> join_bridge(RouteSocket& socket, const std::string& name, int bridge_index, const std::string& alias) {
  RouteMessage port = link_message(RTM_SETLINK, 0, 0, IFF_UP);
  port.put_text(IFLA_IFNAME, name).put_u32(IFLA_MASTER, static_cast<std::uint32_t>(bridge_index));
  port.put_text(IFLA_IFALIAS, alias);
  void* spec = port.begin_nest(IFLA_AF_SPEC);
  void* inet6 = port.begin_nest(AF_INET6);
  port.put_u8(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
  port.end_nest(inet6);
  port.end_nest(spec);
  TRY(socket.execute(port, fmt::format("make interface {} a port of the bridge", name)));

  TRY_ASSIGN(const Link link, find_link(socket, name));
  RouteMessage hairpin = link_message(RTM_SETLINK, 0, link.index, 0, AF_BRIDGE);
  void* info = hairpin.begin_nest(IFLA_PROTINFO | NLA_F_NESTED);
  hairpin.put_u8(IFLA_BRPORT_MODE, 1);
  hairpin.end_nest(info);
  return socket.execute(hairpin, fmt::format("set hairpin mode of {}", name));
}

Result<> set_link_up(RouteSocket& socket, int index) {
  RouteMessage request = link_message(RTM_SETLINK, 0, index, IFF_UP);
  return socket.execute(request, fmt::format("bring interface {} up", index));
}

Result<> set_link_mtu(RouteSocket& socket, int index, unsigned mtu) {
  RouteMessage request = link_message(RTM_SETLINK, 0, index);
  request.put_u32(IFLA_MTU, mtu);
  return socket.execute(request, fmt::format("set the MTU {} of interface {}", mtu, index));
}

Result<> delete_link(RouteSocket& socket, const std::string& name) {
  RouteMessage request = link_message(RTM_DELLINK, 0);
  request.put_text(IFLA_IFNAME, name);
  auto done = socket.execute(request, fmt::format("delete interface {}", name));
  if (!done && done.error().sys_errno == ENODEV) return {};
  return done;
}

Result<> add_address(RouteSocket& socket, int index, const IpAddress& address, unsigned prefix_length) {
  ifaddrmsg info{};
  info.ifa_family = static_cast<unsigned char>(address_family(address.family()));
  info.ifa_prefixlen = static_cast<unsigned char>(prefix_length);
  info.ifa_flags = address.is_v4() ? 0 : IFA_F_NODAD;
  info.ifa_index = static_cast<unsigned>(index);
  RouteMessage request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof(info));
  request.put(IFA_LOCAL, address.data(), address.size()).put(IFA_ADDRESS, address.data(), address.size());
  if (address.is_v4() && prefix_length < 31) {
    const IpAddress broadcast = IpPrefix::of(address, prefix_length).last();
    request.put(IFA_BROADCAST, broadcast.data(), broadcast.size());
  }
  auto done =
      socket.execute(request, fmt::format("add address {}/{} to interface {}", address.text(), prefix_length, index));
  if (!done && done.error().sys_errno == EEXIST) return {};
  return done;
}

Result<std::vector<IpAddress>> list_addresses(RouteSocket& socket, int index) {
  ifaddrmsg info{};
  info.ifa_index = static_cast<unsigned>(index);
  RouteMessage request(RTM_GETADDR, NLM_F_DUMP, &info, sizeof(info));
  std::vector<IpAddress> found;
  TRY(socket.query(request, "list the addresses", [&found, index](const nlmsghdr& message) {
    const auto* head = static_cast<const ifaddrmsg*>(nlmsg_data(&message));
    if (message.nlmsg_type != RTM_NEWADDR || head->ifa_index != static_cast<unsigned>(index)) return;
    nlattr* table[IFA_MAX + 1] = {};
    if (nlmsg_parse(const_cast<nlmsghdr*>(&message), sizeof(ifaddrmsg), table, IFA_MAX, nullptr) != 0) return;
    const nlattr* address = table[IFA_LOCAL] != nullptr ? table[IFA_LOCAL] : table[IFA_ADDRESS];
    const Family family = head->ifa_family == AF_INET ? Family::ipv4 : Family::ipv6;
    if (address == nullptr || nla_len(address) != (family == Family::ipv4 ? 4 : 16)) return;
    found.push_back(IpAddress::from_bytes(family, static_cast<const std::uint8_t*>(nla_data(address))));
  }));
  return found;
}

Result<> add_default_route(RouteSocket& socket, int index, const IpAddress& gateway) {
  rtmsg info{};
  info.rtm_family = static_cast<unsigned char>(address_family(gateway.family()));
  info.rtm_table = RT_TABLE_MAIN;
  info.rtm_protocol = RTPROT_BOOT;
  info.rtm_type = RTN_UNICAST;
  info.rtm_scope = gateway.is_v4() ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  info.rtm_dst_len = static_cast<unsigned char>(gateway.bits());
  RouteMessage to_gateway(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &info, sizeof(info));
  to_gateway.put(RTA_DST, gateway.data(), gateway.size()).put_u32(RTA_OIF, static_cast<std::uint32_t>(index));
  TRY(socket.execute(to_gateway, fmt::format("add the route to gateway {}", gateway.text())));

  info.rtm_scope = RT_SCOPE_UNIVERSE;
  info.rtm_dst_len = 0;
  RouteMessage by_default(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &info, sizeof(info));
  by_default.put(RTA_GATEWAY, gateway.data(), gateway.size()).put_u32(RTA_OIF, static_cast<std::uint32_t>(index));
  return socket.execute(by_default, fmt::format("add the default route through {}", gateway.text()));
}

Result<Link> find_uplink(RouteSocket& socket) {
  TRY_ASSIGN(const auto links, list_links(socket));
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    rtmsg info{};
    info.rtm_family = static_cast<unsigned char>(address_family(family));
    RouteMessage request(RTM_GETROUTE, NLM_F_DUMP, &info, sizeof(info));
    std::optional<DefaultRoute> best;
    TRY(socket.query(request, "list the routes", [&best](const nlmsghdr& message) {
      const auto route = parse_default_route(message);
      if (route && (!best || route->metric < best->metric)) best = route;
    }));
    if (!best) continue;
    const auto found =
        std::find_if(links.begin(), links.end(), [&](const Link& link) { return link.index == best->index; });
    if (found != links.end() && !found->loopback) return *found;
  }
  return fail(Code::not_found, "there is no default route");
}

} // namespace keelson::netns
