// Reads a container's log: the active file PATH and its rotated predecessors PATH.<time>, oldest first, and follows it
// over rotations without a gap. Files are told apart by inode: a rotation renames the file that is open here, and it is
// read to its end before the next one in order is opened.
#pragma once

#include "base/error.hpp"
#include "base/time.hpp"
#include "base/unique_fd.hpp"

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::daemon::ctl {

// One thread. Reading blocks on files only; wait() blocks until something may have changed.
class LogReader {
 public:
  // tail: start before the last so many whole lines; absent: at the oldest. not_found if there is no file at all.
  static Result<LogReader> open(const std::string& path, std::optional<std::uint64_t> tail);

  // Gives every line that is there now, without its newline. False: the sink wanted no more.
  using Sink = std::function<bool(std::string_view line)>;
  Result<bool> drain(const Sink& sink);

  // Gives a last line without a newline, if one is left. Call it at the end.
  void finish(const Sink& sink);

  // Returns when the directory of the log has changed since open() or the last wait(), or at the deadline.
  Result<> wait(Deadline deadline);

 private:
  struct File {
    std::string name;
    dev_t device = 0;
    ino_t inode = 0;
    bool operator==(const File&) const = default;
  };

  LogReader(UniqueFd directory, std::string name)
      : directory_(std::move(directory))
      , name_(std::move(name)) {}
  Result<std::vector<File>> files_once() const;
  Result<std::vector<File>> files() const; // oldest first, the active one last
  Result<> watch(const std::string& path);
  Result<> seek_tail(std::uint64_t lines);
  Result<bool> open_file(const File& file); // false: it is gone or another one now
  Result<bool> open_next();                 // false: the open file is the last one
  Result<bool> read_to_end(const Sink& sink);

  UniqueFd directory_;
  std::string name_;
  UniqueFd changes_; // inotify
  UniqueFd file_;
  File current_;
  std::string carry_; // the beginning of a line whose end is not written yet
  off_t offset_ = 0;
};

} // namespace keelson::daemon::ctl
