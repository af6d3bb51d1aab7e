#include "base/file.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "cgroups/group.hpp"
#include "cgroups/group_name.hpp"
#include "cri/oci/generated_files.hpp"
#include "cri/server/runtime_state.hpp"
#include "netns/pinned_namespaces.hpp"

#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>

namespace keelson::cri {

namespace {

Result<> check_metadata(const v1::PodSandboxMetadata& metadata) {
  for (const std::string* text : {&metadata.name(), &metadata.namespace_(), &metadata.uid()})
    if (text->find_first_of("/\n") != std::string::npos)
      return fail(Code::invalid_argument, "sandbox metadata holds a slash or a newline");
  if (metadata.name().empty()) return fail(Code::invalid_argument, "config.metadata.name is empty");
  return {};
}

Result<> check_namespaces(const v1::PodSandboxConfig& config) {
  const v1::NamespaceOption& options = config.linux().security_context().namespace_options();
  if (options.has_userns_options() && options.userns_options().mode() != v1::NODE)
    return fail(Code::unimplemented, "user namespaces are not supported: leave hostUsers at its default");
  if (options.pid() == v1::TARGET)
    return fail(Code::invalid_argument, "a sandbox cannot target another container's PID namespace");
  if (options.network() == v1::CONTAINER || options.ipc() == v1::CONTAINER)
    return fail(Code::invalid_argument, "network and IPC namespaces belong to the pod or the node, not to a container");
  return {};
}

std::string node_hostname() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return name;
}

Result<netns::PortMapping> port_mapping(const v1::PortMapping& from) {
  netns::PortMapping to;
  switch (from.protocol()) {
  case v1::UDP:
    to.protocol = netns::Protocol::udp;
    break;
  case v1::SCTP:
    to.protocol = netns::Protocol::sctp;
    break;
  default:
    to.protocol = netns::Protocol::tcp;
    break;
  }
  for (const int port : {from.container_port(), from.host_port()})
    if (port < 0 || port > 65535) return fail(Code::invalid_argument, "port {} is not in 0..65535", port);
  to.container_port = static_cast<std::uint16_t>(from.container_port());
  to.host_port = static_cast<std::uint16_t>(from.host_port());
  if (!from.host_ip().empty()) {
    TRY_ASSIGN(to.host_ip, netns::IpAddress::parse(from.host_ip()));
  }
  return to;
}

Result<> mount_tmpfs(const std::string& path, const std::string& options) {
  TRY(make_dir_at(AT_FDCWD, path, 0700));
  if (::mount("keelson", path.c_str(), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options.c_str()) != 0)
    return fail_errno(errno, "mount a tmpfs on {}", path);
  return {};
}

// The steps that make a sandbox, in order. Each adds its undo; run() commits when all are done.
class SandboxLaunch {
 public:
  SandboxLaunch(Runtime::State& state, const v1::RunPodSandboxRequest& request)
      : state_(state)
      , request_(request)
      , sandbox_(std::make_shared<Sandbox>()) {}

  Result<std::string> run() {
    TRY(describe());
    TRY(check_config());
    // Whoever finds it by its id from now on, to stop it, waits until it is ready or undone.
    const auto lock = state_.locks.lock(sandbox_->id);
    TRY(make_directory());
    auto made = make();
    if (made) {
      rollback_.commit();
      return sandbox_->id;
    }
    Error error = std::move(made).error();
    keep_if_not_undone(error);
    return Fail(std::move(error));
  }

 private:
  Result<> describe() {
    sandbox_->id = random_id();
    sandbox_->config = request_.config();
    sandbox_->created_at = state_.services.clock.wall_now();
    TRY_ASSIGN(const OciRuntime* handler, state_.handler(request_.runtime_handler()));
    sandbox_->handler = handler->options().name;
    sandbox_->cgroup_parent = sandbox_->config.linux().cgroup_parent();
    if (sandbox_->cgroup_parent.empty()) {
      sandbox_->owns_cgroup = true;
      // Not by the pod's uid: two attempts of one pod may be there at once, and each removes its own.
      sandbox_->cgroup_parent = state_.options.cgroup_parent + "/pod" + sandbox_->id;
    }
    return {};
  }

  // Everything that can be refused is refused before anything is made.
  Result<> check_config() {
    const v1::PodSandboxConfig& config = sandbox_->config;
    TRY(check_namespaces(config));
    TRY_ASSIGN(const auto name, cgroups::GroupName::parse(sandbox_->cgroup_parent));
    TRY_ASSIGN(sandbox_->cgroup_parent, state_.services.driver.path_of(name));
    if (!config.hostname().empty()) TRY(check_hostname(config.hostname()));
    for (const auto& [key, value] : config.linux().sysctls()) {
      TRY_ASSIGN(netns::Sysctl sysctl,
                 netns::validate_sysctl(key, value, sandbox_->host_network(), sandbox_->host_ipc()));
      sysctls_.push_back(std::move(sysctl));
    }
    for (const v1::PortMapping& port : config.port_mappings()) {
      TRY_ASSIGN(netns::PortMapping mapping, port_mapping(port));
      ports_.push_back(std::move(mapping));
    }
    hostname_ = sandbox_->host_network() || config.hostname().empty() ? node_hostname() : config.hostname();
    TRY_ASSIGN(resolv_conf_, resolv_conf());
    return {};
  }

  Result<std::string> resolv_conf() const {
    const v1::DNSConfig& dns = sandbox_->config.dns_config();
    if (dns.servers().empty() && dns.searches().empty() && dns.options().empty())
      return read_file("/etc/resolv.conf").value_or(std::string{});
    return resolv_conf_text(dns);
  }

  Result<> make_directory() {
    TRY(make_dir_at(AT_FDCWD, state_.paths.sandbox(sandbox_->id), 0700));
    rollback_.add("remove the sandbox' directory", [this] { return remove_tree(state_.paths.sandbox(sandbox_->id)); });
    TRY(state_.save(*sandbox_));
    return {};
  }

  Result<> make() {
    state_.sandboxes.add(sandbox_);
    rollback_.add("forget the sandbox", [this]() -> Result<> {
      state_.sandboxes.remove(sandbox_->id);
      return {};
    });
    TRY(make_cgroup());
    TRY_CONTEXT(make_namespaces(), "namespaces of sandbox {}", sandbox_->name());
    TRY_CONTEXT(make_shm(), "/dev/shm of sandbox {}", sandbox_->name());
    TRY_CONTEXT(start_monitor(), "monitor of sandbox {}", sandbox_->name());
    TRY_CONTEXT(start_infra(), "shared PID namespace of sandbox {}", sandbox_->name());
    TRY_CONTEXT(attach_network(), "network of sandbox {}", sandbox_->name());
    TRY(write_files());
    TRY(make_log_directory());
    {
      const std::lock_guard lock(sandbox_->mutex);
      sandbox_->phase = SandboxPhase::ready;
    }
    TRY(state_.save(*sandbox_));
    // CRI has no event of its own for sandboxes: the container events carry the sandbox' id.
    state_.publish(*sandbox_, sandbox_->id, v1::CONTAINER_CREATED_EVENT);
    state_.publish(*sandbox_, sandbox_->id, v1::CONTAINER_STARTED_EVENT);
    return {};
  }

  Result<> make_cgroup() {
    if (!sandbox_->owns_cgroup) return {};
    // Apart from the record, so that the cgroup is found and removed even if the record is damaged.
    TRY(write_file_atomic(state_.paths.owned_cgroup(sandbox_->id), sandbox_->cgroup_parent));
    const auto group = cgroups::Group::create(state_.services.hierarchy, sandbox_->cgroup_parent);
    if (!group) return Fail(Error(group.error()).context("cgroup of sandbox " + sandbox_->name()));
    rollback_.add("remove the pod's cgroup", [this] {
      return cgroups::Group::remove(state_.services.hierarchy, sandbox_->cgroup_parent, Deadline::after(kShortWork));
    });
    return {};
  }

  Result<> make_namespaces() {
    const std::string dir = state_.paths.namespaces(sandbox_->id);
    TRY(make_dir_at(AT_FDCWD, dir, 0700));
    rollback_.add("release namespaces and mounts", [this] { return state_.release_sandbox(*sandbox_); });
    netns::NamespaceSpec spec;
    spec.net = !sandbox_->host_network();
    spec.ipc = !sandbox_->host_ipc();
    spec.uts = !sandbox_->host_network(); // a pod in the node's network has the node's name, as with every CRI runtime
    spec.hostname = hostname_;
    spec.sysctls = sysctls_;
    TRY(netns::create_pinned_namespaces(dir, spec));
    return {};
  }

  Result<> make_shm() {
    if (sandbox_->host_ipc()) return {};
    return mount_tmpfs(state_.paths.shm(sandbox_->id), fmt::format("mode=1777,size={}", state_.options.shm_size));
  }

  Result<> start_monitor() {
    MonitorClient::StartOptions options;
    options.binary_fd = state_.monitor_binary->fd();
    options.dir = state_.paths.sandbox(sandbox_->id);
    options.spawn = [this](const SpawnOptions& monitor) { return state_.launcher->spawn(monitor); };
    rollback_.add("stop the monitor", [this]() -> Result<> {
      state_.stop_monitor(*sandbox_);
      return {};
    });
    TRY_ASSIGN(MonitorClient client,
               MonitorClient::start(options, state_.services.loop, state_.monitor_events(sandbox_->id),
                                    Deadline::after(kShortWork)));
    {
      const std::lock_guard lock(sandbox_->mutex);
      sandbox_->monitor = std::make_shared<MonitorClient>(std::move(client));
    }
    return {};
  }

  Result<> start_infra() {
    if (!sandbox_->shared_pid()) return {};
    TRY_ASSIGN(const ProcessId infra, sandbox_->current_monitor()->start_infra(Deadline::after(kShortWork)));
    {
      const std::lock_guard lock(sandbox_->mutex);
      sandbox_->infra = infra;
    }
    const std::string pin = state_.paths.namespaces(sandbox_->id) + "/pid";
    TRY(write_file_atomic(pin, ""));
    const std::string source = fmt::format("/proc/{}/ns/pid", infra.pid);
    if (::mount(source.c_str(), pin.c_str(), nullptr, MS_BIND, nullptr) != 0)
      return fail_errno(errno, "pin {} at {}", source, pin);
    return {};
  }

  Result<> attach_network() {
    if (sandbox_->host_network()) return {};
    const v1::PodSandboxConfig& config = sandbox_->config;
    netns::AttachRequest request;
    request.sandbox_id = sandbox_->id;
    request.pod = {config.metadata().name(), config.metadata().namespace_(), config.metadata().uid()};
    request.netns_path = netns::namespace_path(state_.paths.namespaces(sandbox_->id), netns::NamespaceKind::net);
    request.ports = ports_;
    request.hostname = hostname_;
    request.dns = {{config.dns_config().servers().begin(), config.dns_config().servers().end()},
                   {config.dns_config().searches().begin(), config.dns_config().searches().end()},
                   {config.dns_config().options().begin(), config.dns_config().options().end()}};
    request.annotations = {config.annotations().begin(), config.annotations().end()};
    request.deadline = Deadline::after(std::chrono::minutes(2));
    TRY_ASSIGN(const netns::PodAddresses addresses, state_.services.network.attach(request));
    const std::lock_guard lock(sandbox_->mutex);
    for (const netns::IpAddress& ip : addresses.ips) sandbox_->ips.push_back(ip.text());
    return {};
  }

  // On a file system of their own: what a container writes into its /etc/hosts must not fill the node's /run.
  Result<> write_files() {
    const std::string dir = state_.paths.etc(sandbox_->id);
    TRY(mount_tmpfs(dir, "mode=755,size=512k,nr_inodes=16"));
    TRY(write_file_atomic(dir + "/resolv.conf", resolv_conf_, 0644));
    TRY_ASSIGN(const std::string hostname, hostname_text(hostname_));
    TRY(write_file_atomic(dir + "/hostname", hostname, 0644));
    TRY_ASSIGN(const std::string hosts, hosts_text(hostname_, sandbox_->ips));
    return write_file_atomic(dir + "/hosts", hosts, 0644);
  }

  Result<> make_log_directory() {
    const std::string& path = sandbox_->config.log_directory();
    if (path.empty()) return {};
    if (path.front() != '/') return fail(Code::invalid_argument, "log_directory {} is not an absolute path", path);
    TRY_CONTEXT(make_dirs(path, 0755), "log directory");
    return {};
  }

  void keep_if_not_undone(Error& error) {
    const auto undone = rollback_.run();
    if (undone) return;
    log::error("sandbox {} ({}): {}; it is kept as unknown, StopPodSandbox and RemovePodSandbox finish it",
               sandbox_->id, sandbox_->name(), undone.error().message);
    error.message += "; " + undone.error().message;
    {
      const std::lock_guard lock(sandbox_->mutex);
      sandbox_->phase = SandboxPhase::unknown;
    }
    state_.sandboxes.add(sandbox_);
    if (make_dir_at(AT_FDCWD, state_.paths.sandbox(sandbox_->id), 0700)) static_cast<void>(state_.save(*sandbox_));
  }

  Runtime::State& state_;
  const v1::RunPodSandboxRequest& request_;
  std::shared_ptr<Sandbox> sandbox_;
  std::string hostname_;
  std::string resolv_conf_;
  std::vector<netns::Sysctl> sysctls_;
  std::vector<netns::PortMapping> ports_;
  Rollback rollback_; // last: its undos use the members above
};

} // namespace

Result<v1::RunPodSandboxResponse> Runtime::run_pod_sandbox(const v1::RunPodSandboxRequest& request) {
  const v1::PodSandboxMetadata& metadata = request.config().metadata();
  TRY(check_metadata(metadata));
  const std::string key = sandbox_key(metadata);
  // A request that is repeated after a time-out waits for the first one here and gets its sandbox.
  const auto lock = state_->locks.lock("sandbox-key/" + key);
  v1::RunPodSandboxResponse response;
  if (const auto existing = state_->sandboxes.find_by_key(key)) {
    if (existing->current_phase() != SandboxPhase::ready)
      return fail(Code::already_exists,
                  "sandbox {} attempt {} exists as {} and is {}: remove it, or ask with the next attempt",
                  existing->name(), metadata.attempt(), existing->id, to_string(existing->current_phase()));
    response.set_pod_sandbox_id(existing->id);
    return response;
  }
  TRY_ASSIGN(std::string id, SandboxLaunch(*state_, request).run());
  response.set_pod_sandbox_id(std::move(id));
  return response;
}

} // namespace keelson::cri
