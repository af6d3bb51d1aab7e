#include "cri/server/runtime_state.hpp"

namespace keelson::cri {

Result<v1::ReopenContainerLogResponse> Runtime::reopen_container_log(const v1::ReopenContainerLogRequest& request) {
  TRY_ASSIGN(const auto container, state_->containers.find(request.container_id()));
  if (container->current_phase() != ContainerPhase::running)
    return fail(Code::failed_precondition, "container {} does not run: its log is not written", container->id);
  TRY_ASSIGN(const auto sandbox, state_->sandboxes.find(container->sandbox_id));
  const auto monitor = sandbox->current_monitor();
  if (monitor == nullptr) return fail(Code::unavailable, "the monitor of sandbox {} is gone", sandbox->id);
  TRY_CONTEXT(monitor->reopen_log(container->id, Deadline::after(kShortWork)), "reopen the log of container {}",
              container->id);
  return v1::ReopenContainerLogResponse{};
}

} // namespace keelson::cri
