#include "cgroups/oom_watch.hpp"

#include "base/file.hpp"
#include "cgroups/group_directory.hpp"
#include "cgroups/memory_values.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>

#include <cerrno>

namespace keelson::cgroups {
namespace {

Result<std::string> read_again(int fd) {
  char buffer[1024];
  ssize_t got = 0;
  do {
    got = pread(fd, buffer, sizeof buffer, 0);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return fail_errno(errno, "cannot read the OOM events of a cgroup");
  return std::string(buffer, static_cast<std::size_t>(got));
}

} // namespace

Result<OomWatch> OomWatch::open(const Group& group) {
  const int dir = group.dir_of(Controller::memory);
  if (dir < 0) return fail(Code::unimplemented, "cgroup {} has no memory controller", group.path());
  const bool v1 = group.hierarchy().layout().version_of(Controller::memory) == Version::v1;
  TRY_ASSIGN(UniqueFd events, open_at(dir, v1 ? "memory.oom_control" : "memory.events", O_RDONLY));
  if (!v1) {
    // The kernel reports changes since the last read.
    TRY(read_again(events.get()));
    return OomWatch(std::move(events), UniqueFd());
  }
  UniqueFd signal(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!signal) return fail_errno(errno, "cannot make an eventfd");
  TRY(write_group_file(dir, "cgroup.event_control", fmt::format("{} {}", signal.get(), events.get()),
                       group.full_path(Controller::memory, "cgroup.event_control")));
  return OomWatch(std::move(events), std::move(signal));
}

Result<std::uint64_t> OomWatch::acknowledge() {
  if (signal_) {
    eventfd_t ignored = 0;
    (void)eventfd_read(signal_.get(), &ignored); // EAGAIN: nothing has happened
  }
  TRY_ASSIGN(const std::string text, read_again(events_.get()));
  if (signal_) {
    TRY_ASSIGN(const auto control, OomControl::parse(text));
    return control.oom_kill;
  }
  TRY_ASSIGN(const auto parsed, MemoryEvents::parse(text));
  return parsed.oom_kill;
}

} // namespace keelson::cgroups
