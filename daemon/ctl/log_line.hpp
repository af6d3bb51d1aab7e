// Lines of container logs in the CRI format: "<RFC 3339 time> <stdout|stderr> <tags> <text>"; tag P: the line goes on
// in the next one of its stream. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace keelson::daemon::ctl {

struct LogLine {
  std::string_view time;
  std::string_view stream;
  bool partial = false;
  std::string_view text;
};

// Absent if the line has another form.
std::optional<LogLine> parse_log_line(std::string_view line);

struct JoinedLine {
  std::string time; // of the first part
  std::string stream;
  std::string text;
  bool complete = true; // false: so long that it comes in pieces; the next one continues it
};

// Puts partial lines together, each stream by itself.
class LineJoiner {
 public:
  std::optional<JoinedLine> add(const LogLine& line);
  std::optional<JoinedLine> rest(); // what waits for an end that did not come; call until it is absent

 private:
  static constexpr std::size_t kMaxJoined = std::size_t{1} << 20;
  JoinedLine waiting_[2]; // stdout and others, stderr
  bool open_[2] = {false, false};
};

} // namespace keelson::daemon::ctl
