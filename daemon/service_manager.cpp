#include "daemon/service_manager.hpp"

#include <systemd/sd-daemon.h>

#include <cstdint>

namespace keelson::daemon {

ServiceManager::ServiceManager(Loop& loop)
    : loop_(loop) {
  std::uint64_t interval = 0;
  if (::sd_watchdog_enabled(0, &interval) > 0) watchdog_interval_ = std::chrono::microseconds(interval / 2);
}

ServiceManager::~ServiceManager() {
  if (timer_ != 0) loop_.cancel_timer(timer_);
}

void ServiceManager::ready() {
  ::sd_notify(0, "READY=1\nSTATUS=Serving pods");
  if (watchdog_interval_.count() > 0) timer_ = loop_.run_after(watchdog_interval_, [this] { feed_watchdog(); });
}

void ServiceManager::stopping() {
  ::sd_notify(0, "STOPPING=1\nSTATUS=Ending; pods run on");
}

void ServiceManager::feed_watchdog() {
  ::sd_notify(0, "WATCHDOG=1");
  timer_ = loop_.run_after(watchdog_interval_, [this] { feed_watchdog(); });
}

} // namespace keelson::daemon
