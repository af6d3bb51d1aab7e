#include "api/field_ref.hpp"

#include "base/json.hpp"
#include "base/text.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <array>

namespace keelson::api {

namespace {

// A path like metadata.labels['key'].
struct Subscript {
  std::string_view map;
  std::string_view key;
};

std::optional<Subscript> subscript_of(std::string_view path) {
  const std::size_t open = path.find("['");
  if (open == std::string_view::npos || !path.ends_with("']") || path.size() < open + 4) return {};
  return Subscript{path.substr(0, open), path.substr(open + 2, path.size() - open - 4)};
}

std::string value_at(const StringMap& map, std::string_view key) {
  const auto found = map.find(std::string(key));
  return found == map.end() ? std::string() : found->second;
}

// One line per key, quoted, as files of downwardAPI volumes have them.
std::string lines_of(const StringMap& map) {
  std::string out;
  for (const auto& [key, value] : map) {
    out += (out.empty() ? "" : "\n") + key + "=" + json::to_text(json::value(value));
  }
  return out;
}

std::string joined(const std::vector<IpAddress>& addresses, const std::string& first) {
  if (addresses.empty()) return first;
  std::string out;
  for (const IpAddress& address : addresses) out += (out.empty() ? "" : ",") + address.ip;
  return out;
}

constexpr std::array<std::string_view, 9> kEnvFields = {
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
    "status.hostIP", "status.hostIPs",     "status.podIP", "status.podIPs",
};
constexpr std::array<std::string_view, 5> kVolumeFields = {
    "metadata.name", "metadata.namespace", "metadata.uid", "metadata.labels", "metadata.annotations",
};

template <class List>
bool is_listed(const List& list, std::string_view path) {
  if (const auto subscript = subscript_of(path)) {
    return subscript->map == "metadata.labels" || subscript->map == "metadata.annotations";
  }
  return std::find(list.begin(), list.end(), path) != list.end();
}

std::string plain_field(const Pod& pod, std::string_view path) {
  if (path == "metadata.name") return pod.metadata.name;
  if (path == "metadata.namespace") return pod.metadata.namespace_;
  if (path == "metadata.uid") return pod.metadata.uid;
  if (path == "metadata.labels") return lines_of(pod.metadata.labels);
  if (path == "metadata.annotations") return lines_of(pod.metadata.annotations);
  if (path == "spec.nodeName") return pod.spec.node_name;
  if (path == "spec.serviceAccountName") return pod.spec.service_account_name;
  if (path == "status.hostIP") return pod.status.host_ip;
  if (path == "status.hostIPs") return joined(pod.status.host_ips, pod.status.host_ip);
  if (path == "status.podIP") return pod.status.pod_ip;
  return joined(pod.status.pod_ips, pod.status.pod_ip);
}

bool is_node_resource(std::string_view resource) {
  return resource == "cpu" || resource == "memory" || resource == "ephemeral-storage";
}

} // namespace

bool is_supported_env_field(std::string_view field_path) {
  return is_listed(kEnvFields, field_path);
}

bool is_supported_volume_field(std::string_view field_path) {
  return is_listed(kVolumeFields, field_path);
}

Result<std::string> field_value(const Pod& pod, std::string_view field_path) {
  if (!is_supported_env_field(field_path) && !is_supported_volume_field(field_path)) {
    return fail(Code::invalid_argument, "field {} of a pod is not available to its containers", printable(field_path));
  }
  const auto subscript = subscript_of(field_path);
  if (!subscript) return plain_field(pod, field_path);
  return value_at(subscript->map == "metadata.labels" ? pod.metadata.labels : pod.metadata.annotations, subscript->key);
}

Result<std::string> resource_field_value(const Container& container, const ResourceFieldSelector& selector,
                                         const ResourceList& node_allocatable) {
  const std::string_view name = selector.resource;
  const bool limits = name.starts_with("limits.");
  if (!limits && !name.starts_with("requests.")) {
    return fail(Code::invalid_argument, "resource {} must begin with limits. or requests.", printable(name));
  }
  const std::string_view resource = name.substr(name.find('.') + 1);
  const ResourceList& list = limits ? container.resources.limits : container.resources.requests;
  Quantity amount = amount_of(list, resource);
  if (limits && amount.is_zero() && is_node_resource(resource)) amount = amount_of(node_allocatable, resource);
  return fmt::format("{}", amount.divided_by(selector.divisor.value_or(Quantity{})));
}

const Container* find_container(const Pod& pod, std::string_view name) {
  for (const auto* containers : {&pod.spec.containers, &pod.spec.init_containers, &pod.spec.ephemeral_containers}) {
    for (const Container& container : *containers) {
      if (container.name == name) return &container;
    }
  }
  return nullptr;
}

} // namespace keelson::api
