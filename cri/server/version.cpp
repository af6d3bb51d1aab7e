#include "config.h"
#include "cri/server/runtime_state.hpp"

namespace keelson::cri {

Result<v1::VersionResponse> Runtime::version(const v1::VersionRequest&) {
  v1::VersionResponse response;
  response.set_version("0.1.0"); // of kubelet's runtime API; every CRI runtime answers this
  response.set_runtime_name(std::string(kRuntimeName));
  response.set_runtime_version(KEELSON_VERSION);
  response.set_runtime_api_version(std::string(kApiVersion));
  return response;
}

} // namespace keelson::cri
