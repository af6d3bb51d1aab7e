#include "daemon/directory_watch.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <future>

namespace keelson::daemon {

namespace {

constexpr std::chrono::seconds kRewatchDelay{1};

} // namespace

DirectoryWatch::DirectoryWatch(std::string path, Loop& loop, UniqueFd inotify, std::function<void()> on_change)
    : path_(std::move(path))
    , loop_(loop)
    , inotify_(std::move(inotify))
    , on_change_(std::move(on_change)) {}

// On the loop's thread, so that no handler is running or set again.
DirectoryWatch::~DirectoryWatch() {
  std::promise<void> done;
  loop_.post([this, &done] {
    loop_.unwatch(watch_);
    if (timer_ != 0) loop_.cancel_timer(timer_);
    done.set_value();
  });
  done.get_future().wait();
}

Result<std::unique_ptr<DirectoryWatch>> DirectoryWatch::start(const std::string& path, Loop& loop,
                                                              std::function<void()> on_change) {
  UniqueFd inotify(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!inotify) return fail_errno(errno, "watch {}", path);
  std::unique_ptr<DirectoryWatch> watch(new DirectoryWatch(path, loop, std::move(inotify), std::move(on_change)));
  TRY(watch->watch_directory());
  TRY_ASSIGN(watch->watch_, loop.watch(watch->inotify_.get(), Loop::Wait::readable, [w = watch.get()] { w->drain(); }));
  return watch;
}

Result<> DirectoryWatch::watch_directory() {
  constexpr std::uint32_t kChanges =
      IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
  if (::inotify_add_watch(inotify_.get(), path_.c_str(), kChanges) < 0) return fail_errno(errno, "watch {}", path_);
  return {};
}

void DirectoryWatch::drain() {
  alignas(inotify_event) char events[4096];
  bool changed = false;
  bool gone = false;
  for (ssize_t size = 0; (size = ::read(inotify_.get(), events, sizeof events)) > 0;) {
    changed = true;
    for (ssize_t at = 0; at < size;) {
      const auto* event = reinterpret_cast<const inotify_event*>(events + at);
      gone = gone || (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) != 0;
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
    }
  }
  if (gone && timer_ == 0) watch_again();
  if (changed) on_change_();
}

void DirectoryWatch::watch_again() {
  timer_ = 0;
  if (watch_directory())
    on_change_(); // what was put there before it was watched
  else
    timer_ = loop_.run_after(kRewatchDelay, [this] { watch_again(); });
}

} // namespace keelson::daemon
