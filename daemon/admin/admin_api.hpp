// What the paths of the daemon's local API do. keelsonctl is its user; its answers are JSON made for tables and
// scripts.
//
//   GET  /v1/info               versions, node, cgroups, configuration
//   GET  /v1/pods               {"items": [v1 Pod]}: the agent's pods, and those that others made over CRI
//   GET  /v1/sandboxes          {"items": [...]}; /v1/sandboxes/<id or prefix> for one
//   GET  /v1/containers         {"items": [...]}; /v1/containers/<id or prefix> for one, in full
//   GET  /v1/images             {"items": [...]}
//   GET  /v1/stats              {"items": [...]}: usage of pods and their containers
//   GET  /v1/cgroups            the tier tree: intended and actual values
//   GET  /v1/events?after=N     {"items": [...]}; with &watch=1 one line per event, without end
//   POST /v1/images/pull        {"image", "username", "password", ...}: lines of progress, then {"image": ...}
//   POST /v1/images/load        {"path", "name"}
//   POST /v1/images/tag         {"image", "name"}
//   POST /v1/images/remove      {"image"}
//   POST /v1/images/prune       {"dryRun"}: images that no container uses
//   POST /v1/cri/<Call>         any CRI call that keelsonctl needs, request and response as protobuf's JSON
#pragma once

#include "base/time.hpp"
#include "daemon/admin/admin_server.hpp"
#include "daemon/pods/event_log.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace keelson::cgroups {
class Hierarchy;
} // namespace keelson::cgroups
namespace keelson::cri {
class Runtime;
} // namespace keelson::cri
namespace keelson::qos {
class TierTree;
} // namespace keelson::qos

namespace keelson::daemon {

// All of it must outlive the server that uses the handler. What a daemon does not run is absent.
struct AdminServices {
  cri::Runtime& runtime;
  const cgroups::Hierarchy& hierarchy;
  const qos::TierTree* tiers = nullptr;
  std::function<json::value()> pods; // an array of v1 Pod: PodAgent::pods()
  std::function<std::vector<Event>(std::uint64_t after, Deadline deadline)> wait_events; // EventLog::wait
  std::string node_name;
  std::string config_text; // of the configuration in use, YAML
  std::string cri_socket;
};

AdminHandler make_admin_handler(AdminServices services);

} // namespace keelson::daemon
