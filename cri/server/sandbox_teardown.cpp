// The end of a sandbox, in two stages: stopped (nothing runs, network and namespaces are gone, the record stays) and
// destroyed (nothing is left). As with containers, each function finishes what an earlier call left undone.
#include "base/file.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "cgroups/group.hpp"
#include "cri/server/runtime_state.hpp"
#include "netns/pinned_namespaces.hpp"

#include <sys/mount.h>

#include <cerrno>
#include <csignal>

namespace keelson::cri {

namespace {

// Detached: the mount goes even while a process that is being killed still holds it.
Result<> unmount(const std::string& path) {
  if (::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) return {};
  if (errno == EINVAL || errno == ENOENT) return {}; // not mounted, or not there
  return fail_errno(errno, "unmount {}", path);
}

} // namespace

// One that does not answer is killed: nothing runs below it any more.
void Runtime::State::stop_monitor(const Sandbox& sandbox) {
  if (const auto client = sandbox.current_monitor()) {
    const auto done = client->shutdown(Deadline::after(kShortWork));
    if (done || done.error().code == Code::unavailable) return;
    log::warning("sandbox {} ({}): its monitor is killed: {}", sandbox.id, sandbox.name(), done.error().message);
  }
  const auto id = monitor_process(sandbox.id);
  const auto process = id ? open_process(*id) : Result<UniqueFd>(Fail(id.error()));
  if (process) static_cast<void>(send_signal(process->get(), SIGKILL));
}

Result<ProcessId> Runtime::State::monitor_process(const std::string& sandbox_id) const {
  TRY_ASSIGN(const std::string text, read_file(paths.sandbox(sandbox_id) + "/monitor.pid", 256));
  const auto words = split_words(text);
  if (words.size() != 2) return fail(Code::data_loss, "{}/monitor.pid is damaged", paths.sandbox(sandbox_id));
  TRY_ASSIGN(const pid_t pid, parse_int<pid_t>(words[0]));
  TRY_ASSIGN(const std::uint64_t start_time, parse_int<std::uint64_t>(words[1]));
  return ProcessId{pid, start_time};
}

Result<> Runtime::State::release_sandbox(const Sandbox& sandbox) {
  if (!sandbox.host_network()) {
    netns::DetachRequest request;
    request.sandbox_id = sandbox.id;
    request.pod = {sandbox.config.metadata().name(), sandbox.config.metadata().namespace_(),
                   sandbox.config.metadata().uid()};
    request.netns_path = netns::namespace_path(paths.namespaces(sandbox.id), netns::NamespaceKind::net);
    request.deadline = Deadline::after(std::chrono::minutes(1));
    TRY(services.network.detach(request));
  }
  TRY(unmount(paths.namespaces(sandbox.id) + "/pid"));
  TRY(netns::unpin_namespaces(paths.namespaces(sandbox.id)));
  TRY(unmount(paths.etc(sandbox.id)));
  return unmount(paths.shm(sandbox.id));
}

Result<> Runtime::State::stop_sandbox(const std::shared_ptr<Sandbox>& sandbox) {
  const bool monitor_alive = sandbox->current_monitor() != nullptr;
  // All are told first and awaited then: one that is slow to die does not hold up the others.
  const auto members = containers_of(sandbox->id);
  for (const auto& container : members) {
    const std::lock_guard lock(container->mutex);
    if (container->phase != ContainerPhase::created && container->phase != ContainerPhase::running) continue;
    container->kill_requested = true;
    if (const auto process = open_process(container->init)) static_cast<void>(send_signal(process->get(), SIGKILL));
  }
  for (const auto& container : members) {
    const auto lock = locks.lock(container->id);
    if (monitor_alive) {
      TRY(kill_container(container, Deadline::after(kKillPatience)));
      TRY(release_exited(container));
      save_or_log(*container);
    } else {
      TRY(end_lost_container(container));
    }
  }
  stop_monitor(*sandbox);
  TRY(release_sandbox(*sandbox));
  {
    const std::lock_guard lock(sandbox->mutex);
    sandbox->phase = SandboxPhase::stopped;
    sandbox->monitor = nullptr;
    sandbox->infra.reset();
  }
  TRY(save(*sandbox));
  publish(*sandbox, sandbox->id, v1::CONTAINER_STOPPED_EVENT);
  return {};
}

Result<> Runtime::State::destroy_sandbox(const std::shared_ptr<Sandbox>& sandbox) {
  if (sandbox->current_phase() != SandboxPhase::stopped) TRY(stop_sandbox(sandbox));
  for (const auto& container : containers_of(sandbox->id)) {
    const auto lock = locks.lock(container->id);
    TRY(destroy_container(container, false));
  }
  if (sandbox->owns_cgroup)
    TRY(cgroups::Group::remove(services.hierarchy, sandbox->cgroup_parent, Deadline::after(kShortWork)));
  forget_cpu(sandbox->cgroup_parent);
  TRY(remove_tree(paths.sandbox(sandbox->id)));
  sandboxes.remove(sandbox->id);
  return {};
}

} // namespace keelson::cri
