#include "base/log.hpp"

#include "base/json.hpp"
#include "base/time.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <memory>

namespace keelson::log {

namespace {

spdlog::level::level_enum spd_level(Level level) {
  switch (level) {
  case Level::debug:
    return spdlog::level::debug;
  case Level::info:
    return spdlog::level::info;
  case Level::warning:
    return spdlog::level::warn;
  case Level::error:
    return spdlog::level::err;
  }
  return spdlog::level::info;
}

// sd-daemon(3) priority prefixes.
const char* journal_prefix(Level level) {
  switch (level) {
  case Level::debug:
    return "<7>";
  case Level::info:
    return "<6>";
  case Level::warning:
    return "<4>";
  case Level::error:
    return "<3>";
  }
  return "";
}

enum class Form { text, journal, json };

struct Sink {
  std::shared_ptr<spdlog::logger> logger;
  Form form = Form::text;
};

Sink make_sink(const Options& options) {
  Sink sink;
  // systemd sets JOURNAL_STREAM for services whose standard error is the journal: it adds the time itself.
  if (options.json)
    sink.form = Form::json;
  else if (std::getenv("JOURNAL_STREAM") != nullptr)
    sink.form = Form::journal;
  sink.logger = std::make_shared<spdlog::logger>("keelson", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  sink.logger->set_pattern(sink.form == Form::text ? "%Y-%m-%dT%H:%M:%S.%eZ %L %v" : "%v",
                           spdlog::pattern_time_type::utc);
  sink.logger->set_level(spd_level(options.level));
  sink.logger->flush_on(spdlog::level::debug);
  return sink;
}

// The one object of the process that every thread writes to; set before threads start.
Sink& sink() {
  static Sink instance = make_sink({});
  return instance;
}

std::string json_line(Level level, std::string_view message) {
  constexpr std::string_view kNames[] = {"debug", "info", "warning", "error"};
  json::object line;
  line["time"] = format_rfc3339_nano(SystemClock().wall_now());
  line["level"] = kNames[static_cast<std::size_t>(level)];
  line["message"] = message;
  return json::to_text(line);
}

} // namespace

void configure(const Options& options) {
  sink() = make_sink(options);
}

bool enabled(Level level) {
  return sink().logger->should_log(spd_level(level));
}

void write(Level level, std::string_view message) {
  const Sink& to = sink();
  switch (to.form) {
  case Form::text:
    to.logger->log(spd_level(level), message);
    break;
  case Form::journal:
    to.logger->log(spd_level(level), fmt::format("{}{}", journal_prefix(level), message));
    break;
  case Form::json:
    to.logger->log(spd_level(level), json_line(level, message));
    break;
  }
}

} // namespace keelson::log
