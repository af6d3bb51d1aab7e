#include "daemon/node.hpp"

#include "base/file.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "cgroups/driver.hpp"
#include "cgroups/group.hpp"
#include "cgroups/hierarchy.hpp"
#include "config.h"
#include "cri/grpc/server.hpp"
#include "cri/server/runtime.hpp"
#include "netns/bridge_network.hpp"
#include "netns/cni_network.hpp"

#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

namespace keelson::daemon {

namespace {

// Beside this program in a build tree (daemon/keelsond, cri/keelson-monitor), else as installed.
std::string find_monitor(const std::string& configured) {
  if (!configured.empty()) return configured;
  char self[4096] = {};
  const ssize_t size = ::readlink("/proc/self/exe", self, sizeof self - 1);
  const std::string path(self, size > 0 ? static_cast<std::size_t>(size) : 0);
  const std::size_t daemon_dir = path.rfind("/daemon/");
  if (daemon_dir != std::string::npos) {
    const std::string beside = path.substr(0, daemon_dir) + "/cri/keelson-monitor";
    if (exists(beside)) return beside;
  }
  return KEELSON_MONITOR_PATH;
}

Result<std::vector<netns::IpPrefix>> parse_ranges(const std::vector<std::string>& texts) {
  std::vector<netns::IpPrefix> ranges;
  for (const std::string& text : texts) {
    TRY_ASSIGN(const netns::IpPrefix range, netns::IpPrefix::parse(text));
    ranges.push_back(range);
  }
  return ranges;
}

Result<std::unique_ptr<netns::PodNetwork>> open_bridge(const Config& config) {
  netns::BridgeConfig bridge;
  bridge.bridge = config.network.bridge.name;
  bridge.state_dir = config.root + "/node";
  bridge.mtu = static_cast<unsigned>(config.network.bridge.mtu);
  TRY_ASSIGN(bridge.ranges, parse_ranges(config.network.bridge.ranges));
  TRY_ASSIGN(bridge.no_masquerade, parse_ranges(config.network.bridge.no_masquerade));
  bridge.masquerade = config.network.bridge.masquerade;
  bridge.host_ports = config.network.bridge.host_ports;
  bridge.localhost_host_ports = config.network.bridge.localhost_host_ports;
  bridge.iptables.restore4 = config.network.iptables.restore4;
  bridge.iptables.restore6 = config.network.iptables.restore6;
  bridge.iptables.chain_prefix = config.network.iptables.chain_prefix;
  TRY_ASSIGN(std::unique_ptr<netns::PodNetwork> network, netns::BridgeNetwork::open(bridge));
  return network;
}

Result<std::unique_ptr<netns::PodNetwork>> open_network(const Config& config) {
  TRY(make_dirs(config.root + "/node/cni", 0700));
  if (config.network.mode == "bridge") return open_bridge(config);
  netns::CniConfig cni;
  cni.config_dir = config.network.cni.config_dir;
  cni.plugin_dirs = config.network.cni.plugin_dirs;
  cni.cache_dir = config.root + "/node/cni";
  TRY_ASSIGN(auto network, netns::CniNetwork::open(cni));
  if (config.network.mode == "auto" && !network->has_configuration()) return open_bridge(config);
  log::info("pod network: CNI, {}", network->has_configuration() ? network->network_name() : "no configuration yet");
  return std::unique_ptr<netns::PodNetwork>(std::move(network));
}

cri::RuntimeOptions runtime_options(const Config& config) {
  cri::RuntimeOptions options;
  options.root = config.root;
  options.state = config.state;
  options.monitor_path = find_monitor(config.runtime.monitor);
  options.cgroup_parent = "/" + config.cgroups.parent;
  for (const HandlerConfig& handler : config.runtime.handlers)
    options.handlers.push_back({handler.name, handler.path, handler.args, handler.plain_namespaces});
  options.seccomp_profile_root = config.runtime.seccomp_profile_root;
  options.log_max_size = config.runtime.log_max_size.value;
  options.log_max_files = static_cast<unsigned>(config.runtime.log_max_files);
  options.pids_limit = config.runtime.pids_limit;
  options.create_timeout = std::chrono::seconds(config.runtime.create_timeout_seconds);
  options.images.registry_config_dir = config.images.registry_config_dir;
  options.images.auth_files = config.images.auth_files;
  options.images.pinned = config.images.pinned;
  options.images.parallel_layers = static_cast<unsigned>(config.images.parallel_layers);
  options.images.user_agent = "keelson/" KEELSON_VERSION;
  return options;
}

} // namespace

// In the order of making; destroyed the other way round.
struct Node::Parts {
  SystemClock clock;
  std::optional<LockFile> lock;
  std::optional<cgroups::Hierarchy> hierarchy;
  std::unique_ptr<cgroups::Driver> driver;
  std::unique_ptr<netns::PodNetwork> network;
  std::unique_ptr<cri::Runtime> runtime;
  std::unique_ptr<cri::GrpcServer> grpc;

  Result<> take_lock(const Config& config);
  Result<> open(const Config& config, Loop& loop);
};

Node::Node(std::unique_ptr<Parts> parts)
    : parts_(std::move(parts)) {}

Node::~Node() = default;

Result<> Node::Parts::take_lock(const Config& config) {
  TRY_CONTEXT(make_dirs(config.state, 0711), "state directory");
  TRY_CONTEXT(make_dirs(config.root, 0711), "root directory");
  auto held = LockFile::acquire(config.state + "/lock");
  if (!held && held.error().code == Code::already_exists)
    return fail(Code::failed_precondition,
                "another keelsond works on the state directory {}: stop it, or give this one another --state",
                config.state);
  if (!held) return Fail(std::move(held).error());
  lock = std::move(*held);
  return {};
}

Result<> Node::Parts::open(const Config& config, Loop& loop) {
  TRY(take_lock(config));
  TRY_ASSIGN(hierarchy, cgroups::Hierarchy::detect());
  log::info("cgroups: {}", hierarchy->describe());
  TRY_ASSIGN(const auto driver_kind, cgroups::parse_driver_kind(config.cgroups.driver));
  driver = cgroups::make_driver(driver_kind, *hierarchy);
  auto opened = open_network(config);
  if (!opened) return Fail(std::move(opened).error().context("pod network"));
  network = std::move(*opened);
  const cri::RuntimeServices services{loop, clock, *hierarchy, *driver, *network};
  TRY_ASSIGN(runtime, cri::Runtime::start(runtime_options(config), services));
  return {};
}

Result<std::unique_ptr<Node>> Node::start(const Config& config, Loop& loop) {
  auto parts = std::make_unique<Parts>();
  TRY(parts->open(config, loop));
  TRY_ASSIGN(parts->grpc, cri::GrpcServer::start({config.cri_socket(), config.cri.max_threads}, *parts->runtime));
  log::info("CRI on {}", config.cri_socket());
  return std::unique_ptr<Node>(new Node(std::move(parts)));
}

Result<> Node::clean_up(const Config& config, Loop& loop) {
  Parts parts;
  TRY(parts.open(config, loop));
  TRY_ASSIGN(const auto listed, parts.runtime->list_pod_sandbox({}));
  for (const auto& sandbox : listed.items()) {
    runtime::v1::RemovePodSandboxRequest request;
    request.set_pod_sandbox_id(sandbox.id());
    TRY(parts.runtime->remove_pod_sandbox(request));
  }
  parts.runtime.reset();
  if (auto* bridge = dynamic_cast<netns::BridgeNetwork*>(parts.network.get())) TRY(bridge->remove());
  const Deadline deadline = Deadline::after(std::chrono::seconds(30));
  for (const std::string& group : {"/" + config.cgroups.parent, "/" + config.cgroups.parent + "-monitors"})
    TRY(cgroups::Group::remove(*parts.hierarchy, group, deadline));
  for (const char* dir : {"/sandboxes", "/containers"})
    if (::umount2((config.state + dir).c_str(), MNT_DETACH) != 0 && errno != EINVAL)
      return fail_errno(errno, "unmount {}{}", config.state, dir);
  return {};
}

} // namespace keelson::daemon
