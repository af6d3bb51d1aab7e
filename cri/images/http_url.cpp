#include "cri/images/http_url.hpp"

#include "base/text.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <memory>

namespace keelson::cri {

namespace {

constexpr std::size_t kMaxUrl = 16384;

using UrlHandle = std::unique_ptr<CURLU, void (*)(CURLU*)>;

std::string part(CURLU* handle, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(handle, which, &text, flags) != CURLUE_OK || text == nullptr) return {};
  std::string copy = text;
  curl_free(text);
  return copy;
}

Result<HttpUrl> take_apart(CURLU* handle) {
  HttpUrl url;
  url.scheme = part(handle, CURLUPART_SCHEME);
  if (url.scheme != "http" && url.scheme != "https")
    return fail(Code::invalid_argument, "scheme \"{}\" is neither http nor https", printable(url.scheme, 32));
  if (!part(handle, CURLUPART_USER).empty() || !part(handle, CURLUPART_PASSWORD).empty())
    return fail(Code::invalid_argument, "a user name in a URL is not accepted");
  url.host = to_lower(part(handle, CURLUPART_HOST));
  const auto port = parse_int<std::uint16_t>(part(handle, CURLUPART_PORT, CURLU_DEFAULT_PORT));
  if (url.host.empty() || !port || *port == 0) return fail(Code::invalid_argument, "the URL has no valid host");
  url.port = *port;
  url.path = part(handle, CURLUPART_PATH);
  url.query = part(handle, CURLUPART_QUERY);
  if (url.path.empty()) url.path = "/";
  return url;
}

Result<HttpUrl> parse_with(CURLU* handle, std::string_view text) {
  if (text.size() > kMaxUrl) return fail(Code::invalid_argument, "a URL is longer than {} bytes", kMaxUrl);
  for (const char c : text)
    if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7f)
      return fail(Code::invalid_argument, "a URL has a space or control character");
  if (handle == nullptr || curl_url_set(handle, CURLUPART_URL, std::string(text).c_str(), 0) != CURLUE_OK)
    return fail(Code::invalid_argument, "not a URL");
  return take_apart(handle);
}

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

} // namespace

std::string HttpUrl::authority() const {
  const bool default_port = port == (scheme == "https" ? 443 : 80);
  return default_port ? host : fmt::format("{}:{}", host, port);
}

std::string HttpUrl::shown() const {
  return fmt::format("{}://{}{}", scheme, authority(), path);
}

std::string HttpUrl::text() const {
  return query.empty() ? shown() : fmt::format("{}?{}", shown(), query);
}

bool HttpUrl::same_origin(const HttpUrl& other) const {
  return scheme == other.scheme && host == other.host && port == other.port;
}

Result<HttpUrl> parse_http_url(std::string_view text) {
  const UrlHandle handle(curl_url(), curl_url_cleanup);
  return parse_with(handle.get(), text);
}

Result<HttpUrl> resolve_http_url(const HttpUrl& base, std::string_view location) {
  const UrlHandle handle(curl_url(), curl_url_cleanup);
  TRY(parse_with(handle.get(), base.text()));
  return parse_with(handle.get(), location);
}

std::string url_encode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (is_unreserved(c)) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

} // namespace keelson::cri
