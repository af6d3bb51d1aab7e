#include "cri/server/signals.hpp"

#include "base/text.hpp"

#include <csignal>
#include <cstring>

namespace keelson::cri {

namespace {

// CRI writes RTMINPLUS3 where everyone else writes RTMIN+3.
Result<int> real_time_signal(std::string_view name, std::string_view text) {
  const bool from_min = name.starts_with("RTMIN");
  std::string_view rest = name.substr(5);
  if (rest.empty()) return from_min ? SIGRTMIN : SIGRTMAX;
  if (rest.starts_with(from_min ? "PLUS" : "MINUS"))
    rest.remove_prefix(from_min ? 4 : 5);
  else if (rest.front() == (from_min ? '+' : '-'))
    rest.remove_prefix(1);
  const auto offset = parse_int<int>(rest);
  const int signal = from_min ? SIGRTMIN + offset.value_or(-1) : SIGRTMAX - offset.value_or(-1);
  if (!offset || *offset < 0 || signal < SIGRTMIN || signal > SIGRTMAX)
    return fail(Code::invalid_argument, "\"{}\" is not a signal", printable(text, 64));
  return signal;
}

} // namespace

Result<int> signal_number(std::string_view text) {
  if (text.empty()) return SIGTERM;
  if (const auto number = parse_int<int>(text)) {
    if (*number > 0 && *number <= SIGRTMAX) return *number;
    return fail(Code::invalid_argument, "{} is not a signal number", *number);
  }
  std::string_view name = text;
  if (name.starts_with("SIG")) name.remove_prefix(3);
  if (name.starts_with("RTMIN") || name.starts_with("RTMAX")) return real_time_signal(name, text);
  if (name == "CLD") return SIGCHLD; // names that the C library knows by another one
  if (name == "IOT") return SIGABRT;
  if (name == "IO") return SIGPOLL;
  for (int signal = 1; signal < SIGRTMIN; ++signal) {
    const char* known = ::sigabbrev_np(signal);
    if (known != nullptr && name == known) return signal;
  }
  return fail(Code::invalid_argument, "\"{}\" is not a signal", printable(text, 64));
}

} // namespace keelson::cri
