// Freezing and thawing: cgroup.freeze on v2, the freezer controller on v1.
#include "cgroups/core_values.hpp"
#include "cgroups/group.hpp"
#include "cgroups/group_directory.hpp"

#include <unistd.h>

#include <algorithm>

namespace keelson::cgroups {
namespace {

// The v1 freezer can miss a task that forks or execs at the wrong moment and stay FREEZING; asking again gets it.
constexpr int kAskAgainEvery = 8;
constexpr int kThawBetweenEvery = 64;

} // namespace

Result<bool> Group::frozen() const {
  if (dir_of(Controller::freezer) >= 0) {
    TRY_ASSIGN(const std::string text, read(Controller::freezer, "freezer.state"));
    TRY_ASSIGN(const auto state, parse_freezer_state(text));
    return state == FreezerState::frozen;
  }
  if (dir_of(Controller::core) < 0) return fail(Code::unimplemented, "{}: this machine cannot freeze groups", path_);
  TRY_ASSIGN(const std::string text, read(Controller::core, "cgroup.events"));
  TRY_ASSIGN(const auto events, GroupEvents::parse(text));
  return events.frozen;
}

Result<> Group::freeze(Deadline deadline) const {
  TRY_ASSIGN(const auto pids, processes());
  if (std::binary_search(pids.begin(), pids.end(), getpid()))
    return fail(Code::failed_precondition, "cgroup {} holds this process: it would freeze itself", path_);
  const bool v1 = dir_of(Controller::freezer) >= 0;
  const Controller controller = v1 ? Controller::freezer : Controller::core;
  const Write freeze{controller, v1 ? "freezer.state" : "cgroup.freeze", v1 ? "FROZEN" : "1"};
  const Write thaw{controller, freeze.file, v1 ? "THAWED" : "0"};
  Backoff backoff(deadline);
  TRY(write(freeze));
  for (int look = 1;; ++look) {
    TRY_ASSIGN(const bool done, frozen());
    if (done) return {};
    if (!backoff.wait()) {
      (void)write(thaw);
      return fail(Code::deadline_exceeded, "cgroup {} did not freeze in time and was thawed", path_);
    }
    if (v1 && look % kThawBetweenEvery == 0) TRY(write(thaw));
    if (v1 && look % kAskAgainEvery == 0) TRY(write(freeze));
  }
}

Result<> Group::thaw(Deadline deadline) const {
  const bool v1 = dir_of(Controller::freezer) >= 0;
  TRY(write(v1 ? Write{Controller::freezer, "freezer.state", "THAWED"}
               : Write{Controller::core, "cgroup.freeze", "0"}));
  Backoff backoff(deadline);
  for (;;) {
    TRY_ASSIGN(const bool still, frozen());
    if (!still) return {};
    if (!backoff.wait())
      return fail(Code::deadline_exceeded, "cgroup {} is still frozen: a group above it may be frozen", path_);
  }
}

} // namespace keelson::cgroups
