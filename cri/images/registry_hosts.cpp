#include "cri/images/registry_hosts.hpp"

#include "base/file.hpp"
#include "base/text.hpp"
#include "cri/images/toml_subset.hpp"

#include <algorithm>
#include <optional>
#include <set>

namespace keelson::cri {

namespace {

constexpr std::size_t kMaxHosts = 64;

// The settings of the file's top (`server`) or of one [host."..."] table.
struct HostSettings {
  std::string url;
  std::optional<std::vector<std::string>> capabilities;
  bool override_path = false;
  TlsOptions tls;
  std::vector<std::pair<std::string, std::string>> headers;
};

bool is_loopback(std::string_view host) {
  if (host == "localhost" || host == "[::1]") return true;
  const auto parts = split(host, '.');
  return parts.size() == 4 && parts[0] == "127" && std::all_of(parts.begin(), parts.end(), [](std::string_view part) {
           return parse_int<int>(part).has_value();
         });
}

std::string_view host_of(std::string_view registry) {
  const auto bracket = registry.find(']');
  const auto colon = registry.find(':', bracket == std::string_view::npos ? 0 : bracket);
  return registry.substr(0, colon);
}

std::string default_url(std::string_view registry) {
  if (registry == "docker.io") return "https://registry-1.docker.io";
  const std::string scheme = is_loopback(host_of(registry)) ? "http" : "https";
  return scheme + "://" + std::string(registry);
}

Result<RegistryHost> finish(const HostSettings& settings) {
  RegistryHost host;
  const bool has_scheme = settings.url.find("://") != std::string::npos;
  TRY_CONTEXT(parse_http_url(has_scheme ? settings.url : "https://" + settings.url).map([&](HttpUrl url) {
    host.base = std::move(url);
  }),
              "host \"{}\"", printable(settings.url));
  if (!host.base.query.empty()) return fail(Code::invalid_argument, "the URL of a host has a query");
  auto& path = host.base.path;
  while (!path.empty() && path.back() == '/') path.pop_back();
  const bool has_version = path.size() >= 3 && path.substr(path.size() - 3) == "/v2";
  if (!settings.override_path && !has_version) path += "/v2";
  if (settings.capabilities) {
    const auto has = [&](std::string_view name) {
      return std::find(settings.capabilities->begin(), settings.capabilities->end(), name) !=
             settings.capabilities->end();
    };
    host.resolve = has("resolve");
    host.pull = has("pull");
  }
  host.tls = settings.tls;
  host.headers = settings.headers;
  return host;
}

Fail wrong_type(const TomlEntry& entry, std::string_view wanted) {
  return fail(Code::invalid_argument, "line {}: \"{}\" must be {}", entry.line, printable(entry.path.back()), wanted);
}

Result<std::string> as_string(const TomlEntry& entry) {
  if (const auto* text = std::get_if<std::string>(&entry.value.value)) return *text;
  return wrong_type(entry, "a string");
}

Result<bool> as_bool(const TomlEntry& entry) {
  if (const auto* flag = std::get_if<bool>(&entry.value.value)) return *flag;
  return wrong_type(entry, "true or false");
}

// A string or a list of strings.
Result<std::vector<std::string>> as_strings(const TomlEntry& entry) {
  std::vector<std::string> out;
  if (const auto* text = std::get_if<std::string>(&entry.value.value)) {
    out.push_back(*text);
    return out;
  }
  const auto* list = std::get_if<std::vector<TomlValue>>(&entry.value.value);
  if (list == nullptr) return wrong_type(entry, "a string or a list of strings");
  for (const auto& item : *list) {
    const auto* text = std::get_if<std::string>(&item.value);
    if (text == nullptr) return wrong_type(entry, "a string or a list of strings");
    out.push_back(*text);
  }
  return out;
}

std::string in_directory(std::string_view directory, const std::string& file) {
  return file.empty() || file.front() == '/' ? file : std::string(directory) + "/" + file;
}

// "file", ["file"] or [["cert", "key"]]; only the first pair is used, as a host asks for one.
Result<> read_client(const TomlEntry& entry, std::string_view directory, TlsOptions& tls) {
  if (const auto* list = std::get_if<std::vector<TomlValue>>(&entry.value.value)) {
    if (list->empty()) return {};
    if (const auto* pair = std::get_if<std::vector<TomlValue>>(&list->front().value)) {
      const auto* cert = pair->empty() ? nullptr : std::get_if<std::string>(&pair->front().value);
      const auto* key = pair->size() < 2 ? nullptr : std::get_if<std::string>(&(*pair)[1].value);
      if (cert == nullptr || pair->size() > 2 || (pair->size() == 2 && key == nullptr))
        return wrong_type(entry, "a list of [certificate, key]");
      tls.client_cert = in_directory(directory, *cert);
      tls.client_key = key == nullptr ? "" : in_directory(directory, *key);
      return {};
    }
  }
  TRY_ASSIGN(const auto files, as_strings(entry));
  if (!files.empty()) tls.client_cert = in_directory(directory, files.front());
  return {};
}

bool is_header_text(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; });
}

Result<> read_header(const TomlEntry& entry, HostSettings& settings) {
  TRY_ASSIGN(const auto values, as_strings(entry));
  for (const auto& value : values) {
    const auto& name = entry.path.back();
    if (!is_header_text(value) || name.empty() || name.find_first_of(": \t\r\n") != std::string::npos)
      return fail(Code::invalid_argument, "line {}: not a header", entry.line);
    settings.headers.emplace_back(name, value);
  }
  return {};
}

// Keys that are not known are left alone: newer files must work.
Result<> read_setting(const TomlEntry& entry, std::string_view key, std::string_view directory,
                      HostSettings& settings) {
  if (key == "capabilities") {
    TRY_ASSIGN(settings.capabilities, as_strings(entry));
  } else if (key == "override_path") {
    TRY_ASSIGN(settings.override_path, as_bool(entry));
  } else if (key == "skip_verify") {
    TRY_ASSIGN(settings.tls.skip_verify, as_bool(entry));
  } else if (key == "ca") {
    TRY_ASSIGN(auto files, as_strings(entry));
    for (const auto& file : files) settings.tls.ca_files.push_back(in_directory(directory, file));
  } else if (key == "client") {
    return read_client(entry, directory, settings.tls);
  }
  return {};
}

struct HostsFile {
  HostSettings server;
  std::vector<HostSettings> hosts;

  Result<HostSettings*> host(const std::string& url) {
    for (auto& known : hosts)
      if (known.url == url) return &known;
    if (hosts.size() >= kMaxHosts) return fail(Code::invalid_argument, "more than {} hosts", kMaxHosts);
    hosts.push_back(HostSettings{url, {}, false, {}, {}});
    return &hosts.back();
  }
};

Result<> read_entry(const TomlEntry& entry, std::string_view directory, HostsFile& file) {
  const auto& path = entry.path;
  if (path.size() == 1 && path[0] != "host") {
    if (path[0] != "server") return read_setting(entry, path[0], directory, file.server);
    TRY_ASSIGN(file.server.url, as_string(entry));
    return {};
  }
  if (path[0] == "header" && path.size() == 2) return read_header(entry, file.server);
  if (path[0] != "host") return {};
  if (path.size() < 3) return fail(Code::invalid_argument, "line {}: a host needs a table of its own", entry.line);
  TRY_ASSIGN(HostSettings * host, file.host(path[1]));
  if (path.size() == 3) return read_setting(entry, path[2], directory, *host);
  if (path.size() == 4 && path[2] == "header") return read_header(entry, *host);
  return {};
}

// Docker's form: every *.crt is a CA, the first *.cert with its *.key is the client's.
Result<TlsOptions> certificate_files(const std::string& directory) {
  TlsOptions tls;
  TRY_ASSIGN(const auto names, list_dir(directory));
  const auto ends_with = [](const std::string& name, std::string_view end) {
    return name.size() > end.size() && std::string_view(name).substr(name.size() - end.size()) == end;
  };
  for (const auto& name : names) {
    if (ends_with(name, ".crt")) tls.ca_files.push_back(directory + "/" + name);
    if (ends_with(name, ".cert") && tls.client_cert.empty()) {
      tls.client_cert = directory + "/" + name;
      tls.client_key = directory + "/" + name.substr(0, name.size() - 5) + ".key";
    }
  }
  return tls;
}

std::optional<std::string> find_directory(const std::string& config_dir, const std::string& registry) {
  std::vector<std::string> names = {registry};
  const auto host = host_of(registry);
  if (host.size() < registry.size()) names.push_back(std::string(host) + "_" + registry.substr(host.size() + 1) + "_");
  names.emplace_back("_default");
  for (const auto& name : names)
    if (exists(config_dir + "/" + name)) return config_dir + "/" + name;
  return std::nullopt;
}

} // namespace

Result<RegistryHost> default_registry_host(std::string_view registry) {
  return finish(HostSettings{default_url(registry), {}, false, {}, {}});
}

Result<std::vector<RegistryHost>> parse_registry_hosts(std::string_view text, std::string_view registry,
                                                       std::string_view directory) {
  TRY_ASSIGN(const auto document, parse_toml(text));
  HostsFile file;
  for (const auto& table : document.tables)
    if (table.size() == 2 && table[0] == "host") TRY(file.host(table[1]));
  for (const auto& entry : document.entries) TRY(read_entry(entry, directory, file));
  if (file.server.url.empty()) file.server.url = default_url(registry);
  std::vector<RegistryHost> hosts;
  for (const auto& settings : file.hosts) {
    TRY_ASSIGN(auto host, finish(settings));
    host.mirror = true;
    hosts.push_back(std::move(host));
  }
  TRY_ASSIGN(auto server, finish(file.server));
  const auto same = [&](const RegistryHost& host) {
    return host.base.same_origin(server.base) && host.base.path == server.base.path;
  };
  const auto known = std::find_if(hosts.begin(), hosts.end(), same);
  if (known == hosts.end()) {
    hosts.push_back(std::move(server));
  } else {
    known->mirror = false;
  }
  return hosts;
}

Result<std::vector<RegistryHost>> load_registry_hosts(const std::string& config_dir, const std::string& registry) {
  const auto directory = config_dir.empty() ? std::nullopt : find_directory(config_dir, registry);
  const std::string path = directory ? *directory + "/hosts.toml" : "";
  if (directory && exists(path)) {
    TRY_ASSIGN(const auto text, read_file(path));
    auto hosts = parse_registry_hosts(text, registry, *directory);
    if (!hosts) return Fail(std::move(hosts).error().context(path));
    return hosts;
  }
  TRY_ASSIGN(auto host, default_registry_host(registry));
  if (directory) {
    TRY_ASSIGN(host.tls, certificate_files(*directory));
    if (!host.tls.ca_files.empty()) host.base.scheme = "https";
  }
  return std::vector<RegistryHost>{std::move(host)};
}

} // namespace keelson::cri
