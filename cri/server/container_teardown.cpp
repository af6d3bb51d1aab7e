// The end of a container: its processes, its cgroup, the OCI runtime's state, its mounts and files. Every function
// succeeds when there is nothing left to do, so that an end that was interrupted is finished by calling it again.
#include "base/file.hpp"
#include "base/log.hpp"
#include "cgroups/group.hpp"
#include "cri/server/runtime_state.hpp"

#include <csignal>

namespace keelson::cri {

namespace {

constexpr std::chrono::seconds kBeforeCgroupKill{2};

Result<> kill_cgroup(const cgroups::Hierarchy& hierarchy, const std::string& path, Deadline deadline) {
  auto group = cgroups::Group::open(hierarchy, path);
  if (!group) return group.error().code == Code::not_found ? Result<>{} : Fail(std::move(group).error());
  auto killed = group->kill_all(deadline);
  if (!killed && killed.error().code != Code::not_found) return killed;
  return {};
}

bool shares_pid_namespace(const Container& container) {
  const auto mode = container.config.linux().security_context().namespace_options().pid();
  return mode != v1::CONTAINER;
}

// False if its end is known already.
bool mark_lost(Container& container, WallTime now) {
  {
    const std::lock_guard lock(container.mutex);
    if (container.phase == ContainerPhase::exited) return false;
    container.phase = ContainerPhase::exited;
    container.exit = ContainerExit{255, "Error", "the pod's monitor died", now};
  }
  container.changed.notify_all();
  return true;
}

} // namespace

Result<> Runtime::State::kill_container(const std::shared_ptr<Container>& container, Deadline deadline) {
  ProcessId init;
  bool awaited = true; // nobody tells the end of one whose phase is unknown
  {
    const std::lock_guard lock(container->mutex);
    awaited = container->phase != ContainerPhase::unknown;
    if (container->phase == ContainerPhase::creating || container->phase == ContainerPhase::exited) return {};
    container->kill_requested = true;
    init = container->init;
  }
  if (auto process = open_process(init)) {
    auto sent = send_signal(process->get(), SIGKILL);
    if (!sent && sent.error().code != Code::not_found) return sent;
  }
  // In a PID namespace of its own everything dies with its init; elsewhere the cgroup tells what belongs to it. The
  // cgroup also thaws what is frozen, which SIGKILL alone would leave waiting (cgroup v1).
  const bool own_namespace = !shares_pid_namespace(*container);
  if (own_namespace && awaited && container->wait_for_exit(Deadline::after(kBeforeCgroupKill))) return {};
  TRY(kill_cgroup(services.hierarchy, container->cgroup_path, deadline));
  if (container->wait_for_exit(deadline)) return {};
  return fail(Code::deadline_exceeded,
              "container {}: its process {} did not end after SIGKILL; it is probably in uninterruptible sleep (see "
              "/proc/{}/stack)",
              container->id, init.pid, init.pid);
}

Result<> Runtime::State::release_exited(const std::shared_ptr<Container>& container) {
  const auto runtime = handlers.find(container->handler); // may have been taken out of the configuration
  const Deadline deadline = Deadline::after(kKillPatience);
  TRY(kill_cgroup(services.hierarchy, container->cgroup_path, deadline));
  if (runtime == handlers.end() || runtime->second.options().plain_namespaces) {
    // All that `runc delete` does for a container that has ended and has no hooks: drop the cgroup and its own state.
    TRY(cgroups::Group::remove(services.hierarchy, container->cgroup_path, deadline));
    TRY(remove_tree(paths.runtime_root(container->handler) + "/" + container->id));
  } else {
    TRY(runtime->second.remove(container->id, deadline));
  }
  return rootfs->unmount(paths.rootfs(container->id));
}

Result<> Runtime::State::end_lost_container(const std::shared_ptr<Container>& container) {
  TRY(kill_cgroup(services.hierarchy, container->cgroup_path, Deadline::after(kKillPatience)));
  if (mark_lost(*container, services.clock.wall_now())) publish(*container, v1::CONTAINER_STOPPED_EVENT);
  TRY(release_exited(container));
  save_or_log(*container);
  return {};
}

void Runtime::State::save_or_log(const Container& container) const {
  if (auto saved = save(container); !saved) log::error("{}", saved.error().message);
}

Result<> Runtime::State::unmount_images(const std::string& id) {
  const std::string dir = paths.mounted_images(id);
  if (!exists(dir)) return {};
  TRY_ASSIGN(const auto numbers, list_dir(dir));
  for (const std::string& number : numbers) TRY(rootfs->unmount_image(image_hold(id, number), dir + "/" + number));
  return {};
}

Result<> Runtime::State::destroy_container_files(const std::string& id, const std::string& handler_name,
                                                 const std::string& cgroup_path) {
  const Deadline deadline = Deadline::after(kKillPatience);
  if (!cgroup_path.empty()) TRY(kill_cgroup(services.hierarchy, cgroup_path, deadline));
  const auto runtime = handlers.find(handler_name);
  if (runtime != handlers.end()) TRY(runtime->second.remove(id, deadline));
  if (!cgroup_path.empty()) TRY(cgroups::Group::remove(services.hierarchy, cgroup_path, deadline));
  TRY(rootfs->unmount(paths.rootfs(id)));
  TRY(rootfs->remove(id));
  TRY(unmount_images(id));
  TRY(remove_tree(paths.image_volumes(id)));
  return remove_tree(paths.container(id));
}

Result<> Runtime::State::destroy_container(const std::shared_ptr<Container>& container, bool monitor_alive) {
  if (!monitor_alive && container->current_phase() != ContainerPhase::exited) TRY(end_lost_container(container));
  TRY(kill_container(container, Deadline::after(kKillPatience)));
  if (container->current_phase() == ContainerPhase::exited) TRY(release_exited(container));
  if (monitor_alive) {
    const auto sandbox = sandboxes.find(container->sandbox_id);
    const auto client = sandbox ? (*sandbox)->current_monitor() : nullptr;
    if (client != nullptr) {
      auto forgotten = client->forget(container->id, Deadline::after(kShortWork));
      if (!forgotten && forgotten.error().code != Code::unavailable) return forgotten;
    }
  }
  TRY(destroy_container_files(container->id, container->handler, container->cgroup_path));
  containers.remove(container->id);
  forget_cpu(container->cgroup_path);
  {
    const std::lock_guard lock(process_specs_mutex);
    process_specs.erase(container->id);
  }
  return {};
}

} // namespace keelson::cri
