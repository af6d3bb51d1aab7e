#include "base/json.hpp"
#include "config.h"
#include "cri/server/runtime_state.hpp"

namespace keelson::cri {

namespace {

void add_condition(v1::RuntimeStatus& status, const char* type, bool good, std::string reason, std::string message) {
  v1::RuntimeCondition& condition = *status.add_conditions();
  condition.set_type(type);
  condition.set_status(good);
  condition.set_reason(std::move(reason));
  condition.set_message(std::move(message));
}

std::string verbose_info(const Runtime::State& state) {
  json::object handlers;
  for (const auto& [name, runtime] : state.handlers) {
    const RuntimeVersion& version = runtime.info().version;
    json::array flaws;
    for (const std::string& flaw : known_flaws(version)) flaws.emplace_back(flaw);
    handlers[name] = json::object{{"path", runtime.options().path},
                                  {"name", version.name},
                                  {"version", version.text},
                                  {"package", version.package},
                                  {"knownFlaws", std::move(flaws)}};
  }
  json::object config{{"root", state.options.root},
                      {"state", state.options.state},
                      {"cgroupParent", state.options.cgroup_parent},
                      {"cgroups", state.services.hierarchy.describe()},
                      {"cgroupDriver", cgroups::to_string(state.services.driver.kind())},
                      {"defaultHandler", state.default_handler},
                      {"containerLogMaxSize", state.options.log_max_size},
                      {"containerLogMaxFiles", state.options.log_max_files},
                      {"handlers", std::move(handlers)}};
  return json::to_text(json::object{{"version", KEELSON_VERSION},
                                    {"config", std::move(config)},
                                    {"sandboxes", state.sandboxes.list().size()},
                                    {"containers", state.containers.list().size()}});
}

void add_handler(v1::StatusResponse& response, const std::string& name, const OciRuntime& runtime) {
  v1::RuntimeHandler& handler = *response.add_runtime_handlers();
  handler.set_name(name);
  handler.mutable_features()->set_recursive_read_only_mounts(runtime.info().features.recursive_read_only);
  handler.mutable_features()->set_user_namespaces(false);
}

} // namespace

Result<v1::StatusResponse> Runtime::status(const v1::StatusRequest& request) {
  v1::StatusResponse response;
  add_condition(*response.mutable_status(), "RuntimeReady", true, "", "");
  const netns::NetworkStatus network = state_->services.network.status();
  add_condition(*response.mutable_status(), "NetworkReady", network.ready, network.ready ? "" : "NetworkPluginNotReady",
                network.reason);
  // The empty name is the default handler, as kubelet looks it up.
  add_handler(response, "", state_->handlers.at(state_->default_handler));
  for (const auto& [name, runtime] : state_->handlers) add_handler(response, name, runtime);
  response.mutable_features()->set_supplemental_groups_policy(true);
  if (request.verbose()) (*response.mutable_info())["config"] = verbose_info(*state_);
  return response;
}

} // namespace keelson::cri
