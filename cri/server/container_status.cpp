#include "base/file.hpp"
#include "base/json.hpp"
#include "cri/server/runtime_state.hpp"

namespace keelson::cri {

namespace {

// What crictl inspect shows below "info".
Result<std::string> verbose_info(const Runtime::State& state, const Container& container) {
  json::object info;
  {
    const std::lock_guard lock(container.mutex);
    info["pid"] = container.init.pid;
    info["phase"] = to_string(container.phase);
  }
  info["sandboxID"] = container.sandbox_id;
  info["runtimeType"] = container.handler;
  info["cgroupPath"] = container.cgroup_path;
  if (const auto spec = read_file(state.paths.container(container.id) + "/config.json"))
    if (auto parsed = json::parse(*spec)) info["runtimeSpec"] = std::move(*parsed);
  return json::to_text(info);
}

} // namespace

Result<v1::ContainerStatusResponse> Runtime::container_status(const v1::ContainerStatusRequest& request) {
  TRY_ASSIGN(const auto container, state_->containers.find(request.container_id()));
  v1::ContainerStatusResponse response;
  *response.mutable_status() = state_->container_status(*container);
  if (!request.verbose()) return response;
  TRY_ASSIGN((*response.mutable_info())["info"], verbose_info(*state_, *container));
  return response;
}

} // namespace keelson::cri
