// The log of a program: one line per event on standard error, "LEVEL message key=value ...", or journald's priority
// prefix when systemd reads it. Log once, where an error is handled; never log and return.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace keelson::log {

enum class Level { debug, info, warning, error };

struct Options {
  Level level = Level::info;
  bool json = false;
};

void configure(const Options& options); // once, before threads start
bool enabled(Level level);
void write(Level level, std::string_view message); // any thread

template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::debug)) write(Level::debug, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::info)) write(Level::info, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::warning)) write(Level::warning, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::error, fmt::format(format, std::forward<Args>(args)...));
}

} // namespace keelson::log
