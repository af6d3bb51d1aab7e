// The terminal of the user: what it can do, pictures that are redrawn in place, single keys.
#pragma once

#include "base/error.hpp"
#include "daemon/ctl/table.hpp"

#include <termios.h>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace keelson::daemon::ctl {

struct TerminalSize {
  std::size_t columns = 80;
  std::size_t lines = 24;
};

bool is_terminal(int fd);
TerminalSize terminal_size(int fd);
// Colours: on a terminal, unless NO_COLOR is set (https://no-color.org) or TERM is "dumb".
bool wants_colour(int fd);
bool wants_unicode(); // by LC_ALL, LC_CTYPE, LANG

// For a table on standard output: colours and width if it is a terminal.
TableOptions table_options();

// Writes to standard output; ends the process quietly if nobody reads any more (a closed pipe).
void print(std::string_view text);
void print_error(std::string_view text);

// A picture of several lines that replaces itself. One thread.
class Redraw {
 public:
  void draw(std::string_view text); // lines that end in newlines, fewer than the terminal has
  void keep() { lines_ = 0; }       // the last picture stays

 private:
  std::size_t lines_ = 0;
};

// The whole screen for a program like top: another buffer, no cursor, single keys. Everything is put back at the end,
// and on SIGINT and SIGTERM.
class Screen {
 public:
  Screen();
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  void show(std::string_view text); // cut to the size of the screen
  // The next key within the time; 'q' on a signal to end; absent: none. A changed size of the window ends the wait.
  std::optional<char> key(std::chrono::milliseconds patience);

 private:
  termios old_{};
  bool changed_ = false;
};

} // namespace keelson::daemon::ctl
