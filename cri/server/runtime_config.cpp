#include "cri/server/runtime_state.hpp"

namespace keelson::cri {

Result<v1::RuntimeConfigResponse> Runtime::runtime_config(const v1::RuntimeConfigRequest&) {
  v1::RuntimeConfigResponse response;
  response.mutable_linux()->set_cgroup_driver(
      state_->services.driver.kind() == cgroups::DriverKind::systemd ? v1::SYSTEMD : v1::CGROUPFS);
  return response;
}

} // namespace keelson::cri
