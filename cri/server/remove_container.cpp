#include "cri/server/runtime_state.hpp"

namespace keelson::cri {

Result<v1::RemoveContainerResponse> Runtime::remove_container(const v1::RemoveContainerRequest& request) {
  const auto found = state_->containers.find(request.container_id());
  if (!found && found.error().code == Code::not_found) return v1::RemoveContainerResponse{};
  if (!found) return Fail(found.error());
  const std::shared_ptr<Container>& container = *found;
  const auto lock = state_->locks.lock(container->id);
  if (!state_->containers.find(container->id)) return v1::RemoveContainerResponse{}; // another call was first
  const auto sandbox = state_->sandboxes.find(container->sandbox_id);
  const bool monitor_alive = sandbox && (*sandbox)->current_monitor() != nullptr;
  TRY_CONTEXT(state_->destroy_container(container, monitor_alive), "remove container {}",
              container->config.metadata().name());
  if (sandbox) state_->publish(**sandbox, container->id, v1::CONTAINER_DELETED_EVENT);
  return v1::RemoveContainerResponse{};
}

} // namespace keelson::cri
