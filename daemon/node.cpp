#include "daemon/node.hpp"

#include "base/file.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "cgroups/driver.hpp"
#include "cgroups/hierarchy.hpp"
#include "config.h"
#include "cri/grpc/server.hpp"
#include "cri/server/runtime.hpp"
#include "netns/bridge_network.hpp"
#include "netns/cni_network.hpp"

#include <unistd.h>

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
};

Node::Node(std::unique_ptr<Parts> parts)
    : parts_(std::move(parts)) {}

Node::~Node() = default;

Result<std::unique_ptr<Node>> Node::start(const Config& config, Loop& loop) {
  auto parts = std::make_unique<Parts>();
  TRY_CONTEXT(make_dirs(config.state, 0711), "state directory");
  TRY_CONTEXT(make_dirs(config.root, 0711), "root directory");
  auto lock = LockFile::acquire(config.state + "/lock");
  if (!lock && lock.error().code == Code::already_exists)
    return fail(Code::failed_precondition,
                "another keelsond works on the state directory {}: stop it, or give this one another --state",
                config.state);
  if (!lock) return Fail(std::move(lock).error());
  parts->lock = std::move(*lock);
  TRY_ASSIGN(parts->hierarchy, cgroups::Hierarchy::detect());
  log::info("cgroups: {}", parts->hierarchy->describe());
  TRY_ASSIGN(const auto driver_kind, cgroups::parse_driver_kind(config.cgroups.driver));
  parts->driver = cgroups::make_driver(driver_kind, *parts->hierarchy);
  TRY_CONTEXT(([&]() -> Result<> {
                TRY_ASSIGN(parts->network, open_network(config));
                return {};
              }()),
              "pod network");
  cri::RuntimeServices services{loop, parts->clock, *parts->hierarchy, *parts->driver, *parts->network};
  TRY_ASSIGN(parts->runtime, cri::Runtime::start(runtime_options(config), services));
  TRY_ASSIGN(parts->grpc, cri::GrpcServer::start({config.cri_socket(), config.cri.max_threads}, *parts->runtime));
  log::info("CRI on {}", config.cri_socket());
  return std::unique_ptr<Node>(new Node(std::move(parts)));
}

} // namespace keelson::daemon
