#include "daemon/admin/cri_pods.hpp"

#include <map>
#include <set>
#include <string>

namespace keelson::daemon {

namespace {

std::string text(const json::object& object, std::string_view key) {
  return json::get_string(object, key).value_or("");
}

std::int64_t number(const json::object& object, std::string_view key) {
  return json::get_int(object, key).value_or(0);
}

void copy(const json::object& from, const char* key, json::object& to) {
  if (const json::value* value = from.if_contains(key)) to[key] = *value;
}

json::object container_state(const json::object& container) {
  const std::string state = text(container, "state");
  json::object inner;
  if (state == "running") {
    copy(container, "startedAt", inner);
    return {{"running", std::move(inner)}};
  }
  if (state == "exited") {
    for (const char* key : {"exitCode", "reason", "message", "startedAt", "finishedAt"}) copy(container, key, inner);
    inner["containerID"] = "keelson://" + text(container, "id");
    return {{"terminated", std::move(inner)}};
  }
  return {{"waiting", json::object{{"reason", "ContainerCreating"}}}};
}

json::object container_status(const json::object& container) {
  const bool running = text(container, "state") == "running";
  return {{"name", text(container, "name")},
          {"image", text(container, "image")},
          {"imageID", text(container, "imageRef")},
          {"containerID", "keelson://" + text(container, "id")},
          {"restartCount", number(container, "attempt")},
          {"ready", running},
          {"started", running},
          {"state", container_state(container)}};
}

// The newest attempt of each container of a sandbox.
std::map<std::string, const json::object*> newest_containers(const json::array& containers, const std::string& id) {
  std::map<std::string, const json::object*> newest;
  for (const json::value& item : containers) {
    const json::object& container = item.as_object();
    if (text(container, "sandboxId") != id) continue;
    const json::object*& slot = newest[text(container, "name")];
    if (slot == nullptr || number(*slot, "attempt") < number(container, "attempt")) slot = &container;
  }
  return newest;
}

std::string phase_of(bool ready, const json::array& statuses) {
  bool any_running = false;
  bool all_succeeded = !statuses.empty();
  bool any_started = false;
  for (const json::value& status : statuses) {
    const json::object& state = status.at("state").as_object();
    any_running = any_running || state.contains("running");
    any_started = any_started || !state.contains("waiting");
    const json::object* terminated = json::find_object(state, "terminated");
    all_succeeded = all_succeeded && terminated != nullptr && number(*terminated, "exitCode") == 0;
  }
  if (any_running || (ready && any_started)) return "Running";
  if (ready || statuses.empty()) return ready ? "Pending" : "Failed";
  return all_succeeded ? "Succeeded" : "Failed";
}

json::object pod_of(const json::object& sandbox, const json::array& containers) {
  json::object metadata;
  for (const char* key : {"name", "namespace", "uid", "labels"}) copy(sandbox, key, metadata);
  copy(sandbox, "annotations", metadata);
  json::value& annotations = metadata["annotations"];
  if (!annotations.is_object()) annotations.emplace_object();
  annotations.get_object()["keelson.dev/source"] = "cri";
  if (const json::value* created = sandbox.if_contains("createdAt")) metadata["creationTimestamp"] = *created;
  json::array spec_containers;
  json::array statuses;
  for (const auto& [name, container] : newest_containers(containers, text(sandbox, "id"))) {
    spec_containers.emplace_back(json::object{{"name", name}, {"image", text(*container, "image")}});
    statuses.emplace_back(container_status(*container));
  }
  const bool ready = text(sandbox, "state") == "ready";
  json::object status{{"phase", phase_of(ready, statuses)}, {"qosClass", text(sandbox, "qosClass")}};
  if (!ready) status["reason"] = "SandboxNotReady";
  if (const json::array* ips = json::find_array(sandbox, "ips"); ips != nullptr && !ips->empty()) {
    status["podIP"] = ips->front();
    json::array pod_ips;
    for (const json::value& ip : *ips) pod_ips.emplace_back(json::object{{"ip", ip}});
    status["podIPs"] = std::move(pod_ips);
  }
  status["startTime"] = text(sandbox, "createdAt");
  status["containerStatuses"] = std::move(statuses);
  json::object spec{{"containers", std::move(spec_containers)},
                    {"hostNetwork", json::get_bool(sandbox, "hostNetwork").value_or(false)}};
  return {{"apiVersion", "v1"},
          {"kind", "Pod"},
          {"metadata", std::move(metadata)},
          {"spec", std::move(spec)},
          {"status", std::move(status)}};
}

} // namespace

json::array pods_of_others(const json::array& sandboxes, const json::array& containers, const json::array& own) {
  std::set<std::string> known;
  for (const json::value& pod : own)
    if (const json::object* object = pod.if_object())
      if (const json::object* metadata = json::find_object(*object, "metadata")) known.insert(text(*metadata, "uid"));
  std::map<std::string, const json::object*> newest;
  for (const json::value& item : sandboxes) {
    const json::object& sandbox = item.as_object();
    const std::string uid = text(sandbox, "uid");
    if (known.contains(uid)) continue;
    const std::string key = text(sandbox, "namespace") + "/" + text(sandbox, "name") + "/" + uid;
    const json::object*& slot = newest[key];
    if (slot == nullptr || text(*slot, "createdAt") < text(sandbox, "createdAt")) slot = &sandbox;
  }
  json::array pods;
  for (const auto& [key, sandbox] : newest) pods.emplace_back(pod_of(*sandbox, containers));
  return pods;
}

} // namespace keelson::daemon
