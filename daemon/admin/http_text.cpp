#include "daemon/admin/http_text.hpp"

#include "base/json.hpp"
#include "base/text.hpp"
#include "daemon/admin/admin_server.hpp"

namespace keelson::daemon {

namespace {

Result<std::string> percent_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const auto byte = text.size() - i > 2 ? parse_int<std::uint8_t>(text.substr(i + 1, 2), 16)
                                          : fail(Code::invalid_argument, "cut short");
    if (!byte || *byte == 0) return fail(Code::invalid_argument, "\"{}\" has a bad percent escape", printable(text));
    out += static_cast<char>(*byte);
    i += 2;
  }
  return out;
}

std::string_view reason_phrase(unsigned status) {
  switch (status) {
  case 200:
    return "OK";
  case 400:
    return "Bad Request";
  case 401:
    return "Unauthorized";
  case 403:
    return "Forbidden";
  case 404:
    return "Not Found";
  case 408:
    return "Request Timeout";
  case 409:
    return "Conflict";
  case 412:
    return "Precondition Failed";
  case 413:
    return "Content Too Large";
  case 429:
    return "Too Many Requests";
  case 431:
    return "Request Header Fields Too Large";
  case 501:
    return "Not Implemented";
  case 503:
    return "Service Unavailable";
  case 504:
    return "Gateway Timeout";
  default:
    return "Internal Server Error";
  }
}

} // namespace

Result<RequestTarget> parse_target(std::string_view target) {
  if (target.empty() || target.front() != '/')
    return fail(Code::invalid_argument, "\"{}\" is not an absolute path", printable(target));
  RequestTarget out;
  const std::size_t question = target.find('?');
  TRY_ASSIGN(out.path, percent_decode(target.substr(0, question)));
  if (question == std::string_view::npos) return out;
  for (const std::string_view pair : split(target.substr(question + 1), '&')) {
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    TRY_ASSIGN(const std::string name, percent_decode(pair.substr(0, equals)));
    TRY_ASSIGN(out.query[name],
               percent_decode(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1)));
  }
  return out;
}

std::string percent_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '_' || c == '.' || c == '~';
    if (plain)
      out += c;
    else
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

std::string answer_head(unsigned status, std::size_t content_length) {
  return fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", status,
      reason_phrase(status), content_length);
}

std::string stream_head() {
  return "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n\r\n";
}

std::string error_body(const Error& error) {
  const json::object inner{{"code", to_string(error.code)}, {"message", error.message}};
  return json::to_text(json::object{{"error", inner}}) + "\n";
}

unsigned http_status(Code code) {
  switch (code) {
  case Code::invalid_argument:
  case Code::out_of_range:
    return 400;
  case Code::unauthenticated:
    return 401;
  case Code::permission_denied:
    return 403;
  case Code::not_found:
    return 404;
  case Code::already_exists:
  case Code::aborted:
    return 409;
  case Code::failed_precondition:
    return 412;
  case Code::resource_exhausted:
    return 429;
  case Code::unimplemented:
    return 501;
  case Code::unavailable:
    return 503;
  case Code::deadline_exceeded:
    return 504;
  default:
    return 500;
  }
}

} // namespace keelson::daemon
