// Which hosts are asked for the images of a registry, and how: containerd's hosts.toml directory.
#pragma once

#include "base/error.hpp"
#include "cri/images/http_client.hpp"
#include "cri/images/http_url.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keelson::cri {

struct RegistryHost {
  HttpUrl base;        // of the API: ends with "/v2" unless override_path says otherwise; no trailing slash
  bool resolve = true; // may turn tags into digests
  bool pull = true;    // may give manifests by digest and blobs
  bool mirror = false; // stands in for the registry: requests carry its name as "ns"
  TlsOptions tls;
  std::vector<std::pair<std::string, std::string>> headers; // may hold secrets
};

// The text of a hosts.toml for `registry`; files named in it are relative to `directory`. Pure. The hosts in the file's
// order, the registry itself (or the file's `server`) last.
Result<std::vector<RegistryHost>> parse_registry_hosts(std::string_view text, std::string_view registry,
                                                       std::string_view directory);

// Without configuration: https, but plain http for localhost and loopback addresses, and registry-1.docker.io for
// docker.io.
Result<RegistryHost> default_registry_host(std::string_view registry);

// Reads <config_dir>/<registry>/hosts.toml, or that of _default; certificate files (*.crt, *.cert with *.key) beside
// where there is no hosts.toml, as Docker has them. A port may be written "host:5000" or "host_5000_". An empty
// config_dir or no such directory gives the default host.
Result<std::vector<RegistryHost>> load_registry_hosts(const std::string& config_dir, const std::string& registry);

} // namespace keelson::cri
