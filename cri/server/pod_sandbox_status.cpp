#include "base/json.hpp"
#include "cri/server/runtime_state.hpp"
#include "netns/pinned_namespaces.hpp"

namespace keelson::cri {

namespace {

// What crictl inspectp shows below "info".
std::string verbose_info(const Runtime::State& state, const Sandbox& sandbox) {
  json::object info;
  const auto monitor = sandbox.current_monitor();
  info["monitorPid"] = monitor != nullptr ? monitor->process().pid : 0;
  info["cgroupParent"] = sandbox.cgroup_parent;
  info["runtimeHandler"] = sandbox.handler;
  if (!sandbox.host_network())
    info["netns"] = netns::namespace_path(state.paths.namespaces(sandbox.id), netns::NamespaceKind::net);
  const std::lock_guard lock(sandbox.mutex);
  info["phase"] = to_string(sandbox.phase);
  info["pid"] = sandbox.infra ? sandbox.infra->pid : 0;
  return json::to_text(info);
}

} // namespace

Result<v1::PodSandboxStatusResponse> Runtime::pod_sandbox_status(const v1::PodSandboxStatusRequest& request) {
  TRY_ASSIGN(const auto sandbox, state_->sandboxes.find(request.pod_sandbox_id()));
  v1::PodSandboxStatusResponse response;
  response.set_timestamp(unix_nanos(state_->services.clock.wall_now())); // what happens from now on may be missing
  *response.mutable_status() = state_->sandbox_status(*sandbox);
  for (const auto& container : state_->containers_of(sandbox->id))
    if (container->current_phase() != ContainerPhase::creating)
      *response.add_containers_statuses() = state_->container_status(*container);
  if (request.verbose()) (*response.mutable_info())["info"] = verbose_info(*state_, *sandbox);
  return response;
}

} // namespace keelson::cri
