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
  // The kernel's counter rose and the process died of SIGKILL that we did not send: the OOM killer's. A shell that
  // passes on the 137 of its child counts as well, as kubelet's users expect.
  const bool killed = record.signal == kSigkill || record.exit_code == 128 + kSigkill;
  if (record.oom_killed || (record.oom_kills > 0 && killed && !container.kill_requested))
    exit.reason = "OOMKilled";
  else
    exit.reason = record.exit_code == 0 ? "Completed" : "Error";
  return exit;
}

} // namespace

MonitorClient::Events Runtime::State::monitor_events(const std::string& sandbox_id) {
  MonitorClient::Events callbacks;
  callbacks.container_exited = [this](const monitor::ContainerExited& event) {
    container_exited(event.id, event.record);
  };
  callbacks.infra_exited = [this, sandbox_id] { workers.post([this, sandbox_id] { infra_exited(sandbox_id); }); };
  callbacks.monitor_died = [this, sandbox_id] { workers.post([this, sandbox_id] { monitor_died(sandbox_id); }); };
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

// A pod's monitor died: its containers have lost their parent and their logs. They are ended, so that whoever owns the
// pod makes them anew; nothing else on the node is touched.
void Runtime::State::monitor_died(const std::string& sandbox_id) {
  const auto found = sandboxes.find(sandbox_id);
  if (!found) return;
  const auto lock = locks.lock(sandbox_id);
  const std::shared_ptr<Sandbox>& sandbox = *found;
  if (sandbox->current_phase() != SandboxPhase::ready || sandbox->current_monitor() == nullptr) return;
  log::error("sandbox {} ({}): its monitor died; the pod's containers are ended", sandbox_id, sandbox->name());
  {
    const std::lock_guard guard(sandbox->mutex);
    sandbox->monitor = nullptr;
  }
  if (auto stopped = stop_sandbox(sandbox); !stopped)
    log::error("sandbox {} ({}): {}", sandbox_id, sandbox->name(), stopped.error().message);
}

} // namespace keelson::cri
