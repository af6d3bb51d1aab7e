#include "cri/images/registry_session.hpp"

#include "base/json.hpp"
#include "base/text.hpp"

#include <algorithm>

namespace keelson::cri {

namespace {

constexpr int kMaxRedirects = 10;
constexpr int kMaxLogins = 2; // the second with a fresh token, when the first has expired
constexpr std::size_t kMaxScope = 1024;

bool is_redirect(long status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// The code and message of a registry's error document; nothing else of an unknown body is shown.
std::string registry_message(const std::string& body) {
  const auto value = json::parse(body);
  if (!value || !value->is_object()) return {};
  const auto* errors = json::find_array(value->get_object(), "errors");
  if (errors == nullptr || errors->empty() || !errors->front().is_object()) return {};
  const auto& first = errors->front().get_object();
  const auto message = json::get_string(first, "message");
  const auto code = json::get_string(first, "code");
  return printable(message && !message->empty() ? *message : code.value_or(""), 200);
}

} // namespace

std::string RegistrySession::authorization() const {
  const std::lock_guard lock(mutex_);
  return authorization_;
}

Fail RegistrySession::no_credentials() const {
  if (identity_.credentials)
    return fail(Code::unauthenticated,
                "registry {} refused the credentials for {}; check the imagePullSecrets or the node's auth file",
                host_.base.authority(), identity_.repository);
  return fail(Code::unauthenticated,
              "registry {} wants credentials for {}, or the repository does not exist; pass imagePullSecrets",
              host_.base.authority(), identity_.repository);
}

Result<HttpAnswer> RegistrySession::send(const RegistryGet& request, const HttpUrl& url,
                                         const std::string& authorization) {
  HttpRequest http;
  http.url = url;
  http.max_body = request.max_body;
  http.sink = request.sink;
  http.cancel = identity_.cancel;
  if (!request.accept.empty()) http.headers.push_back("Accept: " + request.accept);
  if (!request.range.empty()) http.headers.push_back("Range: " + request.range);
  http.tls.ca_files = host_.tls.ca_files;
  if (url.same_origin(host_.base)) {
    http.tls = host_.tls;
    if (!authorization.empty()) http.headers.push_back("Authorization: " + authorization);
    for (const auto& [name, value] : host_.headers) http.headers.push_back(name + ": " + value);
  }
  auto answer = http_.send(http);
  if (!answer) return Fail(std::move(answer).error().context("registry " + url.authority()));
  return answer;
}

// Other hosts get neither the authorization nor the host's own headers and client certificate: send() sees to it.
Result<HttpAnswer> RegistrySession::follow(const RegistryGet& request, HttpAnswer answer, HttpUrl url) {
  for (int hop = 0; is_redirect(answer.status); ++hop) {
    if (hop >= kMaxRedirects) return fail(Code::unavailable, "registry {} redirects for ever", host_.base.authority());
    auto next = resolve_http_url(url, answer.header("location"));
    if (!next) return Fail(std::move(next).error().context("registry " + url.authority() + ": redirect"));
    if (url.scheme == "https" && next->scheme == "http")
      return fail(Code::failed_precondition, "registry {} redirects from https to plain http on {}",
                  host_.base.authority(), next->authority());
    url = std::move(*next);
    TRY_ASSIGN(answer, send(request, url, url.same_origin(host_.base) ? authorization() : std::string()));
  }
  if (answer.status == 200 || answer.status == 206) return answer;
  return Fail(status_error(answer, !url.same_origin(host_.base)));
}

Result<HttpAnswer> RegistrySession::get(const RegistryGet& request) {
  HttpUrl url = host_.base;
  url.path += request.path;
  if (host_.mirror) url.query = "ns=" + url_encode(identity_.registry);
  for (int logins = 0;; ++logins) {
    const std::string used = authorization();
    TRY_ASSIGN(auto answer, send(request, url, used));
    if (answer.status != 401) return follow(request, std::move(answer), url);
    if (logins >= kMaxLogins) return no_credentials();
    TRY(authorize(answer, used));
  }
}

// `used` is what the refused request carried: if it is not what is known now, another thread has logged in meanwhile.
Result<> RegistrySession::authorize(const HttpAnswer& refusal, const std::string& used) {
  const std::lock_guard login(login_mutex_);
  if (authorization() != used) return {};
  const auto challenges = parse_auth_challenges(refusal.all_headers("www-authenticate"));
  const auto find = [&](std::string_view scheme) {
    return std::find_if(challenges.begin(), challenges.end(),
                        [&](const AuthChallenge& challenge) { return challenge.scheme == scheme; });
  };
  std::string fresh;
  if (const auto bearer = find("bearer"); bearer != challenges.end()) {
    TRY_ASSIGN(const auto token, fetch_token(*bearer));
    fresh = "Bearer " + token;
  } else if (find("basic") != challenges.end()) {
    if (!identity_.credentials) return no_credentials();
    TRY_ASSIGN(const auto user, user_password(*identity_.credentials));
    if (!user) return no_credentials();
    fresh = "Basic " + base64_encode(user->user + ":" + user->password);
  } else {
    return fail(Code::unauthenticated, "registry {} asks for an authentication that is neither Basic nor Bearer",
                host_.base.authority());
  }
  if (fresh == used) return no_credentials();
  const std::lock_guard lock(mutex_);
  authorization_ = std::move(fresh);
  return {};
}

Result<HttpRequest> RegistrySession::token_request(const AuthChallenge& challenge, const HttpUrl& realm) const {
  const std::string scope = challenge.scope.empty() || challenge.scope.size() > kMaxScope
                                ? "repository:" + identity_.repository + ":pull"
                                : challenge.scope;
  HttpRequest request;
  request.url = realm;
  request.cancel = identity_.cancel;
  request.max_body = std::size_t{256} << 10;
  request.tls.ca_files = host_.tls.ca_files;
  request.tls.skip_verify = host_.tls.skip_verify && realm.host == host_.base.host;
  std::string query = "service=" + url_encode(challenge.service) + "&scope=" + url_encode(scope);
  const auto& credentials = identity_.credentials;
  if (credentials && !credentials->identity_token.empty()) {
    request.post_body = "grant_type=refresh_token&client_id=keelson&" + query +
                        "&refresh_token=" + url_encode(credentials->identity_token);
    return request;
  }
  request.url.query += (request.url.query.empty() ? "" : "&") + query;
  if (!credentials) return request;
  TRY_ASSIGN(const auto user, user_password(*credentials));
  if (user) request.headers.push_back("Authorization: Basic " + base64_encode(user->user + ":" + user->password));
  return request;
}

Result<std::string> RegistrySession::fetch_token(const AuthChallenge& challenge) {
  if (identity_.credentials && !identity_.credentials->registry_token.empty()) {
    const auto& token = identity_.credentials->registry_token;
    if (token.find_first_of("\r\n") != std::string::npos) return no_credentials();
    return token;
  }
  auto realm = parse_http_url(challenge.realm);
  if (!realm) return Fail(std::move(realm).error().context("registry " + host_.base.authority() + ": token realm"));
  if (host_.base.scheme == "https" && realm->scheme == "http")
    return fail(Code::failed_precondition, "registry {} sends credentials to plain http on {}", host_.base.authority(),
                realm->authority());
  TRY_ASSIGN(const auto request, token_request(challenge, *realm));
  auto answer = http_.send(request);
  if (!answer) return Fail(std::move(answer).error().context("token server " + realm->authority()));
  if (answer->status == 400 || answer->status == 401 || answer->status == 403) return no_credentials();
  if (answer->status != 200)
    return fail(Code::unavailable, "token server {} answered {}", realm->authority(), answer->status);
  auto token = parse_token_answer(answer->body);
  if (!token) return Fail(std::move(token).error().context("token server " + realm->authority()));
  return token;
}

Error RegistrySession::status_error(const HttpAnswer& answer, bool redirected) const {
  const std::string message = redirected ? std::string() : registry_message(answer.body);
  const bool leaks = !message.empty() && !authorization().empty() &&
                     message.find(authorization().substr(authorization().find(' ') + 1)) != std::string::npos;
  std::string text =
      fmt::format("registry {} answered {} for {}", host_.base.authority(), answer.status, identity_.repository);
  if (!message.empty() && !leaks) text += ": " + message;
  switch (answer.status) {
  case 401:
    return Error{Code::unauthenticated, 0, text};
  case 403:
    return Error{Code::permission_denied, 0, text + "; the credentials may not pull it"};
  case 404:
    return Error{Code::not_found, 0, text};
  case 416:
    return Error{Code::out_of_range, 0, text};
  case 408:
  case 429:
    return Error{Code::unavailable, 0, text};
  default:
    return Error{answer.status >= 500 ? Code::unavailable : Code::unknown, 0, text};
  }
}

} // namespace keelson::cri
