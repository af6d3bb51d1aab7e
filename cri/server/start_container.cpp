#include "base/log.hpp"
#include "cri/server/runtime_state.hpp"

namespace keelson::cri {

namespace {

// A container that cannot be started does not stay "created", which would be tried for ever: it has ended, and says
// why.
void end_unstarted(Runtime::State& state, const std::shared_ptr<Container>& container, const std::string& why) {
  {
    const std::lock_guard lock(container->mutex);
    container->start_error = why;
  }
  if (auto killed = state.kill_container(container, Deadline::after(kKillPatience)); !killed)
    log::error("{}", killed.error().message);
}

} // namespace

Result<v1::StartContainerResponse> Runtime::start_container(const v1::StartContainerRequest& request) {
  TRY_ASSIGN(const auto container, state_->containers.find(request.container_id()));
  const auto lock = state_->locks.lock(container->id);
  const ContainerPhase phase = container->current_phase();
  if (phase == ContainerPhase::running) return v1::StartContainerResponse{}; // the request again
  if (phase != ContainerPhase::created)
    return fail(Code::failed_precondition, "container {} is {}: only a created one can be started", container->id,
                to_string(phase));
  TRY_ASSIGN(const OciRuntime* runtime, state_->handler(container->handler));
  {
    const std::lock_guard guard(container->mutex);
    container->started_at = state_->services.clock.wall_now(); // now: its end may be told before the runtime returns
  }
  const std::string log = state_->paths.container(container->id) + "/runtime.log";
  auto started = runtime->start(container->id, log, Deadline::after(state_->options.create_timeout));
  if (!started) {
    Error error = std::move(started).error().context("start container " + container->config.metadata().name());
    end_unstarted(*state_, container, error.message);
    return Fail(std::move(error));
  }
  {
    const std::lock_guard guard(container->mutex);
    // It may have ended already: its exit is then on record.
    if (container->phase == ContainerPhase::created) container->phase = ContainerPhase::running;
  }
  TRY(state_->save(*container));
  state_->publish(*container, v1::CONTAINER_STARTED_EVENT);
  return v1::StartContainerResponse{};
}

} // namespace keelson::cri
