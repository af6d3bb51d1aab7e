#include "cri/server/runtime_state.hpp"

namespace keelson::cri {

Result<v1::RemovePodSandboxResponse> Runtime::remove_pod_sandbox(const v1::RemovePodSandboxRequest& request) {
  const auto found = state_->sandboxes.find(request.pod_sandbox_id());
  if (!found && found.error().code == Code::not_found) return v1::RemovePodSandboxResponse{};
  if (!found) return Fail(found.error());
  const std::shared_ptr<Sandbox>& sandbox = *found;
  const auto lock = state_->locks.lock(sandbox->id);
  if (!state_->sandboxes.find(sandbox->id)) return v1::RemovePodSandboxResponse{}; // removed, or its making was undone
  TRY_CONTEXT(state_->destroy_sandbox(sandbox), "remove sandbox {}", sandbox->name());
  state_->publish(*sandbox, sandbox->id, v1::CONTAINER_DELETED_EVENT);
  return v1::RemovePodSandboxResponse{};
}

} // namespace keelson::cri
