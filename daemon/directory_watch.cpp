#include "daemon/directory_watch.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <future>

namespace keelson::daemon {

DirectoryWatch::DirectoryWatch(Loop& loop, UniqueFd inotify, std::function<void()> on_change)
    : loop_(loop)
    , inotify_(std::move(inotify))
    , on_change_(std::move(on_change)) {}

DirectoryWatch::~DirectoryWatch() {
  loop_.unwatch(watch_);
}

Result<std::unique_ptr<DirectoryWatch>> DirectoryWatch::start(const std::string& path, Loop& loop,
                                                              std::function<void()> on_change) {
  UniqueFd inotify(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!inotify) return fail_errno(errno, "watch {}", path);
  constexpr std::uint32_t kChanges = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR;
  if (::inotify_add_watch(inotify.get(), path.c_str(), kChanges) < 0) return fail_errno(errno, "watch {}", path);
  std::unique_ptr<DirectoryWatch> watch(new DirectoryWatch(loop, std::move(inotify), std::move(on_change)));
  TRY_ASSIGN(watch->watch_, loop.watch(watch->inotify_.get(), Loop::Wait::readable, [w = watch.get()] { w->drain(); }));
  return watch;
}

void DirectoryWatch::drain() {
  alignas(inotify_event) char events[4096];
  bool changed = false;
  while (::read(inotify_.get(), events, sizeof events) > 0) changed = true;
  if (changed) on_change_();
}

} // namespace keelson::daemon
