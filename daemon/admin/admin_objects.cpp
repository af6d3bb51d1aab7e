#include "daemon/admin/admin_objects.hpp"

#include "base/time.hpp"
#include "cgroups/group.hpp"
#include "cri/server/proto_json.hpp"
#include "cri/server/runtime.hpp"

#include <algorithm>
#include <map>
#include <unordered_map>

namespace keelson::daemon {

namespace v1 = ::runtime::v1;

namespace {

void set_time(json::object& object, const char* key, std::int64_t nanos) {
  if (nanos > 0) object[key] = format_rfc3339_nano(WallTime(std::chrono::nanoseconds(nanos)));
}

template <class Map>
json::object to_object(const Map& map) {
  const std::map<std::string, std::string> sorted(map.begin(), map.end());
  json::object object;
  for (const auto& [key, value] : sorted) object[key] = value;
  return object;
}

template <class List>
json::array to_array(const List& list) {
  json::array array;
  for (const auto& text : list) array.emplace_back(text);
  return array;
}

Result<json::value> message_json(const google::protobuf::Message& message) {
  TRY_ASSIGN(const std::string text, cri::to_json_text(message));
  return json::parse(text);
}

// The one entry of a verbose answer is JSON text: as a value.
template <class Map>
json::value verbose_info(const Map& info) {
  if (info.empty()) return nullptr;
  auto parsed = json::parse(info.begin()->second);
  return parsed ? std::move(*parsed) : json::value(info.begin()->second);
}

std::string text_of(const json::value& object, std::string_view key) {
  const json::value* member = object.as_object().if_contains(key);
  return member != nullptr && member->is_string() ? std::string(member->get_string()) : std::string();
}

void sort_objects(json::array& items) {
  std::stable_sort(items.begin(), items.end(), [](const json::value& a, const json::value& b) {
    for (const char* key : {"namespace", "pod", "name", "createdAt"}) {
      const int order = text_of(a, key).compare(text_of(b, key));
      if (order != 0) return order < 0;
    }
    return false;
  });
}

std::string_view state_name(v1::ContainerState state) {
  switch (state) {
  case v1::CONTAINER_CREATED:
    return "created";
  case v1::CONTAINER_RUNNING:
    return "running";
  case v1::CONTAINER_EXITED:
    return "exited";
  default:
    return "unknown";
  }
}

// From the group that holds it: the tier's name is in the path, with both drivers.
std::string_view tier_of(std::string_view cgroup) {
  if (cgroup.find("besteffort") != std::string_view::npos) return "BestEffort";
  if (cgroup.find("burstable") != std::string_view::npos) return "Burstable";
  const bool is_pod = cgroup.find("/pod") != std::string_view::npos || cgroup.find("-pod") != std::string_view::npos;
  return is_pod ? "Guaranteed" : "";
}

json::object sandbox_object(cri::Runtime& runtime, const v1::PodSandboxStatus& status) {
  json::object object{{"id", status.id()},
                      {"name", status.metadata().name()},
                      {"namespace", status.metadata().namespace_()},
                      {"uid", status.metadata().uid()},
                      {"attempt", status.metadata().attempt()},
                      {"state", status.state() == v1::SANDBOX_READY ? "ready" : "notready"}};
  set_time(object, "createdAt", status.created_at());
  json::array ips;
  if (!status.network().ip().empty()) ips.emplace_back(status.network().ip());
  for (const auto& ip : status.network().additional_ips()) ips.emplace_back(ip.ip());
  object["ips"] = std::move(ips);
  object["handler"] = status.runtime_handler();
  object["hostNetwork"] = status.linux().namespaces().options().network() == v1::NODE;
  if (const auto cgroup = runtime.sandbox_cgroup(status.id())) {
    object["cgroup"] = *cgroup;
    object["qosClass"] = tier_of(*cgroup);
  }
  object["labels"] = to_object(status.labels());
  object["annotations"] = to_object(status.annotations());
  return object;
}

json::object container_object(cri::Runtime& runtime, const v1::ContainerStatus& status,
                              const v1::PodSandboxMetadata& pod, const std::string& sandbox_id) {
  json::object object{
      {"id", status.id()},       {"name", status.metadata().name()},   {"attempt", status.metadata().attempt()},
      {"pod", pod.name()},       {"namespace", pod.namespace_()},      {"podUid", pod.uid()},
      {"sandboxId", sandbox_id}, {"state", state_name(status.state())}};
  const std::string& asked = status.image().user_specified_image();
  object["image"] = asked.empty() ? status.image().image() : asked;
  object["imageRef"] = status.image_ref();
  object["imageId"] = status.image_id();
  set_time(object, "createdAt", status.created_at());
  set_time(object, "startedAt", status.started_at());
  set_time(object, "finishedAt", status.finished_at());
  if (status.state() == v1::CONTAINER_EXITED) {
    object["exitCode"] = status.exit_code();
    object["reason"] = status.reason();
    object["message"] = status.message();
  }
  if (const auto place = runtime.container_place(status.id())) {
    object["cgroup"] = place->cgroup_path;
    object["pid"] = place->pid;
  }
  object["logPath"] = status.log_path();
  object["labels"] = to_object(status.labels());
  object["annotations"] = to_object(status.annotations());
  return object;
}

// Objects that go while they are listed are left out.
template <class T>
bool is_gone(const Result<T>& result) {
  return !result && result.error().code == Code::not_found;
}

Result<std::unordered_map<std::string, v1::PodSandboxMetadata>> sandbox_names(cri::Runtime& runtime) {
  TRY_ASSIGN(const auto listed, runtime.list_pod_sandbox({}));
  std::unordered_map<std::string, v1::PodSandboxMetadata> names;
  for (const auto& sandbox : listed.items()) names[sandbox.id()] = sandbox.metadata();
  return names;
}

json::object image_object(const cri::Image& image) {
  return {{"id", image.id},           {"tags", to_array(image.repo_tags)},   {"digests", to_array(image.repo_digests)},
          {"size", image.size},       {"downloadSize", image.download_size}, {"layers", image.layers.size()},
          {"created", image.created}, {"architecture", image.architecture},  {"user", image.config.user},
          {"pinned", image.pinned}};
}

void add_usage(json::object& object, const v1::CpuUsage& cpu, const v1::MemoryUsage& memory) {
  if (cpu.has_usage_core_nano_seconds()) {
    object["cpu"] = json::object{{"timestampNanos", cpu.timestamp()},
                                 {"usageNanos", cpu.usage_core_nano_seconds().value()},
                                 {"nanoCores", cpu.usage_nano_cores().value()}};
  }
  if (!memory.has_usage_bytes()) return;
  json::object figures{{"usage", memory.usage_bytes().value()},
                       {"workingSet", memory.working_set_bytes().value()},
                       {"rss", memory.rss_bytes().value()}};
  if (memory.has_available_bytes())
    figures["limit"] = memory.working_set_bytes().value() + memory.available_bytes().value();
  object["memory"] = std::move(figures);
}

json::object network_object(const v1::NetworkUsage& network) {
  std::uint64_t received = 0;
  std::uint64_t sent = 0;
  const auto add = [&](const v1::NetworkInterfaceUsage& interface) {
    if (interface.name() == "lo") return;
    received += interface.rx_bytes().value();
    sent += interface.tx_bytes().value();
  };
  add(network.default_interface());
  for (const auto& interface : network.interfaces()) add(interface);
  return {{"rxBytes", received}, {"txBytes", sent}};
}

json::object container_stats_object(cri::Runtime& runtime, const cgroups::Hierarchy& hierarchy,
                                    const v1::ContainerStats& stats) {
  json::object object{{"id", stats.attributes().id()},
                      {"name", stats.attributes().metadata().name()},
                      {"attempt", stats.attributes().metadata().attempt()}};
  add_usage(object, stats.cpu(), stats.memory());
  if (stats.has_writable_layer()) {
    object["fs"] = json::object{{"usedBytes", stats.writable_layer().used_bytes().value()},
                                {"inodes", stats.writable_layer().inodes_used().value()}};
  }
  if (!stats.has_cpu() && !stats.has_memory()) return object;
  const auto place = runtime.container_place(stats.attributes().id());
  if (!place) return object;
  if (const auto group = cgroups::Group::open(hierarchy, place->cgroup_path))
    if (const auto usage = group->statistics(); usage && usage->pids) object["pids"] = usage->pids->current;
  return object;
}

using CallFunction = Result<json::value> (*)(cri::Runtime&, const std::string&);

template <auto method, class Request>
Result<json::value> call(cri::Runtime& runtime, const std::string& body) {
  Request request;
  if (const auto parsed = cri::from_json_text(body.empty() ? "{}" : body, request); !parsed)
    return fail(Code::invalid_argument, "{}", parsed.error().message);
  TRY_ASSIGN(const auto response, (runtime.*method)(request));
  return message_json(response);
}

constexpr auto kExecSync =
    static_cast<Result<v1::ExecSyncResponse> (cri::Runtime::*)(const v1::ExecSyncRequest&)>(&cri::Runtime::exec_sync);

const std::map<std::string, CallFunction, std::less<>>& calls() {
  using R = cri::Runtime;
  static const std::map<std::string, CallFunction, std::less<>> table{
      {"Version", call<&R::version, v1::VersionRequest>},
      {"Status", call<&R::status, v1::StatusRequest>},
      {"RuntimeConfig", call<&R::runtime_config, v1::RuntimeConfigRequest>},
      {"StopPodSandbox", call<&R::stop_pod_sandbox, v1::StopPodSandboxRequest>},
      {"RemovePodSandbox", call<&R::remove_pod_sandbox, v1::RemovePodSandboxRequest>},
      {"PodSandboxStatus", call<&R::pod_sandbox_status, v1::PodSandboxStatusRequest>},
      {"ListPodSandbox", call<&R::list_pod_sandbox, v1::ListPodSandboxRequest>},
      {"StopContainer", call<&R::stop_container, v1::StopContainerRequest>},
      {"RemoveContainer", call<&R::remove_container, v1::RemoveContainerRequest>},
      {"ContainerStatus", call<&R::container_status, v1::ContainerStatusRequest>},
      {"ListContainers", call<&R::list_containers, v1::ListContainersRequest>},
      {"ExecSync", call<kExecSync, v1::ExecSyncRequest>},
      {"ContainerStats", call<&R::container_stats, v1::ContainerStatsRequest>},
      {"ListContainerStats", call<&R::list_container_stats, v1::ListContainerStatsRequest>},
      {"PodSandboxStats", call<&R::pod_sandbox_stats, v1::PodSandboxStatsRequest>},
      {"ListPodSandboxStats", call<&R::list_pod_sandbox_stats, v1::ListPodSandboxStatsRequest>},
      {"ListImages", call<&R::list_images, v1::ListImagesRequest>},
      {"ImageStatus", call<&R::image_status, v1::ImageStatusRequest>},
      {"ImageFsInfo", call<&R::image_fs_info, v1::ImageFsInfoRequest>}};
  return table;
}

} // namespace

Result<json::array> list_sandboxes(cri::Runtime& runtime) {
  TRY_ASSIGN(const auto listed, runtime.list_pod_sandbox({}));
  json::array items;
  for (const auto& sandbox : listed.items()) {
    v1::PodSandboxStatusRequest request;
    request.set_pod_sandbox_id(sandbox.id());
    const auto status = runtime.pod_sandbox_status(request);
    if (is_gone(status)) continue;
    if (!status) return Fail(status.error());
    items.emplace_back(sandbox_object(runtime, status->status()));
  }
  sort_objects(items);
  return items;
}

Result<json::array> list_containers(cri::Runtime& runtime) {
  TRY_ASSIGN(const auto names, sandbox_names(runtime));
  TRY_ASSIGN(const auto listed, runtime.list_containers({}));
  json::array items;
  for (const auto& container : listed.containers()) {
    const auto pod = names.find(container.pod_sandbox_id());
    v1::ContainerStatusRequest request;
    request.set_container_id(container.id());
    const auto status = runtime.container_status(request);
    if (is_gone(status)) continue;
    if (!status) return Fail(status.error());
    items.emplace_back(container_object(runtime, status->status(),
                                        pod != names.end() ? pod->second : v1::PodSandboxMetadata(),
                                        container.pod_sandbox_id()));
  }
  sort_objects(items);
  return items;
}

json::array list_images(cri::Runtime& runtime) {
  json::array items;
  for (const cri::Image& image : runtime.images().list()) items.emplace_back(image_object(image));
  return items;
}

Result<json::array> list_stats(cri::Runtime& runtime, const cgroups::Hierarchy& hierarchy) {
  TRY_ASSIGN(const auto listed, runtime.list_pod_sandbox_stats({}));
  json::array items;
  for (const auto& stats : listed.stats()) {
    const auto& usage = stats.linux();
    json::object object{{"id", stats.attributes().id()},
                        {"name", stats.attributes().metadata().name()},
                        {"namespace", stats.attributes().metadata().namespace_()},
                        {"uid", stats.attributes().metadata().uid()}};
    add_usage(object, usage.cpu(), usage.memory());
    if (usage.has_process()) object["pids"] = usage.process().process_count().value();
    if (usage.has_network()) object["network"] = network_object(usage.network());
    json::array containers;
    for (const auto& container : usage.containers())
      containers.emplace_back(container_stats_object(runtime, hierarchy, container));
    object["containers"] = std::move(containers);
    items.emplace_back(std::move(object));
  }
  sort_objects(items);
  return items;
}

Result<json::value> inspect_container(cri::Runtime& runtime, const std::string& id) {
  v1::ContainerStatusRequest request;
  request.set_container_id(id);
  request.set_verbose(true);
  TRY_ASSIGN(const auto response, runtime.container_status(request));
  v1::ListContainersRequest list;
  list.mutable_filter()->set_id(response.status().id());
  TRY_ASSIGN(const auto listed, runtime.list_containers(list));
  const std::string sandbox_id = listed.containers_size() > 0 ? listed.containers(0).pod_sandbox_id() : "";
  TRY_ASSIGN(const auto names, sandbox_names(runtime));
  const auto pod = names.find(sandbox_id);
  TRY_ASSIGN(json::value status, message_json(response.status()));
  return json::object{
      {"container", container_object(runtime, response.status(),
                                     pod != names.end() ? pod->second : v1::PodSandboxMetadata(), sandbox_id)},
      {"status", std::move(status)},
      {"info", verbose_info(response.info())}};
}

Result<json::value> inspect_sandbox(cri::Runtime& runtime, const std::string& id) {
  v1::PodSandboxStatusRequest request;
  request.set_pod_sandbox_id(id);
  request.set_verbose(true);
  TRY_ASSIGN(const auto response, runtime.pod_sandbox_status(request));
  TRY_ASSIGN(json::value status, message_json(response.status()));
  return json::object{{"sandbox", sandbox_object(runtime, response.status())},
                      {"status", std::move(status)},
                      {"info", verbose_info(response.info())}};
}

Result<json::value> runtime_status(cri::Runtime& runtime) {
  v1::StatusRequest request;
  request.set_verbose(true);
  TRY_ASSIGN(const auto status, runtime.status(request));
  TRY_ASSIGN(json::value conditions, message_json(status.status()));
  TRY_ASSIGN(const auto version, runtime.version({}));
  TRY_ASSIGN(json::value version_json, message_json(version));
  return json::object{
      {"version", std::move(version_json)}, {"status", std::move(conditions)}, {"info", verbose_info(status.info())}};
}

Result<json::value> cri_call(cri::Runtime& runtime, const std::string& name, const std::string& body) {
  const auto found = calls().find(name);
  if (found == calls().end())
    return fail(Code::not_found, "no CRI call \"{}\" is offered here: use the CRI socket", name.substr(0, 64));
  return found->second(runtime, body);
}

} // namespace keelson::daemon
