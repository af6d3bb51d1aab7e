#include "cri/monitor/line_framer.hpp"

namespace keelson::cri::monitor {

void LineFramer::feed(std::string_view chunk, LineSink& sink) {
  while (!chunk.empty()) {
    const std::size_t newline = chunk.find('\n');
    const bool ended = newline != std::string_view::npos;
    std::string_view piece = chunk.substr(0, newline);
    chunk.remove_prefix(ended ? newline + 1 : chunk.size());
    while (pending_.size() + piece.size() > kMaxLine) {
      const std::size_t taken = kMaxLine - pending_.size();
      sink.line(false, pending_, piece.substr(0, taken));
      drop_pending();
      piece.remove_prefix(taken);
    }
    if (ended)
      end_line(piece, sink);
    else
      pending_.append(piece);
  }
}

void LineFramer::end_line(std::string_view rest, LineSink& sink) {
  std::string_view first = pending_;
  std::string_view& last = rest.empty() ? first : rest;
  if (strip_cr_ && last.ends_with('\r')) last.remove_suffix(1);
  sink.line(true, first, rest);
  drop_pending();
}

void LineFramer::flush(LineSink& sink) {
  if (!pending_.empty()) sink.line(false, pending_, {});
  drop_pending();
}

void LineFramer::drop_pending() {
  // A long line's memory is given back at once; short ones keep their small buffer.
  if (pending_.capacity() > 1024)
    pending_ = std::string();
  else
    pending_.clear();
}

} // namespace keelson::cri::monitor
