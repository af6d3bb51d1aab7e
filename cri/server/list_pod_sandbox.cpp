#include "cri/server/filters.hpp"
#include "cri/server/runtime_state.hpp"

namespace keelson::cri {

namespace {

bool matches(const v1::PodSandboxFilter& filter, const v1::PodSandboxStatus& status) {
  if (!id_matches(filter.id(), status.id())) return false;
  if (filter.has_state() && filter.state().state() != status.state()) return false;
  return labels_match(filter.label_selector(), status.labels());
}

} // namespace

Result<v1::ListPodSandboxResponse> Runtime::list_pod_sandbox(const v1::ListPodSandboxRequest& request) {
  v1::ListPodSandboxResponse response;
  for (const auto& sandbox : state_->sandboxes.list()) {
    if (sandbox->current_phase() == SandboxPhase::creating) continue;
    v1::PodSandboxStatus status = state_->sandbox_status(*sandbox);
    if (!matches(request.filter(), status)) continue;
    v1::PodSandbox& item = *response.add_items();
    item.set_id(sandbox->id);
    item.set_state(status.state());
    item.set_created_at(status.created_at());
    item.set_runtime_handler(sandbox->handler);
    item.mutable_metadata()->Swap(status.mutable_metadata());
    item.mutable_labels()->swap(*status.mutable_labels());
    item.mutable_annotations()->swap(*status.mutable_annotations());
  }
  return response;
}

} // namespace keelson::cri
