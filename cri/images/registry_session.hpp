// One registry host during a pull: its authorization, redirects and the words for its refusals.
#pragma once

#include "base/error.hpp"
#include "cri/images/http_client.hpp"
#include "cri/images/registry_auth.hpp"
#include "cri/images/registry_hosts.hpp"

#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::cri {

struct RegistryGet {
  std::string path; // below the host's base: "/library/busybox/manifests/latest"
  std::string accept;
  std::string range; // "bytes=100-"; empty: all
  std::size_t max_body = std::size_t{64} << 10;
  HttpSink* sink = nullptr;
};

// What a session needs of its pull.
struct RegistryIdentity {
  std::string registry; // as the image reference names it
  std::string repository;
  std::optional<RegistryCredentials> credentials; // for this host
  std::stop_token cancel;
};

// Thread-safe. The first request goes without credentials; a 401 says what the host wants, and the answer to it is used
// from then on by all threads.
class RegistrySession {
 public:
  RegistrySession(HttpClient& http, RegistryHost host, RegistryIdentity identity)
      : http_(http)
      , host_(std::move(host))
      , identity_(std::move(identity)) {}

  const RegistryHost& host() const { return host_; }

  // The answer with status 200 or 206, behind all redirects. Every other status is an error: not_found,
  // unauthenticated, permission_denied, unavailable (worth a retry). 416 is out_of_range.
  Result<HttpAnswer> get(const RegistryGet& request);

 private:
  Result<HttpAnswer> send(const RegistryGet& request, const HttpUrl& url, const std::string& authorization);
  Result<HttpAnswer> follow(const RegistryGet& request, HttpAnswer answer, HttpUrl url);
  Result<> authorize(const HttpAnswer& refusal, const std::string& used);
  Result<std::string> fetch_token(const AuthChallenge& challenge);
  Result<HttpRequest> token_request(const AuthChallenge& challenge, const HttpUrl& realm) const;
  Error status_error(const HttpAnswer& answer, bool redirected) const;
  Fail no_credentials() const;
  std::string authorization() const;

  HttpClient& http_;
  const RegistryHost host_;
  const RegistryIdentity identity_;
  mutable std::mutex mutex_; // guards authorization_
  std::mutex login_mutex_;   // held during a login, so that one thread logs in for all
  std::string authorization_;
};

} // namespace keelson::cri
