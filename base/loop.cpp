#include "base/loop.hpp"

#include "base/log.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fcntl.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <exception>
#include <mutex>
#include <unordered_map>

namespace keelson {

namespace asio = boost::asio;

namespace {

void guarded(const Loop::Handler& handler) {
  try {
    handler();
  } catch (const std::exception& e) {
    log::error("loop: unexpected exception: {}", e.what());
  }
}

struct Watch {
  Watch(asio::io_context& io, int fd, Loop::Wait wait_for, Loop::Handler on_ready)
      : descriptor(io, fd)
      , wait(wait_for)
      , handler(std::move(on_ready)) {}
  asio::posix::stream_descriptor
      descriptor; // of a duplicate: Asio's deregistration must not depend on the caller's close
  Loop::Wait wait;
  Loop::Handler handler;
  std::atomic<bool> removed = false;
};

struct Timer {
  Timer(asio::io_context& io, Loop::Handler on_due)
      : timer(io)
      , handler(std::move(on_due)) {}
  asio::steady_timer timer;
  Loop::Handler handler;
  std::atomic<bool> removed = false;
};

} // namespace

// Handlers hold a plain pointer to it: they run only inside of run(), and a share of it kept by one that never runs
// would keep both alive for ever.
struct Loop::State {
  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work = asio::make_work_guard(io);
  std::mutex mutex; // guards watches, timers, next_id
  std::unordered_map<Id, std::shared_ptr<Watch>> watches;
  std::unordered_map<Id, std::shared_ptr<Timer>> timers;
  Id next_id = 1;

  // Runs on the loop's thread only.
  void arm(const std::shared_ptr<Watch>& watch) {
    using Descriptor = asio::posix::stream_descriptor;
    const auto kind = watch->wait == Wait::priority ? Descriptor::wait_error : Descriptor::wait_read;
    watch->descriptor.async_wait(kind, [this, watch](const boost::system::error_code& error) {
      if (error || watch->removed) return;
      guarded(watch->handler);
      if (!watch->removed) arm(watch);
    });
  }

  // Runs on the loop's thread only.
  void start(Id id, const std::shared_ptr<Timer>& timer, std::chrono::nanoseconds delay) {
    timer->timer.expires_after(delay);
    timer->timer.async_wait([this, id, timer](const boost::system::error_code& error) {
      {
        const std::lock_guard lock(mutex);
        timers.erase(id);
      }
      if (!error && !timer->removed) guarded(timer->handler);
    });
  }
};

Loop::Loop()
    : state_(std::make_shared<State>()) {}

Loop::~Loop() {
  stop();
  const std::lock_guard lock(state_->mutex);
  for (auto& [id, watch] : state_->watches) watch->removed = true;
  for (auto& [id, timer] : state_->timers) timer->removed = true;
}

void Loop::run() {
  state_->io.run();
}
void Loop::stop() {
  state_->io.stop();
}

void Loop::post(Handler handler) {
  asio::post(state_->io, [handler = std::move(handler)] { guarded(handler); });
}

Result<Loop::Id> Loop::watch(int fd, Wait wait, Handler handler) {
  // epoll refuses files and directories; Asio then pretends to watch them and never calls.
  struct stat info {};
  if (::fstat(fd, &info) != 0) return fail_errno(errno, "watch descriptor {}", fd);
  if (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode)) return fail_errno(EPERM, "watch descriptor {}", fd);
  const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (copy < 0) return fail_errno(errno, "watch descriptor {}", fd);
  std::shared_ptr<Watch> watch;
  try {
    watch = std::make_shared<Watch>(state_->io, copy, wait, std::move(handler));
  } catch (const boost::system::system_error& e) {
    ::close(copy);
    return fail_errno(e.code().value(), "watch descriptor {}", fd);
  }
  Id id;
  {
    const std::lock_guard lock(state_->mutex);
    id = state_->next_id++;
    state_->watches.emplace(id, watch);
  }
  asio::post(state_->io, [state = state_.get(), watch] {
    if (!watch->removed) state->arm(watch);
  });
  return id;
}

void Loop::unwatch(Id id) {
  std::shared_ptr<Watch> watch;
  {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->watches.find(id);
    if (found == state_->watches.end()) return;
    watch = std::move(found->second);
    state_->watches.erase(found);
  }
  watch->removed = true;
  asio::post(state_->io, [watch] {
    boost::system::error_code ignored;
    watch->descriptor.close(ignored);
  });
}

Loop::Id Loop::run_after(std::chrono::nanoseconds delay, Handler handler) {
  const auto timer = std::make_shared<Timer>(state_->io, std::move(handler));
  Id id;
  {
    const std::lock_guard lock(state_->mutex);
    id = state_->next_id++;
    state_->timers.emplace(id, timer);
  }
  asio::post(state_->io, [state = state_.get(), id, timer, delay] {
    if (!timer->removed) state->start(id, timer, delay);
  });
  return id;
}

void Loop::cancel_timer(Id id) {
  std::shared_ptr<Timer> timer;
  {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->timers.find(id);
    if (found == state_->timers.end()) return;
    timer = std::move(found->second);
    state_->timers.erase(found);
  }
  timer->removed = true;
  asio::post(state_->io, [timer] { timer->timer.cancel(); });
}

} // namespace keelson
