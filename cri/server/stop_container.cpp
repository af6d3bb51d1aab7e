#include "base/log.hpp"
#include "cri/server/runtime_state.hpp"
#include "cri/server/signals.hpp"

#include <algorithm>
#include <csignal>

namespace keelson::cri {

// Takes no lock: a second call with a shorter grace period must be able to overtake the first.
Result<v1::StopContainerResponse> Runtime::stop_container(const v1::StopContainerRequest& request) {
  const auto found = state_->containers.find(request.container_id());
  if (!found && found.error().code == Code::not_found) return v1::StopContainerResponse{};
  if (!found) return Fail(found.error());
  const std::shared_ptr<Container>& container = *found;
  ProcessId init;
  ContainerPhase phase;
  {
    const std::lock_guard lock(container->mutex);
    init = container->init;
    phase = container->phase;
  }
  if (phase == ContainerPhase::exited) return v1::StopContainerResponse{};
  // A year is as good as for ever, and cannot overflow a clock.
  const std::int64_t timeout = std::clamp<std::int64_t>(request.timeout(), 0, 365 * 24 * 3600);
  if (phase == ContainerPhase::running && timeout > 0) {
    const int signal = signal_number(container->stop_signal).value_or(SIGTERM);
    const auto process = open_process(init);
    if (process) static_cast<void>(send_signal(process->get(), signal));
    if (container->wait_for_exit(Deadline::after(std::chrono::seconds(timeout)))) return v1::StopContainerResponse{};
    log::info("container {}: still runs {} s after its stop signal and is killed", container->id, timeout);
  }
  TRY(state_->kill_container(container, Deadline::after(kKillPatience)));
  return v1::StopContainerResponse{};
}

} // namespace keelson::cri
