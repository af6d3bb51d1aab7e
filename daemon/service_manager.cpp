#include "daemon/service_manager.hpp"

#include "base/unique_fd.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace keelson::daemon {

ServiceManager ServiceManager::take_from_environment() {
  ServiceManager manager;
  std::uint64_t interval = 0;
  if (::sd_watchdog_enabled(1, &interval) > 0) manager.watchdog_interval_ = std::chrono::microseconds(interval / 2);
  if (const char* socket = std::getenv("NOTIFY_SOCKET")) manager.socket_ = socket;
  for (const char* name : {"NOTIFY_SOCKET", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(name);
  return manager;
}

void ServiceManager::ready(Loop& loop) {
  notify("READY=1\nSTATUS=Serving pods");
  if (watchdog_interval_.count() > 0)
    timer_ = loop.run_after(watchdog_interval_, [this, &loop] { feed_watchdog(loop); });
}

void ServiceManager::stopping(Loop& loop) {
  notify("STOPPING=1\nSTATUS=Ending; pods run on");
  if (timer_ != 0) loop.cancel_timer(timer_);
}

// sd_notify(3) itself reads the variable that is no longer there.
void ServiceManager::notify(std::string_view message) const {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_.empty() || socket_.size() >= sizeof address.sun_path) return;
  std::memcpy(address.sun_path, socket_.data(), socket_.size());
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
  const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
  static_cast<void>(::sendto(fd.get(), message.data(), message.size(), MSG_NOSIGNAL,
                             reinterpret_cast<const sockaddr*>(&address), size));
}

void ServiceManager::feed_watchdog(Loop& loop) {
  notify("WATCHDOG=1");
  timer_ = loop.run_after(watchdog_interval_, [this, &loop] { feed_watchdog(loop); });
}

} // namespace keelson::daemon
