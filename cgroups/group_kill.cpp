#include "cgroups/group_kill.hpp"

#include "base/process.hpp"
#include "base/text.hpp"
#include "cgroups/core_values.hpp"
#include "cgroups/group_directory.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

namespace keelson::cgroups {
namespace {

constexpr std::size_t kBatch = 128; // descriptors held at a time
constexpr std::chrono::milliseconds kFreezePatience{200};
constexpr std::chrono::milliseconds kExitPatience{50};

struct Target {
  pid_t pid = 0;
  UniqueFd pidfd;
};

// A pid may belong to another process by the time its pidfd is opened. Listed again afterwards, it is one of the
// group's.
Result<> kill_batch(const Group& group, std::vector<Target>& targets) {
  TRY_ASSIGN(const auto listed, group.processes());
  for (const Target& target : targets) {
    if (!std::binary_search(listed.begin(), listed.end(), target.pid)) continue;
    auto sent = send_signal(target.pidfd.get(), SIGKILL);
    if (!sent && sent.error().code != Code::not_found)
      return Fail(std::move(sent).error().context(fmt::format("cannot kill process {}", target.pid)));
  }
  return {};
}

void wait_for_exits(const std::vector<Target>& targets, Deadline deadline) {
  const Deadline patience(std::min(deadline.at(), Deadline::after(kExitPatience).at()));
  for (const Target& target : targets) {
    pollfd poll_fd{target.pidfd.get(), POLLIN, 0};
    if (poll(&poll_fd, 1, patience.poll_timeout()) <= 0) return;
  }
}

// Kills all processes that are listed now. The last batch is returned, to wait for its exits.
Result<std::vector<Target>> kill_listed(const Group& group, const std::vector<pid_t>& pids) {
  std::vector<Target> batch;
  for (std::size_t i = 0; i < pids.size(); ++i) {
    if (batch.size() == kBatch) batch.clear();
    // 0: a process of another PID namespace, which only cgroup.kill reaches.
    auto pidfd = pids[i] > 0 ? open_pidfd(pids[i]) : Result<UniqueFd>(UniqueFd());
    if (!pidfd && pidfd.error().code != Code::not_found) return Fail(std::move(pidfd).error());
    if (pidfd && *pidfd) batch.push_back({pids[i], std::move(*pidfd)});
    if (batch.size() == kBatch || i + 1 == pids.size()) TRY(kill_batch(group, batch));
  }
  return batch;
}

// Groups below may be frozen by themselves. A frozen process of v1 takes no SIGKILL, one of v2 does.
Result<> thaw_tree(const Group& group, Controller controller, const char* file, const char* value) {
  const int dir = group.dir_of(controller);
  if (dir < 0) return {};
  WalkVisitor visitor;
  visitor.inside = [&](int below) -> Result<> {
    auto written = write_group_file(below, file, value, file);
    if (!written && !is_gone(written.error())) return written;
    return {};
  };
  auto walked = walk_bottom_up(dir, visitor);
  if (!walked && is_gone(walked.error())) return {};
  return walked;
}

Result<> thaw_all(const Group& group) {
  TRY(thaw_tree(group, Controller::freezer, "freezer.state", "THAWED"));
  return thaw_tree(group, Controller::core, "cgroup.freeze", "0");
}

Fail not_dead_in_time(const Group& group) {
  const auto pids = group.processes();
  std::string names;
  for (const pid_t pid : pids.value_or(std::vector<pid_t>())) {
    if (names.size() > 80) break;
    names += fmt::format(" {}", pid);
  }
  return fail(Code::deadline_exceeded, "cgroup {} still has processes after SIGKILL:{}", group.path(), names);
}

// true if the kernel has cgroup.kill (Linux 5.14) and every process of the group is in the v2 hierarchy's directory.
Result<bool> kill_by_file(const Group& group) {
  if (group.dir_of(Controller::core) < 0) return false;
  auto written = group.write(Write{Controller::core, "cgroup.kill", "1"});
  if (written) return true;
  // EOPNOTSUPP: a threaded group.
  if (is_gone(written.error()) || written.error().sys_errno == EOPNOTSUPP) return false;
  return Fail(std::move(written).error());
}

// Sleeps until the kernel says that something in cgroup.events has changed, or a short pause is over.
void wait_for_event(const Group& group, Backoff& backoff, Deadline deadline) {
  if (group.hierarchy().mode() != Mode::v2) {
    (void)backoff.wait();
    return;
  }
  const UniqueFd events(openat(group.dir_of(Controller::core), "cgroup.events", O_RDONLY | O_CLOEXEC));
  char buffer[128];
  const auto populated = [&] {
    const ssize_t got = pread(events.get(), buffer, sizeof buffer, 0);
    if (got <= 0) return false;
    const auto state = GroupEvents::parse(std::string_view(buffer, static_cast<std::size_t>(got)));
    return state && state->populated;
  };
  if (!events || !populated()) return;
  pollfd poll_fd{events.get(), POLLPRI, 0};
  const Deadline pause(std::min(deadline.at(), Deadline::after(std::chrono::milliseconds(100)).at()));
  (void)poll(&poll_fd, 1, pause.poll_timeout());
}

} // namespace

Result<> kill_by_rounds(const Group& group, Deadline deadline) {
  Backoff backoff(deadline);
  for (;;) {
    TRY_ASSIGN(auto pids, group.processes());
    if (pids.empty()) return {};
    if (deadline.passed()) return not_dead_in_time(group);
    // Frozen, they neither fork nor vanish while they are listed. Where that is impossible the rounds repeat.
    const Deadline patience(std::min(deadline.at(), Deadline::after(kFreezePatience).at()));
    const bool froze = bool(group.freeze(patience));
    if (froze) {
      if (auto listed = group.processes()) pids = std::move(*listed);
    }
    auto killed = kill_listed(group, pids);
    TRY(thaw_all(group));
    if (!killed) return Fail(std::move(killed).error());
    wait_for_exits(*killed, deadline);
    TRY_ASSIGN(const auto left, group.processes());
    if (!left.empty()) (void)backoff.wait();
  }
}

Result<> Group::kill_all(Deadline deadline) const {
  if (path_ == "/") return fail(Code::invalid_argument, "the processes of the root cgroup are not killed");
  TRY_ASSIGN(const auto pids, processes());
  if (std::binary_search(pids.begin(), pids.end(), getpid()))
    return fail(Code::failed_precondition, "cgroup {} holds this process: it would kill itself", path_);
  TRY_ASSIGN(const bool by_file, kill_by_file(*this));
  // With v1 hierarchies beside, some may not be in v2's group; and SIGKILL waits there until the freezer lets go.
  if (!by_file || hierarchy_->mode() != Mode::v2) return kill_by_rounds(*this, deadline);
  Backoff backoff(deadline);
  for (;;) {
    TRY_ASSIGN(const bool left, populated());
    if (!left) return {};
    if (deadline.passed()) return not_dead_in_time(*this);
    wait_for_event(*this, backoff, deadline);
    // A process that joined after the first write.
    TRY(kill_by_file(*this));
  }
}

} // namespace keelson::cgroups
