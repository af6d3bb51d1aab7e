// The daemon's word to systemd: ready, alive, stopping (sd_notify(3)). Nothing happens without a service manager.
#pragma once

#include "base/loop.hpp"

#include <chrono>

namespace keelson::daemon {

// The watchdog is fed from the loop: a loop that hangs is a daemon that is restarted. Pods do not notice.
class ServiceManager {
 public:
  explicit ServiceManager(Loop& loop);
  ~ServiceManager();
  void ready();
  void stopping();

 private:
  void feed_watchdog();

  Loop& loop_;
  std::chrono::microseconds watchdog_interval_{0}; // zero: none is wanted
  Loop::Id timer_ = 0;
};

} // namespace keelson::daemon
