#include "base/file.hpp"
#include "base/text.hpp"
#include "daemon/ctl/commands.hpp"
#include "daemon/ctl/display.hpp"
#include "daemon/ctl/fields.hpp"
#include "daemon/ctl/log_line.hpp"
#include "daemon/ctl/log_reader.hpp"
#include "daemon/ctl/node_objects.hpp"
#include "daemon/ctl/terminal.hpp"

namespace keelson::daemon::ctl {

namespace {

// How often a follower asks whether its container still runs.
constexpr std::chrono::milliseconds kLivenessInterval{500};

class LogPrinter {
 public:
  LogPrinter(const LogArguments& arguments, std::optional<WallTime> since)
      : arguments_(arguments)
      , since_(since) {}

  bool add(std::string_view text) {
    const auto line = parse_log_line(text);
    if (!line) { // not ours: shown as it is
      buffer_.append(text).append("\n");
    } else if (is_wanted(*line)) {
      if (const auto joined = joiner_.add(*line)) put(*joined);
    }
    if (buffer_.size() >= kFlushSize) flush();
    return true;
  }

  void finish() {
    while (const auto rest = joiner_.rest()) put(*rest);
    flush();
  }

  void flush() {
    if (!buffer_.empty()) print(buffer_);
    buffer_.clear();
  }

 private:
  static constexpr std::size_t kFlushSize = std::size_t{64} << 10;

  bool is_wanted(const LogLine& line) {
    if (arguments_.stream != "all" && line.stream != arguments_.stream) return false;
    if (!since_) return true;
    const auto at = parse_rfc3339(line.time);
    return !at || *at >= *since_;
  }

  void put(const JoinedLine& line) {
    if (arguments_.timestamps && !continues_) buffer_ += line.time + " ";
    buffer_ += line.text;
    if (line.complete) buffer_ += "\n";
    continues_ = !line.complete;
  }

  const LogArguments& arguments_;
  std::optional<WallTime> since_;
  LineJoiner joiner_;
  std::string buffer_;
  bool continues_ = false; // the last piece had no end
};

// Whether a container may still write. A daemon that does not answer may be restarting: then it may.
bool may_write(const Client& client, const std::string& id) {
  const auto answer = client.post("/v1/cri/ContainerStatus", {{"container_id", id}});
  if (!answer) return answer.error().code != Code::not_found;
  const std::string state = text_at(*answer, {"status", "state"});
  return state != "CONTAINER_EXITED" && state != "CONTAINER_UNKNOWN";
}

Result<> follow(const Client& client, const std::string& id, LogReader& reader, LogPrinter& printer) {
  const auto sink = [&](std::string_view line) { return printer.add(line); };
  Deadline next_look = Deadline::after(kLivenessInterval);
  for (;;) {
    printer.flush();
    TRY(reader.wait(next_look));
    const bool look = next_look.passed();
    const bool alive = !look || may_write(client, id);
    TRY(reader.drain(sink));
    if (!alive) return {};
    if (look) next_look = Deadline::after(kLivenessInterval);
  }
}

// The log of the run before, when its container is gone already: next to the present one.
std::optional<std::string> previous_log(const NodeObjects& objects, const LogArguments& arguments) {
  const auto now = choose_container(objects, arguments.target, {arguments.container, false});
  if (!now) return std::nullopt;
  const std::int64_t attempt = number_at(*now, {"attempt"});
  const std::string path = text_at(*now, {"logPath"});
  const std::size_t slash = path.rfind('/');
  if (attempt == 0 || slash == std::string::npos) return std::nullopt;
  std::string previous = fmt::format("{}/{}.log", path.substr(0, slash), attempt - 1);
  return exists(previous) ? std::optional(std::move(previous)) : std::nullopt;
}

struct LogPlace {
  std::string path;
  std::string id; // empty: the container is gone
};

Result<LogPlace> find_log(const NodeObjects& objects, const LogArguments& arguments) {
  const auto chosen = choose_container(objects, arguments.target, {arguments.container, arguments.previous});
  if (!chosen && arguments.previous && chosen.error().code == Code::not_found) {
    if (const auto path = previous_log(objects, arguments)) return LogPlace{*path, {}};
  }
  if (!chosen) return Fail(chosen.error());
  LogPlace place{text_at(*chosen, {"logPath"}), text_at(*chosen, {"id"})};
  if (place.path.empty())
    return fail(Code::failed_precondition, "container {} ({}) has no log: its sandbox was made without a log directory",
                text_at(*chosen, {"name"}), short_id(place.id));
  return place;
}

} // namespace

Result<WallTime> parse_since(const std::string& text, WallTime now) {
  if (const auto time = parse_rfc3339(text)) return *time;
  std::chrono::nanoseconds back{0};
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t digits = rest.find_first_not_of("0123456789");
    const auto number = parse_int<std::int32_t>(rest.substr(0, digits));
    const char unit = digits == std::string_view::npos ? '\0' : rest[digits];
    const std::chrono::seconds factor{unit == 's'   ? 1
                                      : unit == 'm' ? 60
                                      : unit == 'h' ? 3600
                                      : unit == 'd' ? 86400
                                                    : 0};
    if (!number || factor.count() == 0)
      return fail(Code::invalid_argument,
                  "--since {}: use a duration such as 30s, 5m or 1h30m, or a time such as 2026-11-22T18:00:00Z",
                  printable(text));
    back += factor * *number;
    rest.remove_prefix(digits + 1);
  }
  return now - back;
}

Result<int> run_logs(const Client& client, const LogArguments& arguments) {
  std::optional<WallTime> since;
  if (!arguments.since.empty()) {
    TRY_ASSIGN(since, parse_since(arguments.since, SystemClock().wall_now()));
  }
  TRY_ASSIGN(const NodeObjects objects, read_objects(client));
  TRY_ASSIGN(const LogPlace place, find_log(objects, arguments));
  TRY_ASSIGN(LogReader reader, LogReader::open(place.path, arguments.tail));
  LogPrinter printer(arguments, since);
  const auto sink = [&](std::string_view line) { return printer.add(line); };
  TRY(reader.drain(sink));
  if (arguments.follow && !place.id.empty()) TRY(follow(client, place.id, reader, printer));
  reader.finish(sink);
  printer.finish();
  return kSuccess;
}

} // namespace keelson::daemon::ctl
