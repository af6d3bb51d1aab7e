// A container's log file in the CRI format, which limits its own size. One thread.
//
// The active file is PATH. When the next line would make it larger than max_size it becomes PATH.YYYYMMDD-HHMMSS (UTC;
// -001 and so on is appended if that exists), the form that kubelet gives rotated logs, and the oldest ones beyond
// max_files - 1 are deleted. A full disk never stops the caller: lines are dropped and counted, and one line says so
// when writing works again.
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace keelson::cri::monitor {

// Memory that all streams of the monitor share, one use at a time. Pages that are not in use are given back by trim().
class Scratch {
 public:
  static constexpr std::size_t kInput = std::size_t{64} << 10;  // the capacity of a pipe
  static constexpr std::size_t kOutput = std::size_t{64} << 10; // more than the longest line

  static Result<Scratch> allocate();
  Scratch(Scratch&& other) noexcept
      : memory_(other.memory_) {
    other.memory_ = nullptr;
  }
  Scratch& operator=(Scratch&&) = delete;
  ~Scratch();

  char* input() { return memory_; }
  char* output() { return memory_ + kInput; }
  void trim();

 private:
  explicit Scratch(char* memory)
      : memory_(memory) {}
  char* memory_;
};

class LogFile {
 public:
  struct Options {
    std::string path;
    std::uint64_t max_size = 0;  // bytes; 0: no limit
    std::uint64_t max_files = 5; // the active one included
  };

  // Opens or makes the file, mode 0640. Follows no symlink and takes nothing but a regular file.
  static Result<LogFile> open(Options options, Scratch& scratch);

  // Adds header + first + second + newline. Reaches the file at flush(), which the caller owes before anything else
  // uses the scratch memory.
  void append(std::string_view header, std::string_view first, std::string_view second);
  void flush();

  // Opens the path anew, after somebody renamed the file. On an error the old file stays in use.
  Result<> reopen();

  std::uint64_t written() const { return written_; }
  std::uint64_t lost() const { return lost_; }

 private:
  LogFile(Options options, Scratch& scratch)
      : options_(std::move(options))
      , scratch_(&scratch) {}

  bool fits(std::size_t size) const;
  void write_out(std::string_view text);
  void lose(std::size_t bytes, int reason);
  bool tell_loss();
  Result<> rotate();
  Result<std::string> rename_to_stamp(int dir);
  Result<> prune(int dir);
  std::string dir() const;
  std::string name() const;

  Options options_;
  Scratch* scratch_;
  UniqueFd fd_;
  std::uint64_t size_ = 0; // of the active file
  std::size_t fill_ = 0;   // of the scratch output
  std::uint64_t written_ = 0;
  std::uint64_t lost_ = 0;
  std::uint64_t untold_loss_ = 0;
  int loss_reason_ = 0;
  std::string last_stamp_; // of the last rotation
  unsigned last_number_ = 0;
};

// "2026-11-22T18:55:00.123456789Z" now, in 30 characters.
std::string log_timestamp();

} // namespace keelson::cri::monitor
