#include "cri/monitor/monitor_log.hpp"

#include "cri/monitor/log_file.hpp"

#include <unistd.h>

#include <atomic>

namespace keelson::cri::monitor {
namespace {

std::atomic<LogLevel> least_level = LogLevel::warning;

constexpr const char* kNames[] = {"debug", "info", "warning", "error"};

} // namespace

void set_log_level(LogLevel level) {
  least_level = level;
}

void log_message(LogLevel level, std::string_view message) {
  if (level < least_level) return;
  const std::string line = fmt::format("{} {} keelson-monitor[{}]: {}\n", log_timestamp(),
                                       kNames[static_cast<int>(level)], ::getpid(), message);
  static_cast<void>(!::write(STDERR_FILENO, line.data(), line.size()));
}

} // namespace keelson::cri::monitor
