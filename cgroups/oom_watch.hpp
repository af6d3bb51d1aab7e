// A descriptor that becomes ready when the OOM killer was at work in a group.
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "cgroups/group.hpp"

#include <cstdint>
#include <string>

namespace keelson::cgroups {

// v2: the group's memory.events, ready with POLLPRI. v1: an eventfd on memory.oom_control, ready with POLLIN. Both also
// become ready when the group is removed. One thread at a time. v1 signals when memory ran out, a moment before the
// kill is counted: whoever needs to know why a process ended reads the count after its exit (the kernel counts before
// it kills).
class OomWatch {
 public:
  static Result<OomWatch> open(const Group& group);

  int fd() const { return signal_ ? signal_.get() : events_.get(); }
  bool waits_for_priority() const { return !signal_; } // Loop::Wait::priority, else readable
  // Acknowledges the event, so that the next one makes the descriptor ready again, and gives the number of kills so far
  // (v1: without groups below). not_found once the group is gone.
  Result<std::uint64_t> acknowledge();

 private:
  OomWatch(UniqueFd events, UniqueFd signal)
      : events_(std::move(events))
      , signal_(std::move(signal)) {}
  UniqueFd events_; // memory.events, or memory.oom_control on v1
  UniqueFd signal_; // the eventfd of v1
};

} // namespace keelson::cgroups
