// Time as a value that tests can inject. Clock: steady time for durations and deadlines, wall time for records.
#pragma once

#include "base/error.hpp"

#include <chrono>
#include <string>
#include <string_view>

namespace keelson {

using SteadyTime = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;

// Callable from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual SteadyTime now() const = 0;
  virtual WallTime wall_now() const = 0;
};

class SystemClock final : public Clock {
 public:
  SteadyTime now() const override;
  WallTime wall_now() const override;
};

// A point on the steady clock that work must not pass. Copy it down the call chain.
class Deadline {
 public:
  static Deadline never() { return Deadline(SteadyTime::max()); }
  static Deadline after(std::chrono::nanoseconds time);
  explicit Deadline(SteadyTime at)
      : at_(at) {}

  SteadyTime at() const { return at_; }
  bool passed() const;
  std::chrono::milliseconds remaining() const; // never negative; milliseconds::max() for never()
  int poll_timeout() const;                    // for poll(2): -1 for never, rounded up to a millisecond

 private:
  SteadyTime at_;
};

// RFC 3339 in UTC with nine digits of fraction, the form of CRI log lines: 2026-11-22T18:55:00.123456789Z.
std::string format_rfc3339_nano(WallTime time);
// RFC 3339 in UTC with whole seconds, the form of Kubernetes objects.
std::string format_rfc3339(WallTime time);
Result<WallTime> parse_rfc3339(std::string_view text);

inline std::int64_t unix_nanos(WallTime time) {
  return time.time_since_epoch().count();
}

} // namespace keelson
