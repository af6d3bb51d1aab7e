#include "daemon/ctl/terminal.hpp"

#include "base/file.hpp"
#include "base/text.hpp"
#include "base/time.hpp"

#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string>

namespace keelson::daemon::ctl {

namespace {

volatile std::sig_atomic_t end_signal = 0;

void note_signal(int signal) {
  if (signal != SIGWINCH) end_signal = signal;
}

void handle(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler; // without SA_RESTART: poll(2) returns
  ::sigaction(signal, &action, nullptr);
}

} // namespace

bool is_terminal(int fd) {
  return ::isatty(fd) == 1;
}

TerminalSize terminal_size(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return {};
  return {size.ws_col, size.ws_row};
}

bool wants_colour(int fd) {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  if (no_color != nullptr && *no_color != '\0') return false;
  return is_terminal(fd) && term != nullptr && std::string_view(term) != "dumb";
}

bool wants_unicode() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') continue;
    const std::string lower = to_lower(value);
    return lower.find("utf-8") != std::string::npos || lower.find("utf8") != std::string::npos;
  }
  return true;
}

TableOptions table_options() {
  TableOptions options;
  options.colour = wants_colour(STDOUT_FILENO);
  if (is_terminal(STDOUT_FILENO)) options.width = terminal_size(STDOUT_FILENO).columns;
  return options;
}

void print(std::string_view text) {
  const auto written = write_all(STDOUT_FILENO, text);
  if (written) return;
  if (written.error().sys_errno == EPIPE) std::_Exit(0);
  print_error("keelsonctl: write the output: " + written.error().message + "\n");
  std::_Exit(1);
}

void print_error(std::string_view text) {
  (void)write_all(STDERR_FILENO, text);
}

void Redraw::draw(std::string_view text) {
  std::string out = lines_ > 0 ? fmt::format("\x1b[{}A", lines_) : std::string();
  std::size_t count = 0;
  for (const std::string_view line : split(text, '\n')) {
    if (line.data() + line.size() == text.data() + text.size() && line.empty()) break; // behind the last newline
    out.append("\r").append(line).append("\x1b[K\n");
    ++count;
  }
  out += "\x1b[J"; // a picture that became shorter
  lines_ = count;
  print(out);
}

Screen::Screen() {
  changed_ = is_terminal(STDIN_FILENO) && ::tcgetattr(STDIN_FILENO, &old_) == 0;
  if (changed_) {
    termios raw = old_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  }
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGWINCH}) handle(signal, note_signal);
  print("\x1b[?1049h\x1b[?25l");
}

Screen::~Screen() {
  print("\x1b[?25h\x1b[?1049l");
  if (changed_) ::tcsetattr(STDIN_FILENO, TCSANOW, &old_);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGWINCH}) handle(signal, SIG_DFL);
}

void Screen::show(std::string_view text) {
  const std::size_t limit = terminal_size(STDOUT_FILENO).lines;
  std::string out = "\x1b[H";
  std::size_t shown = 0;
  for (const std::string_view line : split(text, '\n')) {
    if (shown == limit) break;
    out.append(shown == 0 ? "" : "\n").append(line).append("\x1b[K");
    ++shown;
  }
  print(out + "\x1b[J");
}

std::optional<char> Screen::key(std::chrono::milliseconds patience) {
  if (end_signal != 0) return 'q';
  pollfd input{changed_ ? STDIN_FILENO : -1, POLLIN, 0};
  const int ready = ::poll(&input, 1, static_cast<int>(patience.count()));
  if (end_signal != 0) return 'q';
  if (ready <= 0) return std::nullopt;
  char c = 0;
  const ssize_t got = ::read(STDIN_FILENO, &c, 1);
  if (got == 0 && (input.revents & POLLHUP) != 0) return 'q';
  return got == 1 ? std::optional(c) : std::nullopt;
}

} // namespace keelson::daemon::ctl
