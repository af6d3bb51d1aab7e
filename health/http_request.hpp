// The HTTP request of a probe and its redirects, as kubelet (and Go's net/http below it) makes them. Pure.
#pragma once

#include "base/error.hpp"
#include "health/probe_config.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::health {

// Where one request goes, and what it says.
struct HttpRequest {
  bool tls = false;
  std::string host; // name or address, no brackets
  std::uint16_t port = 0;
  std::string target;              // path and query, percent-encoded, begins with a slash
  std::string host_override;       // of a custom Host header; empty: host and port
  std::vector<HttpHeader> headers; // without Host; User-Agent and Accept are in it unless the pod took them away
};

// User-Agent and Accept are added unless the action has them; an empty value removes them. Host becomes host_override.
// Headers that frame a message (Content-Length, Transfer-Encoding, Trailer, Connection) are dropped. invalid_argument
// for header names that are not tokens and values with control characters.
Result<HttpRequest> make_http_request(const HttpAction& action, std::string_view user_agent);

// The bytes of the GET request, with "Connection: close".
std::string format_request(const HttpRequest& request);

std::string host_header(const HttpRequest& request); // "10.0.0.1:8080", "[fd00::1]:8080" or the override
std::string url_of(const HttpRequest& request);      // for messages

// Path and query in the form of a request line: what may not stand in one is percent-encoded, the fragment is dropped.
// A path that is no valid URL reference (a bad % escape, control characters) is encoded as a whole, also its question
// mark.
std::string encode_target(std::string_view path);

bool is_redirect(unsigned status); // one of those that carry a method on: 301, 302, 303, 307, 308

enum class RedirectKind {
  follow,
  other_host, // not followed: a probe must not be led to another machine
  invalid,
};
struct Redirect {
  RedirectKind kind = RedirectKind::invalid;
  HttpRequest next; // if followed
};
// Location resolved against the request. The same host on another port or scheme is the same host.
Redirect resolve_redirect(const HttpRequest& from, std::string_view location);

// The head of an answer, up to and with its empty line, in the form that a strict parser takes, from what Go's client
// takes too: lines that end in LF alone, a status without a reason, a length beside chunked coding (which is then
// dropped).
std::string strict_head(std::string_view head);

} // namespace keelson::health
