#include "cri/server/runtime_state.hpp"

namespace keelson::cri {

Result<v1::StopPodSandboxResponse> Runtime::stop_pod_sandbox(const v1::StopPodSandboxRequest& request) {
  const auto found = state_->sandboxes.find(request.pod_sandbox_id());
  if (!found && found.error().code == Code::not_found) return v1::StopPodSandboxResponse{};
  if (!found) return Fail(found.error());
  const std::shared_ptr<Sandbox>& sandbox = *found;
  const auto lock = state_->locks.lock(sandbox->id);
  if (!state_->sandboxes.find(sandbox->id)) return v1::StopPodSandboxResponse{}; // removed, or its making was undone
  if (sandbox->current_phase() == SandboxPhase::stopped) return v1::StopPodSandboxResponse{};
  TRY_CONTEXT(state_->stop_sandbox(sandbox), "stop sandbox {}", sandbox->name());
  return v1::StopPodSandboxResponse{};
}

} // namespace keelson::cri
