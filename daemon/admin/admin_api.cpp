#include "daemon/admin/admin_api.hpp"

#include "base/text.hpp"
#include "cgroups/hierarchy.hpp"
#include "config.h"
#include "daemon/admin/admin_objects.hpp"
#include "daemon/admin/cri_pods.hpp"
#include "daemon/admin/image_requests.hpp"
#include "qos/tier_tree.hpp"

#include <sys/utsname.h>

#include <memory>

namespace keelson::daemon {

namespace {

// How long a watcher of events waits before it looks whether its client is still there.
constexpr std::chrono::milliseconds kWatchTick{500};

Result<json::value> items(Result<json::array> list) {
  if (!list) return Fail(std::move(list).error());
  return json::object{{"items", std::move(*list)}};
}

json::value event_json(const Event& event) {
  return json::object{{"sequence", event.sequence},
                      {"type", event.type == EventType::normal ? "Normal" : "Warning"},
                      {"reason", event.reason},
                      {"object", event.object},
                      {"uid", event.uid},
                      {"fieldPath", event.field_path},
                      {"message", event.message},
                      {"count", event.count},
                      {"firstTimestamp", format_rfc3339_nano(event.first_at)},
                      {"lastTimestamp", format_rfc3339_nano(event.last_at)}};
}

class Api {
 public:
  explicit Api(AdminServices services)
      : services_(std::move(services)) {}

  Result<json::value> answer(const AdminRequest& request, AdminStream& stream) {
    if (request.method == "GET") return get(request, stream);
    if (request.method == "POST") return post(request, stream);
    return fail(Code::unimplemented, "method {} is not known: use GET or POST", printable(request.method, 16));
  }

 private:
  Result<json::value> get(const AdminRequest& request, AdminStream& stream) {
    const std::string& path = request.path;
    if (path == "/v1/info") return info();
    if (path == "/v1/pods") return pods();
    if (path == "/v1/sandboxes") return items(list_sandboxes(services_.runtime));
    if (path == "/v1/containers") return items(list_containers(services_.runtime));
    if (path == "/v1/images") return items(list_images(services_.runtime));
    if (path == "/v1/stats") return items(list_stats(services_.runtime, services_.hierarchy));
    if (path == "/v1/cgroups") return cgroup_tree();
    if (path == "/v1/events") return events(request, stream);
    if (const std::string id = rest(path, "/v1/containers/"); !id.empty())
      return inspect_container(services_.runtime, id);
    if (const std::string id = rest(path, "/v1/sandboxes/"); !id.empty()) return inspect_sandbox(services_.runtime, id);
    return unknown(path);
  }

  Result<json::value> post(const AdminRequest& request, AdminStream& stream) {
    const std::string& path = request.path;
    if (path == "/v1/images/pull") return pull_image(services_.runtime, request, stream);
    if (path == "/v1/images/load") return load_images(services_.runtime, request);
    if (path == "/v1/images/tag") return tag_image(services_.runtime, request);
    if (path == "/v1/images/remove") return remove_image(services_.runtime, request);
    if (path == "/v1/images/prune") return prune_images(services_.runtime, request);
    if (const std::string call = rest(path, "/v1/cri/"); !call.empty())
      return cri_call(services_.runtime, call, request.body);
    return unknown(path);
  }

  static std::string rest(const std::string& path, std::string_view prefix) {
    return path.starts_with(prefix) ? path.substr(prefix.size()) : std::string();
  }

  static Fail unknown(const std::string& path) { return fail(Code::not_found, "no such path: {}", printable(path)); }

  Result<json::value> info() {
    TRY_ASSIGN(json::value runtime, runtime_status(services_.runtime));
    utsname kernel{};
    ::uname(&kernel);
    return json::object{{"name", "keelsond"},
                        {"version", KEELSON_VERSION},
                        {"node", services_.node_name},
                        {"kernel", kernel.release},
                        {"architecture", kernel.machine},
                        {"criSocket", services_.cri_socket},
                        {"runsPods", services_.pods != nullptr},
                        {"cgroups", json::object{{"mode", cgroups::to_string(services_.hierarchy.mode())},
                                                 {"description", services_.hierarchy.describe()}}},
                        {"runtime", std::move(runtime)},
                        {"config", services_.config_text}};
  }

  Result<json::value> pods() {
    json::array all;
    if (services_.pods)
      if (json::value own = services_.pods(); own.is_array()) all = std::move(own.get_array());
    TRY_ASSIGN(const json::array sandboxes, list_sandboxes(services_.runtime));
    TRY_ASSIGN(const json::array containers, list_containers(services_.runtime));
    for (json::value& pod : pods_of_others(sandboxes, containers, all)) all.push_back(std::move(pod));
    return json::object{{"apiVersion", "v1"}, {"kind", "List"}, {"items", std::move(all)}};
  }

  Result<json::value> cgroup_tree() {
    if (services_.tiers == nullptr)
      return fail(
          Code::failed_precondition,
          "this keelsond keeps no tiers: it runs without pods (--only=cri), and its CRI client owns the cgroups");
    return qos::TierTree::to_json(services_.tiers->report());
  }

  Result<json::value> events(const AdminRequest& request, AdminStream& stream) {
    if (!services_.wait_events)
      return fail(Code::failed_precondition,
                  "this keelsond has no events of pods: it runs without them (--only=cri); its CRI client has them");
    std::uint64_t after = 0;
    if (const auto given = request.query.find("after"); given != request.query.end()) {
      TRY_ASSIGN(after, parse_int<std::uint64_t>(given->second));
    }
    const auto watch = request.query.find("watch");
    if (watch == request.query.end() || watch->second != "1") {
      json::array list;
      for (const Event& event : services_.wait_events(after, Deadline::after(std::chrono::seconds(0))))
        list.push_back(event_json(event));
      return json::object{{"items", std::move(list)}};
    }
    return watch_events(after, request, stream);
  }

  Result<json::value> watch_events(std::uint64_t after, const AdminRequest& request, AdminStream& stream) {
    if (!stream.send(json::object{})) return json::value(nullptr); // the head, so that the client knows it is watching
    while (!request.gone.stop_requested()) {
      const Deadline tick = Deadline::after(kWatchTick);
      const auto news = services_.wait_events(after, tick);
      if (news.empty() && !tick.passed()) break; // the log is closed: the agent ends
      for (const Event& event : news) {
        if (!stream.send(event_json(event))) return json::value(nullptr);
        after = event.sequence;
      }
    }
    return json::value(nullptr);
  }

  AdminServices services_;
};

} // namespace

AdminHandler make_admin_handler(AdminServices services) {
  auto api = std::make_shared<Api>(std::move(services));
  return [api](const AdminRequest& request, AdminStream& stream) { return api->answer(request, stream); };
}

} // namespace keelson::daemon
