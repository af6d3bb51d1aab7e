#include "daemon/config.hpp"

#include "api/quantity.hpp"
#include "api/yaml.hpp"
#include "base/file.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "netns/ip_address.hpp"

#include <algorithm>
#include <functional>

namespace keelson::daemon {

namespace {

// Visits every key of the configuration with the member that holds it. One list serves reading and writing.
template <class V>
void visit_network(V& v, Config& c) {
  v.group("network", [&] {
    v.key("mode", c.network.mode);
    v.group("bridge", [&] {
      v.key("name", c.network.bridge.name);
      v.key("ranges", c.network.bridge.ranges);
      v.key("mtu", c.network.bridge.mtu);
      v.key("masquerade", c.network.bridge.masquerade);
      v.key("noMasquerade", c.network.bridge.no_masquerade);
      v.key("hostPorts", c.network.bridge.host_ports);
      v.key("localhostHostPorts", c.network.bridge.localhost_host_ports);
    });
    v.group("cni", [&] {
      v.key("configDir", c.network.cni.config_dir);
      v.key("pluginDirs", c.network.cni.plugin_dirs);
    });
    v.group("iptables", [&] {
      v.key("restore4", c.network.iptables.restore4);
      v.key("restore6", c.network.iptables.restore6);
      v.key("chainPrefix", c.network.iptables.chain_prefix);
    });
  });
}

template <class V>
void visit_runtime(V& v, Config& c) {
  v.group("runtime", [&] {
    v.key("monitor", c.runtime.monitor);
    v.key("handlers", c.runtime.handlers);
    v.key("seccompProfileRoot", c.runtime.seccomp_profile_root);
    v.key("pidsLimit", c.runtime.pids_limit);
    v.key("logMaxSize", c.runtime.log_max_size);
    v.key("logMaxFiles", c.runtime.log_max_files);
    v.key("createTimeoutSeconds", c.runtime.create_timeout_seconds);
  });
}

template <class V>
void visit(V& v, Config& c) {
  v.key("nodeName", c.node_name);
  v.key("root", c.root);
  v.key("state", c.state);
  v.key("parts", c.parts);
  v.group("log", [&] {
    v.key("level", c.log.level);
    v.key("format", c.log.format);
  });
  v.group("cri", [&] {
    v.key("socket", c.cri.socket);
    v.key("group", c.cri.group);
    v.key("maxThreads", c.cri.max_threads);
  });
  v.group("admin", [&] { v.key("socket", c.admin.socket); });
  visit_runtime(v, c);
  v.group("cgroups", [&] {
    v.key("driver", c.cgroups.driver);
    v.key("parent", c.cgroups.parent);
  });
  visit_network(v, c);
  v.group("images", [&] {
    v.key("registryConfigDir", c.images.registry_config_dir);
    v.key("authFiles", c.images.auth_files);
    v.key("pinned", c.images.pinned);
    v.key("parallelLayers", c.images.parallel_layers);
  });
  v.group("pods", [&] {
    v.key("manifestDir", c.pods.manifest_dir);
    v.key("logDir", c.pods.log_dir);
    v.key("maxPods", c.pods.max_pods);
  });
}

class Reader {
 public:
  explicit Reader(const json::object& root)
      : object_(&root) {}

  template <class T>
  void key(std::string_view name, T& into) {
    seen_.push_back(path_ + std::string(name));
    const json::value* value = object_ != nullptr ? object_->if_contains(name) : nullptr;
    if (value != nullptr && !value->is_null()) read(path_ + std::string(name), *value, into);
  }

  template <class F>
  void group(std::string_view name, F&& visit_members) {
    const json::object* outer = object_;
    const std::string outer_path = path_;
    path_ += std::string(name);
    seen_.push_back(path_);
    const json::value* value = outer != nullptr ? outer->if_contains(name) : nullptr;
    object_ = value != nullptr ? value->if_object() : nullptr;
    if (value != nullptr && !value->is_null() && object_ == nullptr) wrong("a map of keys");
    path_ += '.';
    visit_members();
    object_ = outer;
    path_ = outer_path;
  }

  void find_unknown(const json::object& object, const std::string& path) {
    for (const auto& member : object) {
      const std::string name = path + std::string(member.key());
      if (std::find(seen_.begin(), seen_.end(), name) == seen_.end())
        problems_.push_back(printable(name) + ": unknown key");
      else if (const json::object* inner = member.value().if_object())
        find_unknown(*inner, name + ".");
    }
  }

  Result<> result() const {
    if (problems_.empty()) return {};
    return fail(Code::invalid_argument, "{}", join(problems_, "; "));
  }

 private:
  void wrong(std::string_view expected) { problems_.push_back(fmt::format("{}: expected {}", path_, expected)); }
  void wrong_at(const std::string& path, std::string_view expected) {
    problems_.push_back(fmt::format("{}: expected {}", path, expected));
  }

  void read(const std::string& path, const json::value& value, std::string& into) {
    if (value.is_string())
      into = value.get_string();
    else
      wrong_at(path, "a text");
  }
  void read(const std::string& path, const json::value& value, bool& into) {
    if (value.is_bool())
      into = value.get_bool();
    else
      wrong_at(path, "true or false");
  }
  void read(const std::string& path, const json::value& value, std::int64_t& into) {
    boost::system::error_code error;
    const auto number = value.to_number<std::int64_t>(error);
    if (error || number < 0)
      wrong_at(path, "a whole number that is not negative");
    else
      into = number;
  }
  void read(const std::string& path, const json::value& value, int& into) {
    std::int64_t number = into;
    read(path, value, number);
    if (number > 1'000'000)
      wrong_at(path, "a number up to 1000000");
    else
      into = static_cast<int>(number);
  }
  void read(const std::string& path, const json::value& value, Bytes& into) {
    const auto quantity =
        api::Quantity::parse(value.is_string() ? std::string_view(value.get_string()) : json::to_text(value));
    if (quantity)
      into = quantity->bytes();
    else
      wrong_at(path, "a size such as 10Mi");
  }
  void read(const std::string& path, const json::value& value, std::vector<std::string>& into) {
    const json::array* list = value.if_array();
    if (list == nullptr) return wrong_at(path, "a list of texts");
    into.clear();
    for (const json::value& element : *list) read(path, element, into.emplace_back());
  }
  void read(const std::string& path, const json::value& value, std::vector<HandlerConfig>& into) {
    const json::array* list = value.if_array();
    if (list == nullptr) return wrong_at(path, "a list of handlers");
    into.clear();
    for (const json::value& element : *list) read_handler(fmt::format("{}[{}]", path, into.size()), element, into);
  }
  void read_handler(const std::string& path, const json::value& value, std::vector<HandlerConfig>& into) {
    HandlerConfig& handler = into.emplace_back();
    const json::object* object = value.if_object();
    if (object == nullptr) return wrong_at(path, "a handler: name, path, args, plainNamespaces");
    for (const auto& member : *object) {
      const std::string_view name = member.key();
      const std::string member_path = fmt::format("{}.{}", path, name);
      if (name == "name")
        read(member_path, member.value(), handler.name);
      else if (name == "path")
        read(member_path, member.value(), handler.path);
      else if (name == "args")
        read(member_path, member.value(), handler.args);
      else if (name == "plainNamespaces")
        read(member_path, member.value(), handler.plain_namespaces);
      else
        problems_.push_back(printable(member_path) + ": unknown key");
    }
    if (handler.name.empty()) wrong_at(path + ".name", "a name");
    if (handler.path.empty()) handler.path = handler.name;
  }

  const json::object* object_;
  std::string path_; // ends in a dot, or empty
  std::vector<std::string> seen_;
  std::vector<std::string> problems_;
};

class Writer {
 public:
  template <class T>
  void key(std::string_view name, T& value) {
    (*object_)[name] = to_value(value);
  }
  template <class F>
  void group(std::string_view name, F&& visit_members) {
    json::object inner;
    json::object* outer = std::exchange(object_, &inner);
    visit_members();
    object_ = outer;
    (*object_)[name] = std::move(inner);
  }
  json::object root;

 private:
  static json::value to_value(const std::string& text) { return json::value(text); }
  static json::value to_value(bool value) { return value; }
  static json::value to_value(int value) { return value; }
  static json::value to_value(std::int64_t value) { return value; }
  static json::value to_value(Bytes bytes) { return bytes.value; }
  static json::value to_value(const std::vector<std::string>& texts) {
    json::array list;
    for (const std::string& text : texts) list.emplace_back(text);
    return list;
  }
  static json::value to_value(const std::vector<HandlerConfig>& handlers) {
    json::array list;
    for (const HandlerConfig& handler : handlers)
      list.push_back(json::object{{"name", handler.name},
                                  {"path", handler.path},
                                  {"args", to_value(handler.args)},
                                  {"plainNamespaces", handler.plain_namespaces}});
    return list;
  }

  json::object* object_ = &root;
};

Result<> check_word(std::string_view key, const std::string& value, std::initializer_list<std::string_view> words) {
  if (std::find(words.begin(), words.end(), value) != words.end()) return {};
  std::string known;
  for (const std::string_view word : words) known += (known.empty() ? "" : ", ") + std::string(word);
  return fail(Code::invalid_argument, "{}: \"{}\" is not one of {}", key, printable(value, 64), known);
}

Result<> check_absolute(std::string_view key, const std::string& path) {
  if (!path.empty() && path.front() == '/') return {};
  return fail(Code::invalid_argument, "{}: \"{}\" is not an absolute path", key, printable(path));
}

} // namespace

bool Config::does(std::string_view part) const {
  return std::find(parts.begin(), parts.end(), part) != parts.end();
}

Result<> apply_config_text(std::string_view yaml, Config& config) {
  TRY_ASSIGN(const api::YamlDocuments parsed, api::parse_yaml(yaml));
  for (const json::value& document : parsed.documents) {
    if (document.is_null()) continue;
    const json::object* root = document.if_object();
    if (root == nullptr) return fail(Code::invalid_argument, "the configuration is not a map of keys");
    Config changed = config;
    Reader reader(*root);
    visit(reader, changed);
    reader.find_unknown(*root, "");
    TRY(reader.result());
    config = std::move(changed);
  }
  return {};
}

Result<> load_config_files(const std::string& path, bool must_exist, Config& config) {
  auto text = read_file(path);
  if (!text && (must_exist || text.error().code != Code::not_found))
    return Fail(std::move(text).error().context("configuration"));
  if (text) TRY_CONTEXT(apply_config_text(*text, config), "configuration {}", path);
  const std::string dir = path + ".d";
  if (!exists(dir)) return {};
  TRY_ASSIGN(const auto names, list_dir(dir));
  for (const std::string& name : names) {
    if (!name.ends_with(".yaml") && !name.ends_with(".yml")) continue;
    TRY_ASSIGN(const std::string drop_in, read_file(dir + "/" + name));
    TRY_CONTEXT(apply_config_text(drop_in, config), "configuration {}/{}", dir, name);
  }
  return {};
}

Result<> check_config(const Config& config) {
  TRY(check_absolute("root", config.root));
  TRY(check_absolute("state", config.state));
  TRY(check_absolute("cri.socket", config.cri_socket()));
  TRY(check_absolute("admin.socket", config.admin_socket()));
  TRY(check_absolute("pods.manifestDir", config.pods.manifest_dir));
  TRY(check_absolute("pods.logDir", config.pods.log_dir));
  TRY(check_word("log.level", config.log.level, {"debug", "info", "warning", "error"}));
  TRY(check_word("log.format", config.log.format, {"text", "json"}));
  TRY(check_word("network.mode", config.network.mode, {"auto", "bridge", "cni"}));
  if (config.cgroups.driver == "systemd")
    return fail(Code::unimplemented, "cgroups.driver: systemd: this version makes groups with cgroupfs only; use that, "
                                     "a kubelet learns it over CRI");
  TRY(check_word("cgroups.driver", config.cgroups.driver, {"cgroupfs"}));
  for (const std::string& part : config.parts) TRY(check_word("parts", part, {"cri", "pods"}));
  if (!config.does("cri")) return fail(Code::invalid_argument, "parts: \"cri\" is what the others stand on; add it");
  if (config.runtime.handlers.empty()) return fail(Code::invalid_argument, "runtime.handlers: there must be one");
  if (config.network.bridge.ranges.empty())
    return fail(Code::invalid_argument, "network.bridge.ranges: there must be one, such as 10.88.0.0/16");
  for (const auto* list : {&config.network.bridge.ranges, &config.network.bridge.no_masquerade})
    for (const std::string& range : *list) TRY_CONTEXT(netns::IpPrefix::parse(range), "network.bridge");
  if (config.cri.max_threads < 4) return fail(Code::invalid_argument, "cri.maxThreads: use 4 or more");
  return {};
}

std::string config_text(const Config& config) {
  Config copy = config;
  copy.runtime.log_max_size = config.container_log_max_size();
  Writer writer;
  visit(writer, copy);
  return api::to_yaml(writer.root);
}

} // namespace keelson::daemon
