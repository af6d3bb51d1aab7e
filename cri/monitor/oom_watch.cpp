#include "cri/monitor/oom_watch.hpp"

#include "base/file.hpp"
#include "base/text.hpp"

#include <sys/eventfd.h>

#include <cerrno>

namespace keelson::cri::monitor {
namespace {

// cgroup v1, Documentation/admin-guide/cgroup-v1/memory.rst, "OOM Control".
Result<UniqueFd> register_v1_event(const std::string& path, int oom_control) {
  UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) return fail_errno(errno, "make an eventfd");
  const std::string control = path.substr(0, path.rfind('/') + 1) + "cgroup.event_control";
  TRY(write_kernel_file(control, fmt::format("{} {}", event.get(), oom_control)));
  return event;
}

} // namespace

Result<std::uint64_t> parse_oom_kills(std::string_view text) {
  for (const std::string_view line : split(text, '\n')) {
    const auto words = split_words(line);
    if (words.size() == 2 && words[0] == "oom_kill") return parse_int<std::uint64_t>(words[1]);
  }
  return fail(Code::not_found, "no oom_kill counter");
}

Result<OomWatch> OomWatch::open(const std::string& path, Poller& poller, std::function<void()> on_event) {
  OomWatch watch;
  TRY_ASSIGN(watch.file_, open_at(AT_FDCWD, path, O_RDONLY));
  static_cast<void>(watch.update());
  watch.settled_ = watch.kills_;
  std::uint32_t events = EPOLLPRI;
  int fd = watch.file_.get();
  if (path.ends_with("/memory.oom_control")) {
    auto event = register_v1_event(path, watch.file_.get());
    if (!event) return watch;
    watch.event_ = std::move(*event);
    fd = watch.event_.get();
    events = EPOLLIN;
  }
  const int event_fd = watch.event_.get();
  auto added = FdWatch::add(poller, fd, events, [event_fd, handler = std::move(on_event)](std::uint32_t) {
    std::uint64_t count = 0;
    if (event_fd >= 0) static_cast<void>(!::read(event_fd, &count, sizeof count));
    handler();
  });
  if (added) watch.watch_ = std::move(*added);
  return watch;
}

bool OomWatch::update() {
  char buffer[4096];
  const ssize_t got = ::pread(file_.get(), buffer, sizeof buffer, 0);
  if (got <= 0) return false;
  const auto kills = parse_oom_kills({buffer, static_cast<std::size_t>(got)});
  if (!kills || *kills <= kills_) return false;
  kills_ = *kills;
  return true;
}

} // namespace keelson::cri::monitor
