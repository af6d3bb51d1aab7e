// Absolute http and https URLs. Pure; libcurl's parser underneath, so that we and the transfer agree on what a URL
// means.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace keelson::cri {

// User information and fragments are refused. The query may carry a secret (signed redirects): only shown() goes into
// messages.
struct HttpUrl {
  std::string scheme; // "http" or "https"
  std::string host;   // lower case; IPv6 in brackets
  std::uint16_t port = 0;
  std::string path;  // begins with "/"
  std::string query; // without "?"

  std::string text() const;      // the whole URL
  std::string shown() const;     // without the query
  std::string authority() const; // host, with the port unless it is the scheme's own
  bool same_origin(const HttpUrl& other) const;
};

Result<HttpUrl> parse_http_url(std::string_view text);

// A Location header's value against the URL that sent it.
Result<HttpUrl> resolve_http_url(const HttpUrl& base, std::string_view location);

std::string url_encode(std::string_view text); // for a query value: all but letters, digits and "-._~"

} // namespace keelson::cri
