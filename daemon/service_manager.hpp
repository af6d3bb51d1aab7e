// The daemon's word to systemd: ready, alive, stopping (sd_notify(3)). Nothing happens without a service manager.
#pragma once

#include "base/loop.hpp"

#include <chrono>
#include <string>
#include <string_view>

namespace keelson::daemon {

// The watchdog is fed from the loop: a loop that hangs is a daemon that is restarted. Pods do not notice.
class ServiceManager {
 public:
  // Takes the service manager's variables out of the environment, where every child would find them: runc takes a
  // NOTIFY_SOCKET for its container's. To be called before there are threads.
  static ServiceManager take_from_environment();

  void ready(Loop& loop);
  void stopping(Loop& loop);

 private:
  void notify(std::string_view message) const;
  void feed_watchdog(Loop& loop);

  std::string socket_;                             // a path, or '@' and an abstract name; empty: no service manager
  std::chrono::microseconds watchdog_interval_{0}; // zero: none is wanted
  Loop::Id timer_ = 0;
};

} // namespace keelson::daemon
