#include "cri/server/filters.hpp"
#include "cri/server/runtime_state.hpp"

namespace keelson::cri {

namespace {

bool matches(const v1::ContainerFilter& filter, const Container& container, const v1::ContainerStatus& status) {
  if (!id_matches(filter.id(), container.id)) return false;
  if (!id_matches(filter.pod_sandbox_id(), container.sandbox_id)) return false;
  if (filter.has_state() && filter.state().state() != status.state()) return false;
  return labels_match(filter.label_selector(), status.labels());
}

} // namespace

Result<v1::ListContainersResponse> Runtime::list_containers(const v1::ListContainersRequest& request) {
  v1::ListContainersResponse response;
  for (const auto& container : state_->containers.list()) {
    if (container->current_phase() == ContainerPhase::creating) continue;
    v1::ContainerStatus status = state_->container_status(*container);
    if (!matches(request.filter(), *container, status)) continue;
    v1::Container& item = *response.add_containers();
    item.set_id(container->id);
    item.set_pod_sandbox_id(container->sandbox_id);
    item.set_state(status.state());
    item.set_created_at(status.created_at());
    item.set_image_ref(container->image_id); // kubelet before 1.30 finds images in use by it
    item.set_image_id(container->image_id);
    item.mutable_metadata()->Swap(status.mutable_metadata());
    item.mutable_image()->Swap(status.mutable_image());
    item.mutable_labels()->swap(*status.mutable_labels());
    item.mutable_annotations()->swap(*status.mutable_annotations());
  }
  return response;
}

} // namespace keelson::cri
