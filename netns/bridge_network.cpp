#include "netns/bridge_network.hpp"

#include "base/file.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "netns/address_pool.hpp"
#include "netns/attachment.hpp"
#include "netns/bridge_rule_table.hpp"
#include "netns/link_reaper.hpp"
#include "netns/links.hpp"
#include "netns/node_settings.hpp"
#include "netns/pod_interface.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <set>

namespace keelson::netns {
namespace {

constexpr unsigned kDefaultMtu = 1500;
constexpr unsigned kMinMtu = 68;       // RFC 791
constexpr unsigned kMinMtuIpv6 = 1280; // RFC 8200
constexpr unsigned kMaxMtu = 65535;
constexpr std::string_view kHostPrefix = "kv";

// The address decides the MAC: another pod's neighbour entry for a reused address stays right.
MacAddress mac_of(const IpAddress& address) {
  MacAddress mac = {0x0a, 0x6b}; // locally administered, unicast
  std::memcpy(&mac[2], address.data() + address.size() - 4, 4);
  return mac;
}

std::string owner_of(const Attachment& attachment) {
  return attachment.pod.name.empty() ? attachment.sandbox_id
                                     : fmt::format("{}/{}", attachment.pod.name_space, attachment.pod.name);
}

PodHostPorts host_ports_of(const Attachment& attachment) {
  return {owner_of(attachment), attachment.ips, attachment.ports};
}

bool is_interface_name(const std::string& name) {
  const auto is_good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  return !name.empty() && name.size() <= 15 && std::all_of(name.begin(), name.end(), is_good);
}

Result<> check_config(const BridgeConfig& config) {
  if (!is_interface_name(config.bridge))
    return fail(Code::invalid_argument, "bridge name \"{}\": 1 to 15 letters, digits, - and _",
                printable(config.bridge));
  if (config.network.empty() || config.network.front() == '.' || config.network.find('/') != std::string::npos)
    return fail(Code::invalid_argument, "network name \"{}\" cannot be a directory", printable(config.network));
  if (config.mtu != 0 && (config.mtu < kMinMtu || config.mtu > kMaxMtu))
    return fail(Code::invalid_argument, "MTU {}: from {} to {}", config.mtu, kMinMtu, kMaxMtu);
  const std::string& prefix = config.iptables.chain_prefix;
  const auto is_good = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-'; };
  // A chain's name has at most 28 characters, and -POSTROUTING is 12 of them.
  if (prefix.empty() || prefix.size() > 12 || prefix.front() == '-' ||
      !std::all_of(prefix.begin(), prefix.end(), is_good))
    return fail(Code::invalid_argument, "chain prefix \"{}\": 1 to 12 of A-Z, 0-9 and -", printable(prefix));
  return {};
}

RuleOptions rule_options(const BridgeConfig& config) {
  return {config.iptables.chain_prefix, config.bridge,     config.ranges,
          config.no_masquerade,         config.masquerade, config.host_ports,
          config.localhost_host_ports};
}

} // namespace

std::string host_interface_name(std::string_view sandbox_id) {
  // FNV-1a, 64 bit: the same name in every version of this program, which std::hash does not promise.
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : sandbox_id) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  std::string name(kHostPrefix);
  for (int i = 0; i < 13; ++i, hash >>= 5) name += "0123456789abcdefghijklmnopqrstuv"[hash & 31];
  return name;
}

// Locks are taken in this order: state_mutex, then (inside the parts) a part's own; socket_mutex is never held with
// another.
struct BridgeNetwork::State {
  State(BridgeConfig given, RouteSocket route_socket, AddressPool addresses, AttachmentStore records)
      : config(std::move(given))
      , socket(std::move(route_socket))
      , pool(std::move(addresses))
      , store(std::move(records))
      , rules(rule_options(config), config.iptables) {}

  unsigned choose_mtu();
  Result<> set_up_bridge();
  Result<> set_up_family(const Link& bridge, const IpPrefix& range);
  Result<> restore_records();
  Result<Attachment> register_attachment(const AttachRequest& request);
  Result<> connect(const Attachment& attachment, int netns);
  Result<PodAddresses> attach_steps(const AttachRequest& request);
  Result<PodAddresses> attach_or_undo(const AttachRequest& request);
  Result<> disconnect(const std::string& sandbox_id, Deadline deadline);
  Result<> remove_link(const std::string& name);
  Result<> remove_stray_links(const std::set<std::string>& keep);
  Result<PodAddresses> examine(const Attachment& attachment, const std::string& netns_path);
  std::optional<Attachment> find(const std::string& sandbox_id);
  PodInterface interface_of(const Attachment& attachment) const;

  const BridgeConfig config;
  std::mutex socket_mutex; // guards socket
  RouteSocket socket;
  int bridge_index = 0;       // fixed after open()
  unsigned mtu = kDefaultMtu; // fixed after open()
  AddressPool pool;
  const AttachmentStore store;
  BridgeRuleTable rules;
  std::mutex state_mutex; // guards attachments, under_way
  std::map<std::string, Attachment> attachments;
  std::set<std::string> under_way; // sandboxes that attach() works on: reconcile keeps off
  LinkReaper reaper;
};

BridgeNetwork::BridgeNetwork(std::unique_ptr<State> state)
    : state_(std::move(state)) {}
BridgeNetwork::~BridgeNetwork() = default;

Result<std::unique_ptr<BridgeNetwork>> BridgeNetwork::open(const BridgeConfig& config) {
  TRY(check_config(config));
  TRY_ASSIGN(AddressPool pool,
             AddressPool::open(fmt::format("{}/ipam/{}", config.state_dir, config.network), config.ranges));
  TRY_ASSIGN(AttachmentStore store, AttachmentStore::open(config.state_dir + "/attachments"));
  TRY_ASSIGN(RouteSocket socket, RouteSocket::open());
  auto state = std::make_unique<State>(config, std::move(socket), std::move(pool), std::move(store));
  TRY(state->rules.probe());
  TRY_CONTEXT(state->set_up_bridge(), "bridge {}", config.bridge);
  TRY(state->restore_records());
  return std::unique_ptr<BridgeNetwork>(new BridgeNetwork(std::move(state)));
}

// Pods' packets leave through the uplink: larger ones than it takes would be fragmented or lost.
unsigned BridgeNetwork::State::choose_mtu() {
  if (config.mtu != 0) return config.mtu;
  const auto uplink = find_uplink(socket);
  if (!uplink) return kDefaultMtu;
  const bool with_ipv6 = std::any_of(config.ranges.begin(), config.ranges.end(),
                                     [](const IpPrefix& range) { return range.family() == Family::ipv6; });
  return std::clamp(uplink->mtu, with_ipv6 ? kMinMtuIpv6 : kMinMtu, kMaxMtu);
}

Result<> BridgeNetwork::State::set_up_bridge() {
  mtu = choose_mtu();
  auto bridge = find_link(socket, config.bridge);
  if (!bridge && bridge.error().sys_errno != ENODEV) return Fail(std::move(bridge).error());
  if (!bridge) {
    TRY(create_bridge(socket, config.bridge, mtu, mac_of(config.ranges.front().first_host())));
    bridge = find_link(socket, config.bridge);
    if (!bridge) return Fail(std::move(bridge).error());
  }
  if (bridge->kind != "bridge")
    return fail(Code::already_exists, "there is an interface of that name that is no bridge: choose another name");
  bridge_index = bridge->index;
  if (bridge->mtu != mtu) TRY(set_link_mtu(socket, bridge_index, mtu));
  // Both families, whatever the ranges are: router advertisements of a pod must not reach the node (CVE-2020-10749).
  for (const Family family : {Family::ipv4, Family::ipv6}) TRY(prepare_bridge_settings(config.bridge, family));
  for (const IpPrefix& range : config.ranges) TRY(set_up_family(*bridge, range));
  return set_link_up(socket, bridge_index);
}

Result<> BridgeNetwork::State::set_up_family(const Link& bridge, const IpPrefix& range) {
  TRY(add_address(socket, bridge.index, range.first_host(), range.length()));
  return enable_forwarding(range.family());
}

// What lives on is written to the kernel again in whole, so that a rule or setting lost meanwhile is back.
Result<> BridgeNetwork::State::restore_records() {
  TRY_ASSIGN(auto records, store.load());
  std::map<std::string, PodHostPorts> with_ports;
  for (Attachment& record : records) {
    for (const IpAddress& ip : record.ips)
      if (auto held = pool.adopt(ip, record.sandbox_id); !held)
        log::warning("network of sandbox {}: {}", record.sandbox_id, held.error().message);
    if (!record.ports.empty()) with_ports[record.sandbox_id] = host_ports_of(record);
    attachments[record.sandbox_id] = std::move(record);
  }
  return rules.install(std::move(with_ports));
}

std::optional<Attachment> BridgeNetwork::State::find(const std::string& sandbox_id) {
  const std::lock_guard lock(state_mutex);
  const auto found = attachments.find(sandbox_id);
  return found == attachments.end() ? std::nullopt : std::optional(found->second);
}

PodInterface BridgeNetwork::State::interface_of(const Attachment& attachment) const {
  PodInterface interface {
    kPodInterface, attachment.ips, {}
  };
  for (const IpAddress& ip : attachment.ips) interface.gateways.push_back(pool.gateway_of(ip));
  return interface;
}

// Reserves addresses and ports and writes the record, before anything happens in the kernel.
Result<Attachment> BridgeNetwork::State::register_attachment(const AttachRequest& request) {
  Attachment attachment;
  attachment.sandbox_id = request.sandbox_id;
  attachment.pod = request.pod;
  for (const PortMapping& port : request.ports)
    if (port.host_port != 0) attachment.ports.push_back(port);
  TRY_ASSIGN(attachment.ips, pool.reserve(request.sandbox_id));
  if (!attachment.ports.empty()) TRY(rules.claim(request.sandbox_id, host_ports_of(attachment)));
  TRY(store.save(attachment));
  const std::lock_guard lock(state_mutex);
  attachments[request.sandbox_id] = attachment;
  return attachment;
}

Result<> BridgeNetwork::State::connect(const Attachment& attachment, int netns) {
  VethSpec spec;
  spec.name = host_interface_name(attachment.sandbox_id);
  spec.peer_name = kPodInterface;
  spec.peer_namespace = netns;
  spec.peer_mac = mac_of(attachment.ips.front());
  spec.mtu = mtu;
  const auto create = [&]() -> Result<> {
    const std::lock_guard lock(socket_mutex);
    return create_veth(socket, spec);
  };
  auto created = create();
  if (!created && created.error().sys_errno == EEXIST) {
    TRY(remove_link(spec.name)); // of an attach that died and lost its record
    created = create();
  }
  if (!created) return created;
  TRY(configure_pod_interface(netns, interface_of(attachment)));
  const std::lock_guard lock(socket_mutex);
  return join_bridge(socket, spec.name, bridge_index, attachment.sandbox_id);
}

Result<PodAddresses> BridgeNetwork::State::attach_steps(const AttachRequest& request) {
  TRY_ASSIGN(const UniqueFd netns, open_at(AT_FDCWD, request.netns_path, O_RDONLY));
  TRY_ASSIGN(const Attachment attachment, register_attachment(request));
  if (request.deadline.passed()) return fail(Code::deadline_exceeded, "no time is left");
  TRY(connect(attachment, netns.get()));
  if (!attachment.ports.empty()) TRY(rules.apply(request.sandbox_id, request.deadline));
  return PodAddresses{attachment.ips, interface_of(attachment).gateways, kPodInterface,
                      to_string(mac_of(attachment.ips.front()))};
}

Result<PodAddresses> BridgeNetwork::State::attach_or_undo(const AttachRequest& request) {
  auto result = attach_steps(request);
  if (result) return result;
  // Not the request's deadline: it may be what failed.
  if (auto undone = disconnect(request.sandbox_id, Deadline::after(std::chrono::seconds(30))); !undone)
    log::warning("network of sandbox {} is half-made until it is detached: {}", request.sandbox_id,
                 undone.error().message);
  return Fail(std::move(result).error().context(
      fmt::format("connect pod {}/{} to bridge {}", request.pod.name_space, request.pod.name, config.bridge)));
}

Result<PodAddresses> BridgeNetwork::attach(const AttachRequest& request) {
  const std::string& id = request.sandbox_id;
  if (const auto known = state_->find(id)) {
    if (auto present = state_->examine(*known, request.netns_path)) return present;
    TRY(state_->disconnect(id, request.deadline));
  }
  {
    const std::lock_guard lock(state_->state_mutex);
    state_->under_way.insert(id);
  }
  auto result = state_->attach_or_undo(request);
  const std::lock_guard lock(state_->state_mutex);
  state_->under_way.erase(id);
  return result;
}

Result<> BridgeNetwork::State::remove_link(const std::string& name) {
  const auto is_gone = [this, &name]() -> Result<bool> {
    const std::lock_guard lock(socket_mutex);
    const auto link = find_link(socket, name);
    if (!link && link.error().sys_errno != ENODEV) return Fail(link.error());
    return !link;
  };
  TRY_ASSIGN(const bool absent, is_gone());
  return absent ? Result<>() : reaper.remove(name, is_gone);
}

// The address goes back last but for the record: nobody else gets it while a link or a rule still leads to it.
Result<> BridgeNetwork::State::disconnect(const std::string& sandbox_id, Deadline deadline) {
  auto unruled = rules.release(sandbox_id, deadline);
  TRY(remove_link(host_interface_name(sandbox_id)));
  TRY(std::move(unruled));
  TRY(pool.release(sandbox_id));
  TRY(store.remove(sandbox_id));
  const std::lock_guard lock(state_mutex);
  attachments.erase(sandbox_id);
  return {};
}

Result<> BridgeNetwork::detach(const DetachRequest& request) {
  TRY_CONTEXT(state_->disconnect(request.sandbox_id, request.deadline), "disconnect sandbox {}", request.sandbox_id);
  return {};
}

Result<PodAddresses> BridgeNetwork::State::examine(const Attachment& attachment, const std::string& netns_path) {
  const std::string name = host_interface_name(attachment.sandbox_id);
  {
    const std::lock_guard lock(socket_mutex);
    const auto link = find_link(socket, name);
    if (!link) return fail(Code::failed_precondition, "the node's end {} of the pod's interface is gone", name);
    if (link->master != bridge_index || !link->up)
      return fail(Code::failed_precondition, "interface {} is not connected to bridge {}", name, config.bridge);
  }
  TRY_ASSIGN(const UniqueFd netns, open_at(AT_FDCWD, netns_path, O_RDONLY));
  const PodInterface interface = interface_of(attachment);
  TRY_ASSIGN(std::string mac, check_pod_interface(netns.get(), interface));
  return PodAddresses{attachment.ips, interface.gateways, kPodInterface, std::move(mac)};
}

Result<PodAddresses> BridgeNetwork::check(const std::string& sandbox_id, const std::string& netns_path) {
  const auto attachment = state_->find(sandbox_id);
  if (!attachment)
    return fail(Code::not_found, "sandbox {} is not connected to bridge {}", sandbox_id, state_->config.bridge);
  return state_->examine(*attachment, netns_path);
}

NetworkStatus BridgeNetwork::status() {
  const std::lock_guard lock(state_->socket_mutex);
  const auto bridge = find_link(state_->socket, state_->config.bridge);
  if (!bridge) return {false, fmt::format("bridge {}: {}", state_->config.bridge, bridge.error().message)};
  if (bridge->index != state_->bridge_index)
    return {false, fmt::format("bridge {} was replaced by another one: restart the daemon", state_->config.bridge)};
  if (!bridge->up) return {false, fmt::format("bridge {} is down", state_->config.bridge)};
  return {true, {}};
}

Result<> BridgeNetwork::State::remove_stray_links(const std::set<std::string>& keep) {
  std::vector<Link> links;
  {
    const std::lock_guard lock(socket_mutex);
    TRY_ASSIGN(links, list_links(socket));
  }
  for (const Link& link : links) {
    // A link that a crash left between its creation and its joining has neither master nor alias: nobody's either.
    const bool ours = link.name.starts_with(kHostPrefix) && link.kind == "veth" &&
                      (link.master == bridge_index || (link.master == 0 && link.alias.empty()));
    const bool wanted = std::any_of(keep.begin(), keep.end(),
                                    [&link](const std::string& id) { return host_interface_name(id) == link.name; });
    if (ours && !wanted && link.name.size() == kHostPrefix.size() + 13) TRY(remove_link(link.name));
  }
  return {};
}

Result<> BridgeNetwork::reconcile(const std::vector<std::string>& live_sandbox_ids) {
  std::set<std::string> keep(live_sandbox_ids.begin(), live_sandbox_ids.end());
  std::vector<std::string> stale;
  {
    const std::lock_guard lock(state_->state_mutex);
    keep.insert(state_->under_way.begin(), state_->under_way.end());
    for (const auto& [id, attachment] : state_->attachments)
      if (!keep.contains(id)) stale.push_back(id);
  }
  Result<> first_error;
  for (const std::string& id : stale) {
    auto done = state_->disconnect(id, Deadline::never());
    if (done) continue;
    keep.insert(id); // its address stays taken
    if (first_error) first_error = Fail(std::move(done).error().context("disconnect sandbox " + id));
  }
  TRY(state_->remove_stray_links(keep));
  TRY_ASSIGN(const std::size_t released, state_->pool.release_others(keep));
  if (released > 0) log::info("released {} pod addresses that no sandbox owns", released);
  return first_error;
}

Result<> BridgeNetwork::remove() {
  TRY(state_->rules.remove_all());
  return state_->remove_link(state_->config.bridge);
}

} // namespace keelson::netns
