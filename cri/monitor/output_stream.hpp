// One output stream of a container: its pipe (or terminal), where its lines go, and who is attached to it. One thread.
#pragma once

#include "base/unique_fd.hpp"
#include "cri/monitor/line_framer.hpp"
#include "cri/monitor/log_file.hpp"

#include <string_view>
#include <vector>

namespace keelson::cri::monitor {

class OutputStream {
 public:
  // name: "stdout" or "stderr". The descriptor must be non-blocking; a closed one makes a stream that has ended.
  OutputStream(std::string_view name, UniqueFd fd, bool terminal)
      : name_(name)
      , ended_(!fd)
      , fd_(std::move(fd))
      , framer_(terminal) {}

  // Reads what is there, up to about max_bytes, and writes it to the log (which may be null) and to attached
  // descriptors. False: nothing more to read for now, or ever if ended().
  bool pump(LogFile* log, Scratch& scratch, std::size_t max_bytes);

  // Writes the unterminated tail as a partial line.
  void flush_tail(LogFile* log);

  bool ended() const { return ended_; }
  int fd() const { return fd_.get(); }
  void close(); // after its watch is gone
  void attach(UniqueFd fd);

 private:
  void copy_to_attached(std::string_view data);

  std::string_view name_;
  bool ended_;
  UniqueFd fd_;
  LineFramer framer_;
  std::vector<UniqueFd> attached_;
};

} // namespace keelson::cri::monitor
