#include "health/http_request.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <optional>
#include <vector>

namespace keelson::health {

namespace {

bool is_alnum(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_token(std::string_view text) { // RFC 9110, 5.6.2
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [&](char c) { return is_alnum(c) || kOthers.find(c) != kOthers.npos; });
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7f;
  });
}

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool escapes_are_valid(std::string_view path) {
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] != '%') continue;
    if (i + 2 >= path.size() || !is_hex(path[i + 1]) || !is_hex(path[i + 2])) return false;
  }
  return true;
}

void encode(std::string& out, std::string_view text, std::string_view kept) {
  constexpr char kHex[] = "0123456789ABCDEF";
  for (const char c : text) {
    if (is_alnum(c) || kept.find(c) != kept.npos) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
}

constexpr std::string_view kPathKept = "-_.~!$&'()*+,;=:@/[]";
constexpr std::string_view kQueryKept = "-_.~!$&'()*+,;=:@/[]?%\"<>\\^`{|}"; // Go sends the query as it is

struct Authority {
  std::string host;
  std::optional<std::uint16_t> port;
};

std::optional<Authority> parse_authority(std::string_view text) {
  if (const auto at = text.rfind('@'); at != text.npos) text.remove_prefix(at + 1);
  Authority authority;
  std::string_view port;
  if (!text.empty() && text.front() == '[') {
    const auto close = text.find(']');
    if (close == text.npos) return std::nullopt;
    authority.host = text.substr(1, close - 1);
    port = text.substr(close + 1);
  } else {
    const auto colon = text.find(':');
    authority.host = text.substr(0, colon);
    if (colon != text.npos) port = text.substr(colon);
  }
  if (authority.host.empty() || has_control(authority.host)) return std::nullopt;
  if (port.empty() || port == ":") return authority;
  if (port.front() != ':') return std::nullopt;
  const auto number = parse_int<std::uint16_t>(port.substr(1));
  if (!number || *number == 0) return std::nullopt;
  authority.port = *number;
  return authority;
}

// RFC 3986, 5.2.4, on a path that begins with a slash.
std::string remove_dot_segments(std::string_view path) {
  std::vector<std::string_view> kept;
  const auto parts = split(path.substr(1), '/');
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const bool last = i + 1 == parts.size();
    if (parts[i] == "..") {
      if (!kept.empty()) kept.pop_back();
      if (last) kept.emplace_back();
    } else if (parts[i] == ".") {
      if (last) kept.emplace_back();
    } else {
      kept.push_back(parts[i]);
    }
  }
  std::string out;
  for (const std::string_view part : kept) out.append("/").append(part);
  return out.empty() ? "/" : out;
}

// Reference without scheme and authority, against the target of the request before.
std::string resolve_target(std::string_view base, std::string_view reference) {
  const std::string_view base_path = base.substr(0, base.find('?'));
  const std::string_view path = reference.substr(0, reference.find('?'));
  const std::string_view query = path.size() < reference.size() ? reference.substr(path.size()) : std::string_view{};
  if (path.empty()) {
    if (query.empty()) return encode_target(base);
    return encode_target(std::string(base_path).append(query));
  }
  std::string joined(path);
  if (path.front() != '/') joined = std::string(base_path.substr(0, base_path.rfind('/') + 1)).append(path);
  return encode_target(remove_dot_segments(joined).append(query));
}

bool frames_message(const std::string& lower_name) {
  return lower_name == "content-length" || lower_name == "transfer-encoding" || lower_name == "trailer" ||
         lower_name == "connection";
}

} // namespace

std::string encode_target(std::string_view path) {
  std::string out;
  if (has_control(path) || path.find('\t') != path.npos ||
      !escapes_are_valid(path.substr(0, path.find_first_of("?#")))) {
    if (path.empty() || path.front() != '/') out += '/';
    encode(out, path, kPathKept);
    return out;
  }
  path = path.substr(0, path.find('#'));
  const auto question = path.find('?');
  const std::string_view before = path.substr(0, question);
  if (before.empty() || before.front() != '/') out += '/';
  encode(out, before, std::string(kPathKept) + '%');
  if (question == path.npos) return out;
  out += '?';
  encode(out, path.substr(question + 1), kQueryKept);
  return out;
}

Result<HttpRequest> make_http_request(const HttpAction& action, std::string_view user_agent) {
  HttpRequest request{action.tls, action.host, action.port, encode_target(action.path), {}, {}};
  bool has_user_agent = false;
  bool has_accept = false;
  for (const HttpHeader& header : action.headers) {
    if (!is_token(header.name))
      return fail(Code::invalid_argument, "invalid header name \"{}\"", printable(header.name));
    if (has_control(header.value))
      return fail(Code::invalid_argument, "invalid value of header {}: it has control characters", header.name);
    const std::string name = to_lower(header.name);
    const HttpHeader trimmed{header.name, std::string(trim(header.value))};
    if (name == "host") {
      if (request.host_override.empty()) request.host_override = trimmed.value;
      continue;
    }
    if (frames_message(name)) continue;
    has_user_agent = has_user_agent || name == "user-agent";
    has_accept = has_accept || name == "accept";
    if (trimmed.value.empty() && (name == "user-agent" || name == "accept")) continue;
    request.headers.push_back(trimmed);
  }
  if (!has_user_agent) request.headers.push_back({"User-Agent", std::string(user_agent)});
  if (!has_accept) request.headers.push_back({"Accept", "*/*"});
  return request;
}

std::string format_request(const HttpRequest& request) {
  std::string text = fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\n", request.target, host_header(request));
  for (const HttpHeader& header : request.headers) text += fmt::format("{}: {}\r\n", header.name, header.value);
  return text + "Connection: close\r\n\r\n";
}

std::string host_header(const HttpRequest& request) {
  if (!request.host_override.empty()) return request.host_override;
  const bool brackets = request.host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", brackets ? "[" : "", request.host, brackets ? "]" : "", request.port);
}

std::string url_of(const HttpRequest& request) {
  HttpRequest plain = request;
  plain.host_override.clear();
  return fmt::format("{}://{}{}", request.tls ? "https" : "http", host_header(plain), request.target);
}

bool is_redirect(unsigned status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

Redirect resolve_redirect(const HttpRequest& from, std::string_view location) {
  if (has_control(location) || location.empty()) return {};
  location = location.substr(0, location.find('#'));
  Redirect redirect{RedirectKind::follow, from};
  HttpRequest& next = redirect.next;
  std::string_view rest = location;
  const auto colon = rest.find(':');
  const bool absolute = colon != rest.npos && rest.find_first_of("/?") > colon;
  if (absolute) {
    const std::string scheme = to_lower(rest.substr(0, colon));
    if (scheme != "http" && scheme != "https") return {};
    next.tls = scheme == "https";
    next.port = next.tls ? 443 : 80;
    rest.remove_prefix(colon + 1);
    if (rest.substr(0, 2) != "//") return {};
    next.host_override.clear(); // Go keeps the Host header for relative locations only
  }
  if (rest.substr(0, 2) != "//") {
    next.target = resolve_target(from.target, rest);
    return redirect;
  }
  rest.remove_prefix(2);
  const std::string_view authority_text = rest.substr(0, rest.find_first_of("/?"));
  const auto authority = parse_authority(authority_text);
  if (!authority) return {};
  if (!absolute) next.port = next.tls ? 443 : 80;
  if (authority->port) next.port = *authority->port;
  if (to_lower(authority->host) != to_lower(from.host)) return {RedirectKind::other_host, {}};
  const std::string_view reference = rest.substr(authority_text.size());
  next.target = encode_target(reference.empty() ? "/" : reference);
  return redirect;
}

std::string strict_head(std::string_view head) {
  std::vector<std::string_view> lines;
  bool is_chunked = false;
  for (std::string_view line : split(head, '\n')) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) break;
    lines.push_back(line);
    const std::string lower = to_lower(line);
    is_chunked = is_chunked || (lower.starts_with("transfer-encoding:") && lower.find("chunked") != std::string::npos);
  }
  std::string strict;
  for (const std::string_view line : lines) {
    if (is_chunked && to_lower(line).starts_with("content-length:")) continue;
    strict += line;
    // "HTTP/1.1 200": an empty reason still has a space before it.
    if (strict.size() == line.size() && std::count(line.begin(), line.end(), ' ') == 1) strict += ' ';
    strict += "\r\n";
  }
  return strict + "\r\n";
}

} // namespace keelson::health
