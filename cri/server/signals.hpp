// Names of signals as images and CRI spell them. Pure.
#pragma once

#include "base/error.hpp"

#include <string_view>

namespace keelson::cri {

// "SIGTERM", "TERM", "15", "SIGRTMIN+3", "RTMAX-1"; empty is SIGTERM. invalid_argument for anything else.
Result<int> signal_number(std::string_view name);

} // namespace keelson::cri
