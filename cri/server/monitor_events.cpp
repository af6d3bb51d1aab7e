// What monitors tell: exits, OOM kills, their own death. The handlers run on the loop's thread and must not block: they
// change the container's state at once and leave the rest to the workers.
#include "base/file.hpp"
#include "base/log.hpp"
#include "cri/server/runtime_state.hpp"

namespace keelson::cri {

namespace {

constexpr int kSigkill = 9;

constexpr int kStartFailed = 128; // the exit code that containerd gives too

ContainerExit describe_exit(const monitor::ExitRecord& record, const Container& container) {
  ContainerExit exit;
  exit.code = static_cast<int>(record.exit_code);
  exit.finished_at = WallTime(std::chrono::nanoseconds(record.finished_at));
  if (!container.start_error.empty()) {
    exit.code = kStartFailed;
    exit.reason = "StartError";
    exit.message = container.start_error;
    return exit;
  }
  // The monitor saw the kernel's counter rise as the process died of SIGKILL; or a shell passed on the 137 of its
  // child, which kubelet's users expect to be told as well.
  const bool passed_on = record.oom_kills > 0 && record.signal == 0 && record.exit_code == 128 + kSigkill;
  if ((record.oom_killed || passed_on) && !container.kill_requested)
    exit.reason = "OOMKilled";
  else
    exit.reason = record.exit_code == 0 ? "Completed" : "Error";
  return exit;
}

} // namespace

MonitorClient::Events Runtime::State::monitor_events(const std::string& sandbox_id) {
  MonitorClient::Events callbacks;
  callbacks.container_exited = [this, end = ended](const monitor::ContainerExited& event) {
    if (!*end) container_exited(event.id, event.record);
  };
  callbacks.infra_exited = [this, end = ended, sandbox_id] {
    if (!*end) workers.post([this, sandbox_id] { infra_exited(sandbox_id); });
  };
  callbacks.monitor_died = [this, end = ended, sandbox_id] {
    if (!*end) workers.post([this, sandbox_id] { monitor_died(sandbox_id); });
  };
  return callbacks;
}

void Runtime::State::container_exited(const std::string& id, const monitor::ExitRecord& record) {
  const auto found = containers.find(id);
  if (!found) return; // removed meanwhile, or a create that failed
  const std::shared_ptr<Container>& container = *found;
  {
    const std::lock_guard lock(container->mutex);
    if (container->phase == ContainerPhase::exited) return;
    container->exit = describe_exit(record, *container);
    container->phase = ContainerPhase::exited;
  }
  container->changed.notify_all();
  publish(*container, v1::CONTAINER_STOPPED_EVENT);
  workers.post([this, container] {
    const auto lock = locks.lock(container->id);
    if (!containers.find(container->id)) return; // removed before this ran
    if (auto released = release_exited(container); !released)
      log::warning("container {}: {}", container->id, released.error().message);
    if (auto saved = save(*container); !saved) log::error("{}", saved.error().message);
  });
}

// Process 1 of a shared PID namespace ended, and with it all that ran there: nothing can be started in the pod again.
void Runtime::State::infra_exited(const std::string& sandbox_id) {
  const auto found = sandboxes.find(sandbox_id);
  if (!found) return;
  const auto lock = locks.lock(sandbox_id);
  const std::shared_ptr<Sandbox>& sandbox = *found;
  if (sandbox->current_phase() != SandboxPhase::ready) return; // it is being stopped, which ends that process too
  log::error("sandbox {} ({}): process 1 of its PID namespace ended; the pod is stopped", sandbox_id, sandbox->name());
  if (auto stopped = stop_sandbox(sandbox); !stopped)
    log::error("sandbox {} ({}): {}", sandbox_id, sandbox->name(), stopped.error().message);
}

bool Runtime::State::reconnect_monitor(Sandbox& sandbox) {
  if (!open_process(sandbox.current_monitor()->process())) return false;
  auto client = MonitorClient::connect(paths.sandbox(sandbox.id), services.loop, monitor_events(sandbox.id),
                                       Deadline::after(kShortWork));
  if (!client) return false;
  const auto listed = client->list(Deadline::after(kShortWork));
  if (!listed) return false;
  log::warning("sandbox {} ({}): the connection to its monitor was lost and made again", sandbox.id, sandbox.name());
  {
    const std::lock_guard lock(sandbox.mutex);
    sandbox.monitor = std::make_shared<MonitorClient>(std::move(*client));
  }
  for (const monitor::ContainerState& known : listed->containers)
    if (known.exit) container_exited(known.id, *known.exit);
  return true;
}

// A pod's monitor died: its containers have lost their parent and their logs. They are ended, so that whoever owns the
// pod makes them anew; nothing else on the node is touched.
void Runtime::State::monitor_died(const std::string& sandbox_id) {
  const auto found = sandboxes.find(sandbox_id);
  if (!found) return;
  const auto lock = locks.lock(sandbox_id);
  const std::shared_ptr<Sandbox>& sandbox = *found;
  if (sandbox->current_phase() != SandboxPhase::ready || sandbox->current_monitor() == nullptr) return;
  if (reconnect_monitor(*sandbox)) return; // only the connection ended: the monitor closes one that does not read
  log::error("sandbox {} ({}): its monitor died; the pod's containers are ended", sandbox_id, sandbox->name());
  {
    const std::lock_guard guard(sandbox->mutex);
    sandbox->monitor = nullptr;
  }
  if (auto stopped = stop_sandbox(sandbox); !stopped)
    log::error("sandbox {} ({}): {}", sandbox_id, sandbox->name(), stopped.error().message);
}

} // namespace keelson::cri
