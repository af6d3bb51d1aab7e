// One thread that waits for descriptors and timers: sockets, pidfds, inotify, eventfds, signals. A thin face of a
// Boost.Asio io_context, so that its headers stay in one file. Handlers run on the loop's thread, must not block, and
// post work that blocks to a WorkerPool.
#pragma once

#include "base/error.hpp"
#include "base/time.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

namespace keelson {

// Every method may be called from any thread. A handler may still run once while it is being removed from another
// thread; removed from the loop's own thread, it never runs again.
class Loop {
 public:
  using Handler = std::function<void()>;
  using Id = std::uint64_t;

  Loop();
  ~Loop();

  void run(); // blocks until stop()
  void stop();
  void post(Handler handler);

  enum class Wait { readable, priority }; // priority: POLLPRI, as cgroup and sysfs event files signal
  // Calls the handler each time the descriptor becomes ready. The descriptor stays the caller's and must outlive the
  // watch.
  Result<Id> watch(int fd, Wait wait, Handler handler);
  void unwatch(Id id);

  Id run_after(std::chrono::nanoseconds delay, Handler handler); // once
  void cancel_timer(Id id);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

} // namespace keelson
