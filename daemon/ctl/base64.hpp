// Base64 as protobuf's JSON carries bytes. Pure.
#pragma once

#include "base/error.hpp"

#include <string>
#include <string_view>

namespace keelson::daemon::ctl {

Result<std::string> decode_base64(std::string_view text);

} // namespace keelson::daemon::ctl
