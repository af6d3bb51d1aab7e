#include "cri/server/runtime_state.hpp"

namespace keelson::cri {

Result<v1::StartContainerResponse> Runtime::start_container(const v1::StartContainerRequest& request) {
  TRY_ASSIGN(const auto container, state_->containers.find(request.container_id()));
  const auto lock = state_->locks.lock(container->id);
  const ContainerPhase phase = container->current_phase();
  if (phase == ContainerPhase::running) return v1::StartContainerResponse{}; // the request again
  if (phase != ContainerPhase::created)
    return fail(Code::failed_precondition, "container {} is {}: only a created one can be started", container->id,
                to_string(phase));
  TRY_ASSIGN(const OciRuntime* runtime, state_->handler(container->handler));
  const WallTime started_at = state_->services.clock.wall_now();
  const std::string log = state_->paths.container(container->id) + "/runtime.log";
  TRY_CONTEXT(runtime->start(container->id, log, Deadline::after(state_->options.create_timeout)), "start container {}",
              container->config.metadata().name());
  {
    const std::lock_guard guard(container->mutex);
    container->started_at = started_at;
    // It may have ended already: its exit is then on record.
    if (container->phase == ContainerPhase::created) container->phase = ContainerPhase::running;
  }
  TRY(state_->save(*container));
  state_->publish(*container, v1::CONTAINER_STARTED_EVENT);
  return v1::StartContainerResponse{};
}

} // namespace keelson::cri
