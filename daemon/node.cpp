#include "daemon/node.hpp"

#include "base/file.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "cgroups/driver.hpp"
#include "cgroups/group.hpp"
#include "cgroups/hierarchy.hpp"
#include "cgroups/hugetlb_values.hpp"
#include "config.h"
#include "cri/grpc/server.hpp"
#include "cri/server/runtime.hpp"
#include "daemon/admin/admin_api.hpp"
#include "daemon/directory_watch.hpp"
#include "daemon/pods/cri_pod_runtime.hpp"
#include "daemon/pods/pod_agent.hpp"
#include "daemon/pods/pod_runtime.hpp"
#include "daemon/pods/pod_volumes.hpp"
#include "health/prober.hpp"
#include "netns/auto_network.hpp"
#include "qos/tier_tree.hpp"

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

Result<netns::BridgeConfig> bridge_config(const Config& config) {
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
  return bridge;
}

Result<std::unique_ptr<netns::PodNetwork>> open_network(const Config& config) {
  TRY(make_dirs(config.root + "/node/cni", 0700));
  TRY_ASSIGN(netns::BridgeConfig bridge, bridge_config(config));
  if (config.network.mode == "bridge") {
    TRY_ASSIGN(std::unique_ptr<netns::PodNetwork> network, netns::BridgeNetwork::open(bridge));
    return network;
  }
  netns::CniConfig cni;
  cni.config_dir = config.network.cni.config_dir;
  cni.plugin_dirs = config.network.cni.plugin_dirs;
  cni.cache_dir = config.root + "/node/cni";
  if (config.network.mode == "cni") {
    TRY_ASSIGN(std::unique_ptr<netns::PodNetwork> network, netns::CniNetwork::open(cni));
    return network;
  }
  TRY_ASSIGN(std::unique_ptr<netns::PodNetwork> network, netns::AutoNetwork::open(cni, std::move(bridge)));
  return network;
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
  options.log_max_size = config.container_log_max_size().value;
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

std::string node_name(const Config& config) {
  if (!config.node_name.empty()) return config.node_name;
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return to_lower(name);
}

// What the machine has: CPUs that this process may use, and all memory.
qos::Node node_capacity() {
  qos::Node node;
  node.cpu = MilliCpu{::sysconf(_SC_NPROCESSORS_ONLN) * 1000};
  node.memory = Bytes{::sysconf(_SC_PHYS_PAGES) * ::sysconf(_SC_PAGESIZE)};
  node.huge_page_sizes = cgroups::machine_huge_page_sizes();
  return node;
}

qos::ValueOptions value_options(const cgroups::Hierarchy& hierarchy) {
  qos::ValueOptions options;
  options.version = hierarchy.layout().version_of(cgroups::Controller::memory).value_or(cgroups::Version::v2);
  return options;
}

} // namespace

// In the order of making; destroyed the other way round.
struct Node::Parts {
  SystemClock clock;
  std::optional<LockFile> state_lock;
  std::optional<LockFile> root_lock;
  std::optional<cgroups::Hierarchy> hierarchy;
  std::unique_ptr<cgroups::Driver> driver;
  std::unique_ptr<netns::PodNetwork> network;
  WorkerPool reloads{"reload", 1};
  std::unique_ptr<DirectoryWatch> cni_watch;
  std::unique_ptr<cri::Runtime> runtime;
  std::unique_ptr<qos::TierTree> tiers;
  std::unique_ptr<health::Prober> prober;
  std::unique_ptr<PodRuntime> pod_runtime;
  std::unique_ptr<PodAgent> agent;
  std::unique_ptr<cri::GrpcServer> grpc;
  std::unique_ptr<AdminServer> admin;

  Result<> take_locks(const Config& config);
  Result<> watch_cni(const Config& config, Loop& loop);
  Result<> open(const Config& config, Loop& loop);
  Result<> start_agent(const Config& config, Loop& loop);
  Result<> serve(const Config& config);
};

Node::Node(std::unique_ptr<Parts> parts)
    : parts_(std::move(parts)) {}

Node::~Node() = default;

Result<> Node::Parts::take_locks(const Config& config) {
  TRY_CONTEXT(make_dirs(config.state, 0711), "state directory");
  TRY_CONTEXT(make_dirs(config.root, 0711), "root directory");
  const auto take = [](const std::string& dir, const char* what, const char* option) -> Result<LockFile> {
    auto held = LockFile::acquire(dir + "/lock");
    if (held || held.error().code != Code::already_exists) return held;
    return fail(Code::failed_precondition,
                "another keelsond works on the {} directory {}: stop it, or give this one another {}", what, dir,
                option);
  };
  TRY_ASSIGN(state_lock, take(config.state, "state", "--state"));
  TRY_ASSIGN(root_lock, take(config.root, "root", "--root"));
  return {};
}

// A CNI configuration that is installed or changed later counts from the next pod on.
Result<> Node::Parts::watch_cni(const Config& config, Loop& loop) {
  auto* automatic = dynamic_cast<netns::AutoNetwork*>(network.get());
  auto* cni = automatic != nullptr ? &automatic->cni() : dynamic_cast<netns::CniNetwork*>(network.get());
  if (cni == nullptr) return {};
  TRY(make_dirs(config.network.cni.config_dir, 0755));
  TRY_ASSIGN(cni_watch, DirectoryWatch::start(config.network.cni.config_dir, loop, [this, cni] {
               reloads.post([cni] {
                 if (const auto reloaded = cni->reload(); !reloaded) log::warning("CNI: {}", reloaded.error().message);
               });
             }));
  return {};
}

Result<> Node::Parts::open(const Config& config, Loop& loop) {
  TRY(take_locks(config));
  TRY_ASSIGN(hierarchy, cgroups::Hierarchy::detect());
  log::info("cgroups: {}", hierarchy->describe());
  TRY_ASSIGN(const auto driver_kind, cgroups::parse_driver_kind(config.cgroups.driver));
  driver = cgroups::make_driver(driver_kind, *hierarchy);
  auto opened = open_network(config);
  if (!opened) return Fail(std::move(opened).error().context("pod network"));
  network = std::move(*opened);
  TRY(watch_cni(config, loop));
  const cri::RuntimeServices services{loop, clock, *hierarchy, *driver, *network};
  TRY_ASSIGN(runtime, cri::Runtime::start(runtime_options(config), services));
  return {};
}

Result<> Node::Parts::start_agent(const Config& config, Loop& loop) {
  qos::TierTreeOptions tier_options;
  TRY_ASSIGN(tier_options.parent, cgroups::GroupName::parse(config.cgroups.parent));
  tier_options.capacity = node_capacity();
  tier_options.values = value_options(*hierarchy);
  PodAgentOptions options;
  options.node_name = node_name(config);
  options.manifest_dir = config.pods.manifest_dir;
  options.log_dir = config.pods.log_dir;
  options.root = config.root;
  options.max_pods = static_cast<std::size_t>(config.pods.max_pods);
  options.capacity = tier_options.capacity;
  options.values = tier_options.values;
  tiers = std::make_unique<qos::TierTree>(*driver, *hierarchy, std::move(tier_options));
  TRY_CONTEXT(tiers->ensure_tiers(), "cgroup tiers");
  prober = std::make_unique<health::Prober>();
  pod_runtime = make_pod_runtime(*runtime);
  TRY_ASSIGN(agent,
             PodAgent::start(std::move(options), PodAgentServices{*pod_runtime, tiers.get(), loop, clock, *prober}));
  log::info("static pods from {}", config.pods.manifest_dir);
  return {};
}

Result<> Node::Parts::serve(const Config& config) {
  AdminServices services{*runtime, *hierarchy};
  services.tiers = tiers.get();
  if (agent != nullptr) {
    services.pods = [pods = agent.get()] { return pods->pods(); };
    services.wait_events = [pods = agent.get()](std::uint64_t after, Deadline deadline) {
      return pods->events().wait(after, deadline);
    };
  }
  services.node_name = node_name(config);
  services.config_text = config_text(config);
  services.cri_socket = config.cri_socket();
  AdminServerOptions options;
  options.socket = config.admin_socket();
  TRY_ASSIGN(admin, AdminServer::start(std::move(options), make_admin_handler(std::move(services))));
  TRY_ASSIGN(grpc, cri::GrpcServer::start({config.cri_socket(), config.cri.group, config.cri.max_threads}, *runtime));
  log::info("CRI on {}", config.cri_socket());
  return {};
}

Result<std::unique_ptr<Node>> Node::start(const Config& config, Loop& loop) {
  auto parts = std::make_unique<Parts>();
  TRY(parts->open(config, loop));
  if (config.does("pods")) TRY(parts->start_agent(config, loop));
  TRY(parts->serve(config));
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
  const PodVolumes volumes(config.root);
  for (const std::string& uid : volumes.known_uids()) TRY(volumes.tear_down(uid, PodVolumes::Extent::everything));
  auto* automatic = dynamic_cast<netns::AutoNetwork*>(parts.network.get());
  auto* bridge = automatic != nullptr ? automatic->bridge() : dynamic_cast<netns::BridgeNetwork*>(parts.network.get());
  if (bridge != nullptr) TRY(bridge->remove());
  const Deadline deadline = Deadline::after(std::chrono::seconds(30));
  for (const std::string& group : {"/" + config.cgroups.parent, "/" + config.cgroups.parent + "-monitors"})
    TRY(cgroups::Group::remove(*parts.hierarchy, group, deadline));
  for (const char* dir : {"/sandboxes", "/containers"})
    if (::umount2((config.state + dir).c_str(), MNT_DETACH) != 0 && errno != EINVAL)
      return fail_errno(errno, "unmount {}{}", config.state, dir);
  return {};
}

} // namespace keelson::daemon
