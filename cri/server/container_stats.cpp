#include "base/log.hpp"
#include "cri/server/filters.hpp"
#include "cri/server/runtime_state.hpp"

namespace keelson::cri {

Result<v1::ContainerStatsResponse> Runtime::container_stats(const v1::ContainerStatsRequest& request) {
  TRY_ASSIGN(const auto container, state_->containers.find(request.container_id()));
  v1::ContainerStatsResponse response;
  TRY_ASSIGN(*response.mutable_stats(), state_->container_stats(*container));
  return response;
}

Result<v1::ListContainerStatsResponse> Runtime::list_container_stats(const v1::ListContainerStatsRequest& request) {
  v1::ListContainerStatsResponse response;
  const v1::ContainerStatsFilter& filter = request.filter();
  for (const auto& container : state_->containers.list()) {
    if (!id_matches(filter.id(), container->id) || !id_matches(filter.pod_sandbox_id(), container->sandbox_id))
      continue;
    if (!labels_match(filter.label_selector(), container->config.labels())) continue;
    if (container->current_phase() != ContainerPhase::running) continue; // as crictl stats and kubelet expect
    auto stats = state_->container_stats(*container);
    if (stats)
      *response.add_stats() = std::move(*stats);
    else if (container->current_phase() == ContainerPhase::running) // others' figures are told all the same
      log::warning("statistics of container {}: {}", container->id, stats.error().message);
  }
  return response;
}

} // namespace keelson::cri
