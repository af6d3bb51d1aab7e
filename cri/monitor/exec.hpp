// One exec: the process inside the container, and everything that the monitor keeps for it until both its start has
// been reported and its end reaped. One thread.
#pragma once

#include "base/time.hpp"
#include "cri/monitor/namespaces.hpp"
#include "cri/monitor/poller.hpp"
#include "cri/monitor/process_group.hpp"
#include "cri/monitor/protocol.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace keelson::cri::monitor {

// Who asked and where the answers go.
struct ExecOwner {
  std::uint64_t connection = 0;
  std::uint32_t tag = 0;
  bool kill_on_disconnect = true;
};

class Exec {
 public:
  // Forks the process into the container of that init. fds: stdin, stdout, stderr; none for a terminal.
  static Result<std::unique_ptr<Exec>> start(const ExecRequest& request, pid_t init, const OwnNamespaces& own,
                                             std::vector<UniqueFd> fds, std::uint64_t id);

  std::uint64_t id() const { return id_; }
  pid_t pid() const { return pid_; }
  const std::string& container() const { return container_; }
  const std::optional<SteadyTime>& deadline() const { return deadline_; }

  Result<> watch_report(Poller& poller, std::function<void()> on_report);
  // Takes what the child has said. True once its start is decided: the program runs, or failure() is set.
  bool read_report();
  const std::optional<ErrorReply>& failure() const { return failure_; }
  UniqueFd take_terminal() { return std::move(terminal_); }

  void kill_all();                        // SIGKILL to everything that it has started
  void time_out();                        // the same, because its time is over
  bool doomed() const { return doomed_; } // kill_all() has been called
  void reaped(int wait_status) { wait_status_ = wait_status; }
  const std::optional<int>& wait_status() const { return wait_status_; }
  ExecExited exited() const;
  std::optional<TrackingCgroup> take_cgroup() { return std::exchange(cgroup_, std::nullopt); }

  ExecOwner owner;
  bool start_reported = false;

 private:
  Exec() = default;

  std::uint64_t id_ = 0;
  std::string container_;
  pid_t pid_ = 0;
  std::optional<SteadyTime> deadline_;
  std::optional<TrackingCgroup> cgroup_;
  UniqueFd report_;
  FdWatch watch_;
  std::optional<ErrorReply> failure_;
  UniqueFd terminal_;
  std::optional<int> wait_status_;
  bool timed_out_ = false;
  bool doomed_ = false;
};

} // namespace keelson::cri::monitor
