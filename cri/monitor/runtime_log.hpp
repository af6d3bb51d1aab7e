// The log that an OCI runtime writes with --log-format json. Pure.
#pragma once

#include <string>
#include <string_view>

namespace keelson::cri::monitor {

// The message of the last line of level error or fatal; empty if there is none. Whatever is malformed is passed over.
std::string last_runtime_error(std::string_view log);

} // namespace keelson::cri::monitor
