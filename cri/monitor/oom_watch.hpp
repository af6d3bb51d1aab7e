// Counts the OOM kills of one cgroup and tells whether one of them hit the container's init. One thread.
//
// A counter that is not zero is not enough: an exec that was OOM-killed an hour ago must not turn a later SIGKILL of
// the container into OOMKilled. Kills that the init has survived for a while are therefore settled; only those after
// the last settled one count when the init dies by SIGKILL.
#pragma once

#include "base/error.hpp"
#include "cri/monitor/poller.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace keelson::cri::monitor {

// The value of oom_kill in memory.events (v2) or memory.oom_control (v1); not_found if there is none.
Result<std::uint64_t> parse_oom_kills(std::string_view text);

class OomWatch {
 public:
  // path: memory.events, or memory.oom_control (then an eventfd is registered in cgroup.event_control beside it).
  // on_kill is called from the loop with the new count. Without notifications the count is still right at every read().
  static Result<OomWatch> open(const std::string& path, Poller& poller, std::function<void()> on_event);

  // The count now; the last known one if the cgroup is gone. True if it has risen since the last call.
  bool update();
  std::uint64_t kills() const { return kills_; }

  // Kills up to now have not hit the init; called when it was seen alive some time after update().
  void settle(std::uint64_t kills) { settled_ = kills; }
  bool unsettled() const { return kills_ > settled_; }

 private:
  UniqueFd file_;
  UniqueFd event_; // v1 only
  FdWatch watch_;
  std::uint64_t kills_ = 0;
  std::uint64_t settled_ = 0;
};

} // namespace keelson::cri::monitor
