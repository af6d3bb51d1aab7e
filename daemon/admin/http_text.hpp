// The little of HTTP that is text: request targets and heads of answers. Pure.
#pragma once

#include "base/error.hpp"

#include <map>
#include <string>
#include <string_view>

namespace keelson::daemon {

struct RequestTarget {
  std::string path;
  std::map<std::string, std::string> query;
};

// "/v1/events?after=7&watch=1", percent-decoded. invalid_argument for anything but an absolute path.
Result<RequestTarget> parse_target(std::string_view target);

// Safe in a path segment or a query value.
std::string percent_encode(std::string_view text);

// A head for a body of known length, or for lines until the connection closes.
std::string answer_head(unsigned status, std::size_t content_length);
std::string stream_head();

// {"error": {"code": "NOT_FOUND", "message": "..."}} and a newline.
std::string error_body(const Error& error);

} // namespace keelson::daemon
