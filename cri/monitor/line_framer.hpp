// Cuts a container's output into the lines of the CRI log format. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace keelson::cri::monitor {

// Where lines go. A line's text is first + second, without a newline.
class LineSink {
 public:
  virtual void line(bool full, std::string_view first, std::string_view second) = 0;

 protected:
  ~LineSink() = default;
};

// One per stream. Text without a newline is held back until its newline comes, up to kMaxLine bytes; what is longer
// leaves in partial lines of kMaxLine bytes, as containerd's default max_container_log_line_size does.
class LineFramer {
 public:
  static constexpr std::size_t kMaxLine = 16384;

  // strip_cr: a carriage return before a newline is dropped. A terminal adds one to every line; in a pipe it is data.
  explicit LineFramer(bool strip_cr)
      : strip_cr_(strip_cr) {}

  void feed(std::string_view chunk, LineSink& sink);
  void
  flush(LineSink& sink); // the unterminated tail, as a partial line: readers then show no newline that nobody wrote

 private:
  void end_line(std::string_view rest, LineSink& sink);
  void drop_pending();

  std::string pending_;
  bool strip_cr_;
};

} // namespace keelson::cri::monitor
