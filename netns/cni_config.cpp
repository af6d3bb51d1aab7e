#include "netns/cni_config.hpp"

#include "base/file.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace keelson::netns {
namespace {

constexpr std::array<std::string_view, 5> kVersions = {"0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"};
constexpr std::size_t kMaxPlugins = 32;

bool is_supported(std::string_view version) {
  return std::find(kVersions.begin(), kVersions.end(), version) != kVersions.end();
}

Result<std::string> choose_version(const json::object& object) {
  std::string chosen;
  if (auto version = json::get_string(object, "cniVersion")) chosen = *version;
  // Since 1.1.0 a list may offer several: the highest that both sides know.
  if (const json::array* offered = json::find_array(object, "cniVersions"))
    for (const json::value& value : *offered) {
      if (!value.is_string()) continue;
      const std::string_view version(value.get_string());
      if (is_supported(version) && (!is_supported(chosen) || version_at_least(version, chosen))) chosen = version;
    }
  if (chosen.empty()) return fail(Code::invalid_argument, "cniVersion is missing");
  if (!is_supported(chosen))
    return fail(Code::invalid_argument, "cniVersion \"{}\" is not supported: 0.3.0 to 1.1.0 are",
                printable(chosen, 32));
  return chosen;
}

Result<> check_plugin(const json::object& plugin) {
  TRY_ASSIGN(const std::string type, json::get_string(plugin, "type"));
  if (type.empty() || type.front() == '.' || type.find('/') != std::string::npos ||
      type.find('\0') != std::string::npos)
    return fail(Code::invalid_argument, "plug-in type \"{}\" is not the name of a program", printable(type));
  return {};
}

// The specification's form of a network name; it becomes a file name in plug-ins.
bool is_network_name(std::string_view name) {
  const auto is_alnum = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !name.empty() && name.size() <= 253 && is_alnum(name.front()) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; });
}

bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; });
}

json::array strings(const std::vector<std::string>& list) {
  json::array array;
  for (const std::string& item : list) array.emplace_back(item);
  return array;
}

json::array port_mappings(const std::vector<PortMapping>& ports) {
  json::array array;
  for (const PortMapping& port : ports) {
    if (port.host_port == 0) continue;
    json::object mapping;
    mapping["hostPort"] = port.host_port;
    mapping["containerPort"] = port.container_port;
    mapping["protocol"] = to_string(port.protocol);
    if (port.host_ip) mapping["hostIP"] = port.host_ip->text();
    array.emplace_back(std::move(mapping));
  }
  return array;
}

// Burst: no limit of its own, as containerd gives it.
json::object bandwidth(const std::map<std::string, std::string>& annotations) {
  json::object limits;
  const auto add = [&](const char* annotation, const char* rate, const char* burst) {
    const auto found = annotations.find(annotation);
    if (found == annotations.end()) return;
    if (const auto bits = parse_bandwidth(found->second)) {
      limits[rate] = *bits;
      limits[burst] = std::numeric_limits<std::int32_t>::max();
    }
  };
  add("kubernetes.io/ingress-bandwidth", "ingressRate", "ingressBurst");
  add("kubernetes.io/egress-bandwidth", "egressRate", "egressBurst");
  return limits;
}

// The pod's interface is the one of its name in the sandbox. Some plug-ins leave the sandbox out, where there is no
// other.
bool is_pod_interface(const json::object& entry, const json::array& interfaces, std::string_view name) {
  const auto named = [&](const json::object& other) { return json::get_string(other, "name").value_or("") == name; };
  const auto placed = [](const json::object& other) {
    return !json::get_string(other, "sandbox").value_or("").empty();
  };
  if (!named(entry)) return false;
  return placed(entry) || std::none_of(interfaces.begin(), interfaces.end(), [&](const json::value& value) {
           const json::object* other = value.if_object();
           return other != nullptr && named(*other) && placed(*other);
         });
}

// Whether an entry of "ips" is of the pod's interface: its index names it, or there is no index.
Result<bool> is_of_interface(const json::object& ip, const json::array* interfaces, std::string_view name) {
  const auto index = json::get_int(ip, "interface");
  if (!index || interfaces == nullptr) return true;
  if (*index < 0 || static_cast<std::size_t>(*index) >= interfaces->size())
    return fail(Code::invalid_argument, "an address names interface {} of {}", *index, interfaces->size());
  const json::object* interface = (*interfaces)[static_cast<std::size_t>(*index)].if_object();
  return interface != nullptr && is_pod_interface(*interface, *interfaces, name);
}

Result<> add_address(PodAddresses& addresses, const json::object& ip) {
  TRY_ASSIGN(const std::string text, json::get_string(ip, "address"));
  TRY_ASSIGN(const IpAddress address, IpAddress::parse(std::string_view(text).substr(0, text.find('/'))));
  const auto same_family = [&](const IpAddress& other) { return other.family() == address.family(); };
  if (std::any_of(addresses.ips.begin(), addresses.ips.end(), same_family)) return {};
  addresses.ips.push_back(address);
  if (const auto gateway = json::get_string(ip, "gateway"))
    if (const auto parsed = IpAddress::parse(*gateway)) addresses.gateways.push_back(*parsed);
  return {};
}

} // namespace

bool version_at_least(std::string_view version, std::string_view other) {
  const auto a = split(version, '.');
  const auto b = split(other, '.');
  for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    const int left = i < a.size() ? parse_int<int>(a[i]).value_or(0) : 0;
    const int right = i < b.size() ? parse_int<int>(b[i]).value_or(0) : 0;
    if (left != right) return left > right;
  }
  return true;
}

Result<CniList> parse_cni_list(std::string_view text) {
  TRY_ASSIGN(const json::value document, json::parse(text));
  const json::object* object = document.if_object();
  if (object == nullptr) return fail(Code::invalid_argument, "not a JSON object");
  CniList list;
  TRY_ASSIGN(list.name, json::get_string(*object, "name"));
  if (!is_network_name(list.name))
    return fail(Code::invalid_argument, "network name \"{}\" is not of letters, digits, _ . -", printable(list.name));
  TRY_ASSIGN(list.version, choose_version(*object));
  // Old files write it as text.
  list.disable_check = json::get_bool(*object, "disableCheck").value_or(false) ||
                       json::get_string(*object, "disableCheck").value_or("") == "true";
  const json::array* plugins = json::find_array(*object, "plugins");
  if (plugins == nullptr && object->contains("plugins")) return fail(Code::invalid_argument, "plugins is not a list");
  if (plugins == nullptr) {
    TRY(check_plugin(*object));
    list.plugins.push_back(*object);
    return list;
  }
  if (plugins->empty() || plugins->size() > kMaxPlugins)
    return fail(Code::invalid_argument, "plugins has {} entries: 1 to {} are allowed", plugins->size(), kMaxPlugins);
  for (std::size_t i = 0; i < plugins->size(); ++i) {
    const json::object* plugin = (*plugins)[i].if_object();
    if (plugin == nullptr) return fail(Code::invalid_argument, "plugins[{}] is not an object", i);
    TRY_CONTEXT(check_plugin(*plugin), "plugins[{}]", i);
    list.plugins.push_back(*plugin);
  }
  return list;
}

json::object format_cni_list(const CniList& list) {
  json::object object;
  object["name"] = list.name;
  object["cniVersion"] = list.version;
  object["disableCheck"] = list.disable_check;
  json::array plugins;
  for (const json::object& plugin : list.plugins) plugins.emplace_back(plugin);
  object["plugins"] = std::move(plugins);
  return object;
}

Result<CniList> load_cni_config(const std::string& dir) {
  auto names = list_dir(dir);
  if (!names && names.error().code == Code::not_found)
    return fail(Code::not_found, "the CNI directory {} does not exist", dir);
  if (!names) return Fail(std::move(names).error());
  for (const std::string& name : *names) {
    const bool fits = name.ends_with(".conf") || name.ends_with(".conflist") || name.ends_with(".json");
    if (!fits) continue;
    TRY_ASSIGN(const std::string text, read_file(dir + "/" + name));
    auto list = parse_cni_list(text);
    if (!list) return Fail(std::move(list).error().context(fmt::format("{}/{}", dir, name)));
    return list;
  }
  return fail(Code::not_found, "no network configuration (*.conf, *.conflist, *.json) in the CNI directory {}", dir);
}

json::object capability_arguments(const AttachRequest& request) {
  json::object arguments;
  if (auto ports = port_mappings(request.ports); !ports.empty()) arguments["portMappings"] = std::move(ports);
  if (auto limits = bandwidth(request.annotations); !limits.empty()) arguments["bandwidth"] = std::move(limits);
  if (!request.dns.servers.empty() || !request.dns.searches.empty() || !request.dns.options.empty())
    arguments["dns"] = json::object{{"servers", strings(request.dns.servers)},
                                    {"searches", strings(request.dns.searches)},
                                    {"options", strings(request.dns.options)}};
  if (!request.annotations.empty()) {
    json::object annotations;
    for (const auto& [key, value] : request.annotations) annotations[key] = value;
    // The first is containerd's name of this capability.
    arguments["io.kubernetes.cri.pod-annotations"] = annotations;
    arguments["io.kubernetes.cri.podAnnotations"] = std::move(annotations);
  }
  return arguments;
}

std::string plugin_input(const CniList& list, const json::object& plugin, const json::object& capability_arguments,
                         const std::optional<json::value>& previous_result) {
  json::object input = plugin;
  input["name"] = list.name;
  input["cniVersion"] = list.version;
  json::object runtime_config;
  if (const json::object* declared = json::find_object(plugin, "capabilities"))
    for (const auto& argument : capability_arguments)
      if (json::get_bool(*declared, argument.key()).value_or(false)) runtime_config[argument.key()] = argument.value();
  input.erase("capabilities");
  if (!runtime_config.empty()) input["runtimeConfig"] = std::move(runtime_config);
  if (previous_result) input["prevResult"] = *previous_result;
  return json::to_text(input);
}

Result<std::string> format_cni_args(const PodName& pod, std::string_view sandbox_id) {
  for (const std::string_view value :
       {std::string_view(pod.name), std::string_view(pod.name_space), std::string_view(pod.uid), sandbox_id})
    if (value.find(';') != std::string_view::npos || has_control_character(value))
      return fail(Code::invalid_argument,
                  "\"{}\" cannot be passed to CNI plug-ins: it has a ';' or a control character", printable(value));
  return fmt::format(
      "IgnoreUnknown=1;K8S_POD_NAMESPACE={};K8S_POD_NAME={};K8S_POD_INFRA_CONTAINER_ID={};K8S_POD_UID={}",
      pod.name_space, pod.name, sandbox_id, pod.uid);
}

Result<PodAddresses> parse_cni_result(const json::value& result, std::string_view interface) {
  const json::object* object = result.if_object();
  if (object == nullptr) return fail(Code::invalid_argument, "the plug-in's result is not an object");
  const json::array* interfaces = json::find_array(*object, "interfaces");
  PodAddresses addresses;
  addresses.interface = interface;
  if (const json::array* ips = json::find_array(*object, "ips")) {
    for (const json::value& value : *ips) {
      const json::object* ip = value.if_object();
      if (ip == nullptr) return fail(Code::invalid_argument, "an entry of the result's ips is not an object");
      TRY_ASSIGN(const bool ours, is_of_interface(*ip, interfaces, interface));
      if (ours) TRY(add_address(addresses, *ip));
    }
  }
  if (interfaces == nullptr) return addresses;
  for (const json::value& value : *interfaces) {
    const json::object* entry = value.if_object();
    if (entry == nullptr || !is_pod_interface(*entry, *interfaces, interface)) continue;
    addresses.mac = json::get_string(*entry, "mac").value_or("");
  }
  return addresses;
}

Error cni_error(std::string_view plugin, std::string_view command, std::string_view out, std::string_view err) {
  std::string message;
  std::int64_t code = 0;
  if (const auto document = json::parse(out); document && document->is_object()) {
    const json::object& object = document->get_object();
    code = json::get_int(object, "code").value_or(0);
    message = printable(json::get_string(object, "msg").value_or(""), 1024);
    if (const auto details = json::get_string(object, "details"); details && !details->empty())
      message += "; " + printable(*details, 1024);
  }
  if (message.empty()) message = printable(trim(err.empty() ? out : err), 1024);
  if (message.empty()) message = "it said nothing";
  // Error codes of the specification: 4 invalid environment, 6 and 7 bad configuration, 11 try again later.
  const Code mapped = code == 11 ? Code::unavailable : code == 7 || code == 6 ? Code::invalid_argument : Code::internal;
  return {mapped, 0, fmt::format("CNI plug-in {} failed to {}: {}", plugin, command, message)};
}

std::optional<std::int64_t> parse_bandwidth(std::string_view text) {
  std::size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  const auto number = parse_int<std::int64_t>(text.substr(0, digits));
  if (!number) return std::nullopt;
  struct Unit {
    std::string_view suffix;
    std::int64_t factor;
  };
  static constexpr std::array<Unit, 7> kUnits = {{{"", 1},
                                                  {"k", 1000},
                                                  {"M", 1000 * 1000},
                                                  {"G", 1000 * 1000 * 1000},
                                                  {"Ki", 1024},
                                                  {"Mi", 1024 * 1024},
                                                  {"Gi", 1024 * 1024 * 1024}}};
  for (const Unit& unit : kUnits) {
    if (text.substr(digits) != unit.suffix) continue;
    if (*number > std::numeric_limits<std::int64_t>::max() / unit.factor) return std::nullopt;
    return *number * unit.factor;
  }
  return std::nullopt;
}

} // namespace keelson::netns
