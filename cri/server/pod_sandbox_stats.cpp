#include "base/log.hpp"
#include "cri/server/filters.hpp"
#include "cri/server/runtime_state.hpp"

namespace keelson::cri {

Result<v1::PodSandboxStatsResponse> Runtime::pod_sandbox_stats(const v1::PodSandboxStatsRequest& request) {
  TRY_ASSIGN(const auto sandbox, state_->sandboxes.find(request.pod_sandbox_id()));
  if (sandbox->current_phase() != SandboxPhase::ready)
    return fail(Code::failed_precondition, "sandbox {} is {}: only a ready one has statistics", sandbox->id,
                to_string(sandbox->current_phase()));
  v1::PodSandboxStatsResponse response;
  TRY_ASSIGN(*response.mutable_stats(), state_->sandbox_stats(*sandbox));
  return response;
}

Result<v1::ListPodSandboxStatsResponse> Runtime::list_pod_sandbox_stats(const v1::ListPodSandboxStatsRequest& request) {
  v1::ListPodSandboxStatsResponse response;
  const v1::PodSandboxStatsFilter& filter = request.filter();
  for (const auto& sandbox : state_->sandboxes.list()) {
    if (!id_matches(filter.id(), sandbox->id)) continue;
    if (!labels_match(filter.label_selector(), sandbox->config.labels())) continue;
    if (sandbox->current_phase() != SandboxPhase::ready) continue;
    auto stats = state_->sandbox_stats(*sandbox);
    if (stats)
      *response.add_stats() = std::move(*stats);
    else if (sandbox->current_phase() == SandboxPhase::ready) // others' figures are told all the same
      log::warning("statistics of sandbox {} ({}): {}", sandbox->id, sandbox->name(), stats.error().message);
  }
  return response;
}

} // namespace keelson::cri
