#include "cri/server/runtime_state.hpp"

#include "base/file.hpp"
#include "base/log.hpp"
#include "cgroups/group.hpp"
#include "netns/pinned_namespaces.hpp"

#include <future>

namespace keelson::cri {

namespace {

Result<> make_state_dirs(const StatePaths& paths) {
  TRY(make_dirs(paths.state, 0711));
  TRY(make_dirs(paths.sandboxes(), 0700));
  TRY(make_dirs(paths.containers(), 0700));
  TRY(make_dirs(paths.root + "/volumes", 0700));
  // Namespaces and root file systems are mounted below these. Private, so that no other mount namespace gets copies
  // that keep them busy after they are unmounted here.
  TRY(netns::make_private_mount(paths.sandboxes()));
  return netns::make_private_mount(paths.containers());
}

Result<> write_probe(const std::string& dir) {
  TRY_CONTEXT(write_file_atomic(dir + "/.write-probe", "x"),
              "directory {} cannot be written: make it writable, or choose another one", dir);
  return remove_file_at(AT_FDCWD, dir + "/.write-probe");
}

} // namespace

Runtime::State::State(RuntimeOptions o, RuntimeServices s)
    : options(std::move(o))
    , services(s)
    , paths{options.root, options.state}
    , node(detect_node_facts(services.hierarchy.mode() == cgroups::Mode::v2))
    , seccomp_store(options.seccomp_profile_root) {}

Runtime::State::~State() {
  *ended = true;
  std::promise<void> passed; // a callback that began before is through then
  services.loop.post([&passed] { passed.set_value(); });
  passed.get_future().wait();
}

Result<const OciRuntime*> Runtime::State::handler(const std::string& name) const {
  const auto found = handlers.find(name.empty() ? default_handler : name);
  if (found != handlers.end()) return &found->second;
  return fail(Code::invalid_argument, "runtime handler \"{}\" is not configured: add it to runtime.handlers", name);
}

Result<> Runtime::State::save(const Sandbox& sandbox) const {
  TRY_ASSIGN(const std::string record, format_record(sandbox));
  TRY_CONTEXT(write_file_atomic(paths.sandbox(sandbox.id) + "/record", record), "record of sandbox {}", sandbox.id);
  return {};
}

Result<> Runtime::State::save(const Container& container) const {
  TRY_ASSIGN(const std::string record, format_record(container));
  TRY_CONTEXT(write_file_atomic(paths.container(container.id) + "/record", record), "record of container {}",
              container.id);
  return {};
}

std::vector<std::shared_ptr<Container>> Runtime::State::containers_of(const std::string& sandbox_id) const {
  std::vector<std::shared_ptr<Container>> found;
  for (auto& container : containers.list())
    if (container->sandbox_id == sandbox_id) found.push_back(std::move(container));
  return found;
}

std::vector<std::string> Runtime::State::cgroup_files(const std::string& cgroup_path, const std::string& file) const {
  std::vector<std::string> files;
  for (const cgroups::HierarchyMount& mount : services.hierarchy.mounts())
    files.push_back(mount.mount_point + cgroup_path + "/" + file);
  return files;
}

std::string Runtime::State::memory_events_path(const std::string& cgroup_path) const {
  const auto mount = services.hierarchy.mount_of(cgroups::Controller::memory);
  if (!mount) return {};
  const cgroups::HierarchyMount& memory = services.hierarchy.mounts()[*mount];
  const char* file = memory.version == cgroups::Version::v2 ? "memory.events" : "memory.oom_control";
  return memory.mount_point + cgroup_path + "/" + file;
}

std::string Runtime::State::monitor_cgroup() const {
  return options.cgroup_parent + "-monitors";
}

Result<> Runtime::State::open_stores() {
  TRY(make_state_dirs(paths));
  TRY(write_probe(paths.state));
  TRY(write_probe(paths.root));
  ImageStoreOptions image_options = options.images;
  image_options.root = options.root;
  TRY_CONTEXT(make_dirs(options.root, 0711), "root directory");
  TRY_ASSIGN(images, ImageStore::open(std::move(image_options)));
  RootfsOptions rootfs_options;
  rootfs_options.root = options.root;
  TRY_ASSIGN(rootfs, RootfsStore::open(rootfs_options, *images));
  TRY_ASSIGN(monitor_binary, MonitorBinary::load(options.monitor_path));
  TRY_ASSIGN(launcher, MonitorLauncher::open(services.hierarchy, monitor_cgroup()));
  if (node.apparmor)
    log::warning(
        "AppArmor is on, and this version brings no default profile: pods are confined by seccomp, capabilities "
        "and namespaces, and by AppArmor only where they name a Localhost profile");
  for (const RuntimeHandlerOptions& wanted : options.handlers) {
    auto probed = OciRuntime::probe(wanted, paths.runtime_root(wanted.name));
    const bool is_default = &wanted == &options.handlers.front();
    if (!probed && is_default) return Fail(std::move(probed).error().context("runtime handler " + wanted.name));
    if (!probed) {
      log::warning("runtime handler {} is left out: {}", wanted.name, probed.error().message);
      continue;
    }
    const RuntimeVersion& version = probed->info().version;
    log::info("runtime handler {}: {} {}", wanted.name, version.name, version.text);
    for (const std::string& flaw : known_flaws(version)) log::warning("runtime handler {}: {}", wanted.name, flaw);
    handlers.emplace(wanted.name, std::move(*probed));
    if (is_default) default_handler = wanted.name;
  }
  return {};
}

Result<std::unique_ptr<Runtime>> Runtime::start(RuntimeOptions options, RuntimeServices services) {
  if (options.handlers.empty()) return fail(Code::invalid_argument, "no runtime handler is configured");
  auto state = std::make_unique<State>(std::move(options), services);
  TRY(state->open_stores());
  TRY(state->recover());
  return std::unique_ptr<Runtime>(new Runtime(std::move(state)));
}

Runtime::Runtime(std::unique_ptr<State> state)
    : state_(std::move(state)) {}

Runtime::~Runtime() {
  state_->events.close();
}

EventBus& Runtime::events() {
  return state_->events;
}
ImageStore& Runtime::images() {
  return *state_->images;
}

Result<Runtime::ContainerPlace> Runtime::container_place(const std::string& container_id) {
  TRY_ASSIGN(const auto container, state_->containers.find(container_id));
  const std::lock_guard lock(container->mutex);
  const bool alive = container->phase == ContainerPhase::created || container->phase == ContainerPhase::running;
  return ContainerPlace{container->cgroup_path, alive ? container->init.pid : 0, container->log_path};
}

Result<std::string> Runtime::sandbox_cgroup(const std::string& sandbox_id) {
  TRY_ASSIGN(const auto sandbox, state_->sandboxes.find(sandbox_id));
  return sandbox->cgroup_parent;
}

} // namespace keelson::cri
