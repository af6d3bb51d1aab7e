// The monitor's own messages, one line each on standard error. Small on purpose: base/log carries spdlog.
#pragma once

#include <string_view>

namespace keelson::cri::monitor {

enum class LogLevel { debug, info, warning, error };

void set_log_level(LogLevel level); // once, at start
void log_message(LogLevel level, std::string_view message);

} // namespace keelson::cri::monitor
