#include "base/file.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "base/text.hpp"
#include "cgroups/group.hpp"
#include "cgroups/group_name.hpp"
#include "cri/oci/devices.hpp"
#include "cri/oci/mount_sources.hpp"
#include "cri/oci/rootfs_guard.hpp"
#include "cri/oci/rootfs_user.hpp"
#include "cri/oci/spec_builder.hpp"
#include "cri/server/runtime_state.hpp"
#include "cri/server/signals.hpp"
#include "netns/pinned_namespaces.hpp"

#include <google/protobuf/util/message_differencer.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace keelson::cri {

namespace {

std::string node_hostname() {
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  return name;
}

// The log's place: below the sandbox' directory, nowhere else.
Result<std::string> log_path_of(const v1::PodSandboxConfig& sandbox, const v1::ContainerConfig& config) {
  if (sandbox.log_directory().empty() || config.log_path().empty()) return std::string{};
  for (const std::string_view part : split(config.log_path(), '/'))
    if (part == "..") return fail(Code::invalid_argument, "log_path {} leaves the log directory", config.log_path());
  return sandbox.log_directory() + "/" + config.log_path();
}

// kubelet asks with the image's id and shows people what the status says.
std::string image_name(const v1::ImageSpec& spec, const Image& image) {
  constexpr std::string_view kAlgorithm = "sha256:";
  std::string_view asked = spec.image();
  if (asked.starts_with(kAlgorithm)) asked.remove_prefix(kAlgorithm.size());
  if (!std::string_view(image.id).substr(kAlgorithm.size()).starts_with(asked)) return spec.image();
  if (!spec.user_specified_image().empty()) return spec.user_specified_image();
  return image.repo_tags.empty() ? spec.image() : image.repo_tags.front();
}

bool is_mounted(const v1::ContainerConfig& config, std::string_view path) {
  return std::any_of(config.mounts().begin(), config.mounts().end(),
                     [&](const v1::Mount& mount) { return mount.container_path() == path; });
}

// The steps that make a container, in order. Each adds its undo; run() commits when all are done.
class ContainerCreation {
 public:
  ContainerCreation(Runtime::State& state, std::shared_ptr<Sandbox> sandbox, const v1::CreateContainerRequest& request)
      : state_(state)
      , sandbox_(std::move(sandbox))
      , container_(std::make_shared<Container>())
      , config_(request.config()) {}

  Result<std::string> run() {
    TRY(describe());
    TRY(make_directory());
    TRY(mount_rootfs());
    TRY(resolve_user_ids());
    TRY(fill_volumes());
    TRY(mount_images());
    TRY(build());
    TRY(prepare_files());
    if (hugetlb_is_ours()) TRY(limit_huge_pages());
    TRY(state_.save(*container_));
    state_.containers.add(container_);
    rollback_.add("forget the container", [this]() -> Result<> {
      state_.containers.remove(container_->id);
      return {};
    });
    TRY(create_in_monitor());
    limit_huge_page_reservation();
    TRY(state_.save(*container_));
    rollback_.commit();
    state_.publish(*container_, v1::CONTAINER_CREATED_EVENT);
    return container_->id;
  }

  // Undoes what run() left; the error, if any, gets what could not be undone.
  void undo(Error& error) {
    const auto undone = rollback_.run();
    if (undone) return;
    log::error("container {}: {}; it is kept as unknown, RemoveContainer finishes it", container_->id,
               undone.error().message);
    error.message += "; " + undone.error().message;
    {
      const std::lock_guard lock(container_->mutex);
      container_->phase = ContainerPhase::unknown;
    }
    state_.containers.add(container_);
  }

 private:
  Result<> describe() {
    TRY_ASSIGN(runtime_, state_.handler(sandbox_->handler));
    const std::string& wanted = config_.image().image();
    auto image = state_.images->find(wanted);
    if (!image && image.error().code == Code::not_found)
      return fail(Code::not_found, "image \"{}\" is not on this node: pull it first", printable(wanted));
    if (!image) return Fail(std::move(image).error());
    image_ = std::move(*image);
    container_->id = random_id();
    container_->sandbox_id = sandbox_->id;
    container_->config = config_;
    container_->handler = sandbox_->handler;
    container_->image_id = image_.id;
    container_->image_digest = image_.repo_digests.empty() ? image_.id : image_.repo_digests.front();
    container_->image_name = image_name(config_.image(), image_);
    container_->created_at = state_.services.clock.wall_now();
    container_->resources = config_.linux().resources();
    TRY_ASSIGN(container_->log_path, log_path_of(sandbox_->config, config_));
    TRY(choose_stop_signal());
    TRY_ASSIGN(const auto parent, cgroups::GroupName::parse(sandbox_->cgroup_parent));
    TRY_ASSIGN(container_->cgroup_path, state_.services.driver.container_path(parent, container_->id));
    TRY_ASSIGN(runtime_cgroup_, state_.services.driver.runtime_path(parent, container_->id));
    return {};
  }

  Result<> choose_stop_signal() {
    if (config_.stop_signal() != v1::SIGNAL_RUNTIME_DEFAULT)
      container_->stop_signal = v1::Signal_Name(config_.stop_signal()).substr(std::string_view("SIGNAL_").size());
    else
      container_->stop_signal = image_.config.stop_signal;
    if (signal_number(container_->stop_signal)) return {};
    log::warning("container {}: the image's stop signal \"{}\" is none; SIGTERM is used", container_->id,
                 printable(container_->stop_signal, 64));
    container_->stop_signal.clear();
    return {};
  }

  Result<> make_directory() {
    const std::string dir = state_.paths.container(container_->id);
    TRY(make_dir_at(AT_FDCWD, dir, 0700));
    rollback_.add("remove what was made of the container", [this] {
      return state_.destroy_container_files(container_->id, container_->handler, container_->cgroup_path);
    });
    TRY(state_.save(*container_));
    return make_dir_at(AT_FDCWD, state_.paths.rootfs(container_->id), 0700);
  }

  Result<> mount_rootfs() {
    const std::string target = state_.paths.rootfs(container_->id);
    TRY_CONTEXT(state_.rootfs->prepare(container_->id, image_, target), "root file system of container {}", name());
    TRY_ASSIGN(rootfs_fd_, open_at(AT_FDCWD, target, O_PATH | O_DIRECTORY));
    return {};
  }

  Result<> resolve_user_ids() {
    TRY_ASSIGN(const UserRequest request, user_request(config_.linux().security_context(), image_.config));
    TRY_ASSIGN(user_, resolve_user(rootfs_fd_.get(), request));
    container_->user.uid = user_.uid;
    container_->user.gid = user_.gid;
    container_->user.supplemental_gids.assign(user_.additional_gids.begin(), user_.additional_gids.end());
    return {};
  }

  // Each VOLUME of the image that nothing is mounted on gets a directory of the container's own, with the image's
  // content.
  Result<> fill_volumes() {
    const std::string base = state_.paths.image_volumes(container_->id);
    std::size_t number = 0;
    for (const std::string& volume : image_.config.volumes) {
      if (is_mounted(config_, volume)) continue;
      if (number == 0) TRY(make_dir_at(AT_FDCWD, base, 0700));
      const std::string dir = fmt::format("{}/{}", base, number++);
      TRY(make_dir_at(AT_FDCWD, dir, 0755));
      TRY_CONTEXT(RootfsStore::copy_volume_content(state_.paths.rootfs(container_->id), volume, dir),
                  "volume {} of the image", printable(volume));
      v1::Mount& mount = *config_.add_mounts();
      mount.set_container_path(volume);
      mount.set_host_path(dir);
    }
    return {};
  }

  Result<> mount_images() {
    image_paths_.resize(static_cast<std::size_t>(config_.mounts_size()));
    container_->volume_images.resize(image_paths_.size());
    for (std::size_t i = 0; i < image_paths_.size(); ++i) {
      const v1::Mount& mount = config_.mounts(static_cast<int>(i));
      const std::string& wanted = mount.image().image();
      if (wanted.empty()) continue;
      const auto image = state_.images->find(wanted);
      if (!image && image.error().code == Code::not_found)
        return fail(Code::not_found, "image \"{}\" of the volume at {} is not on this node: pull it first",
                    printable(wanted), printable(mount.container_path()));
      if (!image) return Fail(image.error());
      container_->volume_images[i] = image->id;
      const std::string number = std::to_string(i);
      image_paths_[i] = state_.paths.mounted_images(container_->id) + "/" + number;
      TRY(make_dirs(image_paths_[i], 0700));
      TRY(state_.rootfs->mount_image_readonly(Runtime::State::image_hold(container_->id, number), *image,
                                              image_paths_[i]));
    }
    return {};
  }

  ContainerNamespaces namespaces() const {
    const std::string dir = state_.paths.namespaces(sandbox_->id);
    const auto pinned = [&](netns::NamespaceKind kind) {
      return NamespaceSource::at(netns::namespace_path(dir, kind));
    };
    ContainerNamespaces found;
    const bool host_network = sandbox_->host_network();
    found.network = host_network ? NamespaceSource::host() : pinned(netns::NamespaceKind::net);
    found.uts = host_network ? NamespaceSource::host() : pinned(netns::NamespaceKind::uts);
    found.ipc = sandbox_->host_ipc() ? NamespaceSource::host() : pinned(netns::NamespaceKind::ipc);
    return found;
  }

  Result<NamespaceSource> pid_namespace() const {
    const v1::NamespaceOption& options = config_.linux().security_context().namespace_options();
    switch (options.pid()) {
    case v1::NODE:
      return NamespaceSource::host();
    case v1::CONTAINER:
      return NamespaceSource::own();
    case v1::TARGET: {
      TRY_ASSIGN(const auto target, state_.containers.find(options.target_id()));
      const std::lock_guard lock(target->mutex);
      if (target->sandbox_id != sandbox_->id || target->phase != ContainerPhase::running)
        return fail(Code::failed_precondition, "target container {} does not run in this pod", options.target_id());
      return NamespaceSource::at(fmt::format("/proc/{}/ns/pid", target->init.pid));
    }
    default:
      break;
    }
    if (!sandbox_->shared_pid()) return NamespaceSource::own();
    return NamespaceSource::at(state_.paths.namespaces(sandbox_->id) + "/pid");
  }

  Result<> build() {
    SpecInput input{.container = config_,
                    .sandbox = sandbox_->config,
                    .image = image_.config,
                    .node = state_.node,
                    .runtime = runtime_->info().features};
    input.container_id = container_->id;
    input.sandbox_id = sandbox_->id;
    input.rootfs = state_.paths.rootfs(container_->id);
    input.cgroups_path = runtime_cgroup_;
    input.hostname =
        sandbox_->host_network() || sandbox_->config.hostname().empty() ? node_hostname() : sandbox_->config.hostname();
    input.user = user_;
    input.namespaces = namespaces();
    TRY_ASSIGN(input.namespaces.pid, pid_namespace());
    const std::string dir = state_.paths.etc(sandbox_->id);
    input.generated = {dir + "/hosts", dir + "/hostname", dir + "/resolv.conf",
                       sandbox_->host_ipc() ? "/dev/shm" : state_.paths.shm(sandbox_->id)};
    TRY_ASSIGN(input.devices, resolve_devices(config_));
    TRY_ASSIGN(input.mount_sources, resolve_mount_sources(config_, image_paths_));
    TRY_ASSIGN(input.seccomp, state_.seccomp_store.choose(config_.linux().security_context()));
    input.pids_limit = state_.options.pids_limit;
    TRY_ASSIGN(spec_, build_spec(input));
    for (const std::string& warning : spec_.warnings) log::debug("container {}: {}", name(), warning);
    return {};
  }

  Result<> prepare_files() {
    const bool privileged = config_.linux().security_context().privileged();
    TRY(prepare_rootfs(rootfs_fd_.get(), rootfs_plan(spec_, image_.config, privileged)));
    rootfs_fd_.reset();
    TRY(write_file_atomic(state_.paths.container(container_->id) + "/config.json", spec_.config_json));
    if (container_->log_path.empty()) return {};
    TRY_CONTEXT(make_dirs(container_->log_path.substr(0, container_->log_path.rfind('/')), 0755), "log directory");
    return {};
  }

  // On a hybrid machine runtimes set limits on v1 hierarchies only. Controllers of the cgroup2 mount are ours to enable
  // and to limit, before the container's first process is there.
  bool hugetlb_is_ours() const {
    const cgroups::Hierarchy& hierarchy = state_.services.hierarchy;
    const auto unified = hierarchy.unified_mount();
    return hierarchy.mode() == cgroups::Mode::hybrid && unified &&
           hierarchy.mounts()[*unified].has(cgroups::Controller::hugetlb);
  }

  Result<> limit_huge_pages() {
    TRY_ASSIGN(const auto group, cgroups::Group::create(state_.services.hierarchy, container_->cgroup_path));
    cgroups::Knobs knobs;
    for (const v1::HugepageLimit& limit : config_.linux().resources().hugepage_limits())
      knobs.hugetlb_limits[limit.page_size()] = Bytes{static_cast<std::int64_t>(limit.limit())};
    TRY(group.apply(knobs));
    return {};
  }

  // runc before 1.2 limits the use of huge pages and not their reservation, which then ends in a SIGBUS.
  void limit_huge_page_reservation() {
    if (hugetlb_is_ours() || config_.linux().resources().hugepage_limits_size() == 0) return;
    if (!state_.services.hierarchy.mount_of(cgroups::Controller::hugetlb)) return;
    if (const auto limited = limit_huge_pages(); !limited)
      log::warning("container {}: {}", name(), limited.error().message);
  }

  monitor::CreateRequest monitor_request() const {
    const std::string dir = state_.paths.container(container_->id);
    monitor::CreateRequest request;
    request.id = container_->id;
    request.bundle = dir;
    request.pid_file = dir + "/pid";
    request.runtime_log = dir + "/runtime.log";
    if (config_.tty()) request.console_socket = dir + "/console.sock";
    // The runtime dials the socket from within the bundle: the absolute path may be longer than a socket's can be.
    request.argv = runtime_->create_args(
        container_->id, {dir, request.pid_file, request.runtime_log, config_.tty() ? "console.sock" : ""});
    if (const char* path = ::getenv("PATH")) request.env.push_back(std::string("PATH=") + path);
    request.log_path = container_->log_path;
    request.log_max_size = static_cast<std::uint64_t>(state_.options.log_max_size);
    request.log_max_files = state_.options.log_max_files;
    request.exit_record = state_.paths.exit_record(container_->id);
    request.memory_events = state_.memory_events_path(container_->cgroup_path);
    request.tty = config_.tty();
    request.stdin_open = config_.stdin();
    request.timeout_ms = static_cast<std::uint64_t>(state_.options.create_timeout.count());
    return request;
  }

  Result<> create_in_monitor() {
    const auto monitor = sandbox_->current_monitor();
    if (monitor == nullptr) return fail(Code::failed_precondition, "the monitor of sandbox {} is gone", sandbox_->id);
    rollback_.add("forget the container in its monitor", [this, monitor]() -> Result<> {
      TRY(state_.kill_container(container_, Deadline::after(kKillPatience))); // one that runs is not forgotten
      return monitor->forget(container_->id, Deadline::after(kShortWork));
    });
    const Deadline killed_at = Deadline::after(state_.options.create_timeout);
    auto init = monitor->create(monitor_request(), Deadline::after(state_.options.create_timeout + kShortWork));
    if (!init && killed_at.passed())
      return fail(
          Code::deadline_exceeded,
          "create container {}: {} did not finish within {} s and was killed (runtime.createTimeoutSeconds): {}",
          name(), runtime_->options().path, std::chrono::duration<double>(state_.options.create_timeout).count(),
          init.error().message);
    if (!init) return Fail(std::move(init).error().context("create container " + name()));
    {
      const std::lock_guard lock(state_.process_specs_mutex);
      state_.process_specs[container_->id] = std::make_shared<const ProcessSpec>(std::move(spec_.process));
    }
    const std::lock_guard lock(container_->mutex);
    container_->init = *init;
    // Its end may have been told before the monitor's answer was read.
    if (container_->phase == ContainerPhase::creating) container_->phase = ContainerPhase::created;
    return {};
  }

  std::string name() const { return sandbox_->name() + "/" + config_.metadata().name(); }

  Runtime::State& state_;
  std::shared_ptr<Sandbox> sandbox_;
  std::shared_ptr<Container> container_;
  v1::ContainerConfig config_; // with the mounts of image volumes added
  const OciRuntime* runtime_ = nullptr;
  Image image_;
  std::string runtime_cgroup_;
  UniqueFd rootfs_fd_;
  std::vector<std::string> image_paths_; // where image volumes are mounted on the node, by index of the mount
  ResolvedUser user_;
  BuiltSpec spec_;
  Rollback rollback_; // last: its undos use the members above
};

} // namespace

Result<v1::CreateContainerResponse> Runtime::create_container(const v1::CreateContainerRequest& request) {
  TRY_ASSIGN(const auto sandbox, state_->sandboxes.find(request.pod_sandbox_id()));
  const v1::ContainerConfig& config = request.config();
  if (config.metadata().name().empty()) return fail(Code::invalid_argument, "config.metadata.name is empty");
  const auto lock = state_->locks.lock(sandbox->id);
  if (sandbox->current_phase() != SandboxPhase::ready)
    return fail(Code::failed_precondition, "sandbox {} is {}: containers need a ready one", sandbox->id,
                to_string(sandbox->current_phase()));
  v1::CreateContainerResponse response;
  if (const auto existing = state_->containers.find_by_key(container_key(sandbox->id, config.metadata()))) {
    // The same request again, after a time-out: the same container. Another config is another container.
    const bool usable = existing->current_phase() != ContainerPhase::unknown;
    if (!usable || !google::protobuf::util::MessageDifferencer::Equals(existing->config, config))
      return fail(Code::already_exists,
                  "container {} attempt {} of sandbox {} exists as {}: remove it, or ask with the "
                  "next attempt",
                  config.metadata().name(), config.metadata().attempt(), sandbox->id, existing->id);
    response.set_container_id(existing->id);
    return response;
  }
  ContainerCreation creation(*state_, sandbox, request);
  auto id = creation.run();
  if (!id) {
    Error error = std::move(id).error();
    creation.undo(error);
    return Fail(std::move(error));
  }
  response.set_container_id(std::move(*id));
  return response;
}

} // namespace keelson::cri
