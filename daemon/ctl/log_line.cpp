#include "daemon/ctl/log_line.hpp"

#include "base/text.hpp"

#include <utility>

namespace keelson::daemon::ctl {

std::optional<LogLine> parse_log_line(std::string_view line) {
  const std::size_t first = line.find(' ');
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t second = line.find(' ', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  const std::size_t third = line.find(' ', second + 1);
  LogLine out;
  out.time = line.substr(0, first);
  out.stream = line.substr(first + 1, second - first - 1);
  const std::string_view tags =
      line.substr(second + 1, third == std::string_view::npos ? std::string_view::npos : third - second - 1);
  if (third != std::string_view::npos) out.text = line.substr(third + 1);
  if (out.stream != "stdout" && out.stream != "stderr") return std::nullopt;
  // Tags are separated by colons; the first one tells a part from a whole.
  const std::string_view tag = split(tags, ':').front();
  if (tag != "P" && tag != "F") return std::nullopt;
  out.partial = tag == "P";
  return out;
}

std::optional<JoinedLine> LineJoiner::add(const LogLine& line) {
  const std::size_t slot = line.stream == "stderr" ? 1 : 0;
  JoinedLine& waiting = waiting_[slot];
  if (!open_[slot]) waiting = {std::string(line.time), std::string(line.stream), {}, true};
  waiting.text += line.text;
  open_[slot] = line.partial;
  if (line.partial && waiting.text.size() < kMaxJoined) return std::nullopt;
  JoinedLine out = std::move(waiting);
  out.complete = !line.partial;
  if (line.partial) waiting = {std::string(line.time), std::string(line.stream), {}, true};
  return out;
}

std::optional<JoinedLine> LineJoiner::rest() {
  for (const std::size_t slot : {std::size_t{0}, std::size_t{1}}) {
    if (!std::exchange(open_[slot], false)) continue;
    if (!waiting_[slot].text.empty()) return std::move(waiting_[slot]);
  }
  return std::nullopt;
}

} // namespace keelson::daemon::ctl
