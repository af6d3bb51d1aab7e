// What a daemon does first: compare what the records say with what the kernel has. What is whole is adopted and runs
// on; what an earlier daemon left half done is undone; what has no record is ended. Only then are calls answered.
#include "base/file.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "cgroups/group.hpp"
#include "cri/server/runtime_state.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <set>

namespace keelson::cri {

namespace {

class Recovery {
 public:
  explicit Recovery(Runtime::State& state)
      : state_(state) {}

  Result<> run() {
    TRY(load_sandboxes());
    TRY(load_containers());
    reconnect_all();
    TRY(end_stray_processes());
    for (const Broken& container : half_made_containers_) undo_container(container);
    for (const auto& sandbox : half_made_sandboxes_) undo_sandbox(sandbox);
    for (const auto& sandbox : state_.sandboxes.list()) settle(sandbox);
    remove_strays();
    // What a plug-in cannot clean up now, perhaps because it needs a pod of this node, is tried again at the next
    // start.
    if (const auto done = reconcile_network(); !done) log::error("pod network: {}", done.error().message);
    report();
    return {};
  }

 private:
  // A container of which nothing but this is known.
  struct Broken {
    std::string id;
    std::string handler;
    std::string cgroup_path;
    std::string sandbox_id;
  };

  Result<> load_sandboxes() {
    TRY_ASSIGN(const auto ids, list_dir(state_.paths.sandboxes()));
    for (const std::string& id : ids) {
      auto sandbox = load_sandbox(id);
      if (!sandbox) {
        // The record is the first thing in the directory: without it there is nothing but what the id leads to.
        log::warning("sandbox {}: {}; it is removed", id, sandbox.error().message);
        auto unknown = std::make_shared<Sandbox>();
        unknown->id = id;
        recall_cgroup(*unknown);
        half_made_sandboxes_.push_back(std::move(unknown));
      } else if ((*sandbox)->phase == SandboxPhase::creating) {
        half_made_sandboxes_.push_back(std::move(*sandbox));
      } else {
        state_.sandboxes.add(*sandbox);
      }
    }
    return {};
  }

  void recall_cgroup(Sandbox& sandbox) const {
    auto path = read_file(state_.paths.owned_cgroup(sandbox.id), 4096);
    if (!path || !path->starts_with(state_.options.cgroup_parent + "/") || !cgroups::GroupName::parse(*path)) return;
    sandbox.cgroup_parent = std::move(*path);
    sandbox.owns_cgroup = true;
  }

  Result<std::shared_ptr<Sandbox>> load_sandbox(const std::string& id) const {
    TRY_ASSIGN(const std::string record, read_file(state_.paths.sandbox(id) + "/record", kMaxRecord));
    TRY_ASSIGN(auto sandbox, parse_sandbox_record(record));
    if (sandbox->id != id) return fail(Code::data_loss, "its record is of {}", printable(sandbox->id));
    return sandbox;
  }

  Result<> load_containers() {
    TRY_ASSIGN(const auto ids, list_dir(state_.paths.containers()));
    for (const std::string& id : ids) {
      auto container = load_container(id);
      if (!container) {
        log::warning("container {}: {}; it is removed", id, container.error().message);
        half_made_containers_.push_back({id, state_.default_handler, {}, {}});
        continue;
      }
      const Broken broken{id, (*container)->handler, (*container)->cgroup_path, (*container)->sandbox_id};
      const bool homeless = !state_.sandboxes.find(broken.sandbox_id);
      if (homeless || (*container)->phase == ContainerPhase::creating)
        half_made_containers_.push_back(broken);
      else
        state_.containers.add(*container);
    }
    return {};
  }

  Result<std::shared_ptr<Container>> load_container(const std::string& id) const {
    TRY_ASSIGN(const std::string record, read_file(state_.paths.container(id) + "/record", kMaxRecord));
    TRY_ASSIGN(auto container, parse_container_record(record));
    if (container->id != id) return fail(Code::data_loss, "its record is of {}", printable(container->id));
    return container;
  }

  // Side by side: monitors that hang cost the start their time once, not once for each.
  void reconnect_all() {
    WorkerPool pool("adopt", 32);
    for (const auto& sandbox : state_.sandboxes.list()) pool.post([this, sandbox] { reconnect(*sandbox); });
  }

  // It lives, but not for us, as one that waits for a dead disk: its pod is left alone until somebody stops it.
  void leave_alone(Sandbox& sandbox) {
    const auto process = state_.monitor_process(sandbox.id);
    const std::lock_guard guard(mutex_);
    if (process) kept_processes_.insert(process->pid);
    const std::lock_guard lock(sandbox.mutex);
    sandbox.phase = SandboxPhase::unknown;
  }

  void reconnect(Sandbox& sandbox) {
    if (sandbox.phase != SandboxPhase::ready) return;
    auto client = MonitorClient::connect(state_.paths.sandbox(sandbox.id), state_.services.loop,
                                         state_.monitor_events(sandbox.id), Deadline::after(kShortWork));
    if (!client) {
      log::error("sandbox {} ({}): its monitor does not answer: {}", sandbox.id, sandbox.name(),
                 client.error().message);
      if (client.error().code != Code::unavailable) leave_alone(sandbox);
      return;
    }
    auto listed = client->list(Deadline::after(kShortWork));
    if (!listed) {
      log::error("sandbox {} ({}): its monitor does not list: {}", sandbox.id, sandbox.name(), listed.error().message);
      if (listed.error().code != Code::unavailable) leave_alone(sandbox);
      return;
    }
    const std::lock_guard guard(mutex_);
    kept_processes_.insert(client->process().pid);
    if (sandbox.shared_pid() && listed->infra_pid == 0) without_infra_.insert(sandbox.id);
    if (listed->infra_pid != 0) kept_processes_.insert(static_cast<pid_t>(listed->infra_pid));
    {
      const std::lock_guard lock(sandbox.mutex);
      sandbox.monitor = std::make_shared<MonitorClient>(std::move(*client));
    }
    for (const monitor::ContainerState& known : listed->containers) {
      if (known.exit) state_.container_exited(known.id, *known.exit);
      monitored_.insert(known.id);
    }
  }

  // Monitors of sandboxes that are gone, and runtimes that an interrupted create left at work.
  Result<> end_stray_processes() {
    TRY_ASSIGN(const auto group, cgroups::Group::open(state_.services.hierarchy, state_.monitor_cgroup()));
    const Deadline deadline = Deadline::after(kKillPatience);
    for (;;) {
      TRY_ASSIGN(const auto pids, group.processes());
      const bool none = std::all_of(pids.begin(), pids.end(), [&](pid_t pid) { return kept_processes_.contains(pid); });
      if (none) return {};
      for (const pid_t pid : pids) {
        if (kept_processes_.contains(pid)) continue;
        const auto process = open_pidfd(pid);
        if (process) static_cast<void>(send_signal(process->get(), SIGKILL));
        await_end(process ? process->get() : -1);
      }
      if (!deadline.passed()) continue;
      log::error("{} processes of an earlier daemon do not end; they are in cgroup {}", pids.size(),
                 state_.monitor_cgroup());
      return {};
    }
  }

  static void await_end(int pidfd) {
    pollfd wait{pidfd, POLLIN, 0};
    static_cast<void>(::poll(&wait, 1, 1000));
  }

  void undo_container(const Broken& container) {
    auto destroyed = state_.destroy_container_files(container.id, container.handler, container.cgroup_path);
    if (!destroyed) log::error("container {}: undo: {}", container.id, destroyed.error().message);
    const auto sandbox = state_.sandboxes.find(container.sandbox_id);
    const auto monitor = sandbox ? (*sandbox)->current_monitor() : nullptr;
    if (monitor != nullptr) static_cast<void>(monitor->forget(container.id, Deadline::after(kShortWork)));
    ++undone_;
  }

  void undo_sandbox(const std::shared_ptr<Sandbox>& sandbox) {
    const std::string id = sandbox->id;
    state_.sandboxes.add(sandbox);
    auto destroyed = state_.destroy_sandbox(sandbox);
    if (!destroyed) {
      log::error("sandbox {}: undo: {}", id, destroyed.error().message);
      const std::lock_guard lock(sandbox->mutex);
      sandbox->phase = SandboxPhase::unknown;
    }
    ++undone_;
  }

  // The containers of a sandbox that was adopted, each in its true state.
  void settle(const std::shared_ptr<Sandbox>& sandbox) {
    if (sandbox->phase == SandboxPhase::ready && sandbox->current_monitor() == nullptr) {
      for (const auto& container : state_.containers_of(sandbox->id))
        if (container->current_phase() != ContainerPhase::exited && exists(state_.paths.exit_record(container->id)))
          read_exit_record(*container);
      if (auto stopped = state_.stop_sandbox(sandbox); !stopped)
        log::error("sandbox {}: {}", sandbox->id, stopped.error().message);
      return;
    }
    if (sandbox->current_phase() == SandboxPhase::unknown) return;
    for (const auto& container : state_.containers_of(sandbox->id)) settle(*container);
    if (without_infra_.contains(sandbox->id)) state_.infra_exited(sandbox->id);
  }

  void settle(Container& container) {
    ContainerPhase phase = container.current_phase();
    if (phase == ContainerPhase::exited) return;
    if (!monitored_.contains(container.id)) {
      read_exit_record(container);
      return;
    }
    if (phase != ContainerPhase::created) return;
    // The daemon may have died between the start and the record of it.
    const auto handler = state_.handlers.find(container.handler);
    if (handler == state_.handlers.end()) return;
    const auto now = handler->second.state(container.id, Deadline::after(kShortWork));
    if (!now || *now != OciRuntime::State::running) return;
    {
      const std::lock_guard lock(container.mutex);
      container.phase = ContainerPhase::running;
      container.started_at = state_.services.clock.wall_now();
    }
    if (auto saved = state_.save(container); !saved) log::error("{}", saved.error().message);
  }

  // The monitor has forgotten it, or has ended with the sandbox: its last word is on disk.
  void read_exit_record(Container& container) {
    const auto text = read_file(state_.paths.exit_record(container.id), 4096);
    auto record = text ? monitor::parse_exit_record(*text) : Result<monitor::ExitRecord>(Fail(text.error()));
    if (record) {
      state_.container_exited(container.id, *record);
      return;
    }
    monitor::ExitRecord lost;
    lost.exit_code = 255;
    lost.finished_at = unix_nanos(state_.services.clock.wall_now());
    log::error("container {}: nobody knows how it ended: {}", container.id, record.error().message);
    state_.container_exited(container.id, lost);
  }

  // Things that no record leads to.
  void remove_strays() {
    std::set<std::string> known;
    for (const auto& container : state_.containers.list()) known.insert(container->id);
    for (const std::string& id : state_.rootfs->list()) {
      if (known.contains(id.substr(0, id.find('-')))) continue; // "<id>-<n>" is an image volume of the container
      note("root file system", id, state_.rootfs->remove(id));
    }
    for (const auto& [name, runtime] : state_.handlers)
      for (const std::string& id : runtime.list())
        if (!known.contains(id)) note("runtime state", id, runtime.remove(id, Deadline::after(kKillPatience)));
    const auto volumes = list_dir(state_.paths.root + "/volumes");
    if (!volumes) return;
    for (const std::string& id : *volumes)
      if (!known.contains(id)) note("image volumes", id, remove_tree(state_.paths.image_volumes(id)));
  }

  void note(std::string_view what, const std::string& id, const Result<>& removed) {
    ++undone_;
    if (!removed) log::error("{} of {}: {}", what, id, removed.error().message);
  }

  Result<> reconcile_network() {
    std::vector<std::string> live;
    for (const auto& sandbox : state_.sandboxes.list())
      if (sandbox->current_phase() != SandboxPhase::stopped) live.push_back(sandbox->id);
    return state_.services.network.reconcile(live);
  }

  void report() const {
    const std::size_t sandboxes = state_.sandboxes.list().size();
    const std::size_t containers = state_.containers.list().size();
    if (sandboxes + containers + undone_ == 0) return;
    log::info("adopted {} sandboxes and {} containers of an earlier run; undid {} that were half done", sandboxes,
              containers, undone_);
  }

  static constexpr std::size_t kMaxRecord = 128U << 20; // JSON of a request of 16 MiB

  Runtime::State& state_;
  std::vector<std::shared_ptr<Sandbox>> half_made_sandboxes_;
  std::vector<Broken> half_made_containers_;
  std::mutex mutex_;                           // guards what follows while monitors are asked
  std::set<pid_t> kept_processes_{::getpid()}; // on v1 a thread of ours is in the monitors' group: MonitorLauncher
  std::set<std::string> without_infra_;        // sandboxes whose shared PID namespace has ended
  std::set<std::string> monitored_;            // containers that a living monitor knows
  std::size_t undone_ = 0;
};

} // namespace

Result<> Runtime::State::recover() {
  return Recovery(*this).run();
}

} // namespace keelson::cri
