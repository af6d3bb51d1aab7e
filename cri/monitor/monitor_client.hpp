// The daemon's side of a pod's keelson-monitor: starts it, finds it again after a restart of the daemon, asks it for
// things and hears what happens.
#pragma once

#include "base/loop.hpp"
#include "base/process.hpp"
#include "base/time.hpp"
#include "base/unique_fd.hpp"
#include "cri/monitor/protocol.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace keelson::cri {

// A sealed copy of the monitor program in memory, shared by all monitors that are started from it. No container can
// reach a file of the host through a monitor's /proc/PID/exe (CVE-2019-5736). Make one per daemon.
class MonitorBinary {
 public:
  static Result<MonitorBinary> load(const std::string& path);
  int fd() const { return fd_.get(); }

 private:
  explicit MonitorBinary(UniqueFd fd)
      : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

// The output of a finished exec. Each stream is cut at the limit of the call; what is over is read and dropped.
struct ExecOutput {
  int exit_code = 0; // 128 + signal if a signal ended it
  bool timed_out = false;
  std::string out;
  std::string err;
};

// An exec that runs. Owned by one thread at a time. Destruction kills it if the request has kill_on_disconnect.
class ExecHandle {
 public:
  ExecHandle(ExecHandle&&) noexcept;
  ExecHandle& operator=(ExecHandle&&) noexcept;
  ~ExecHandle();

  pid_t pid() const; // in the monitor's PID namespace
  // The terminal's master side, if the request had tty: read output, write input, TIOCSWINSZ to resize. -1 after
  // release.
  int terminal() const;
  UniqueFd release_terminal();
  int exit_fd() const; // readable once wait() will not block (or the monitor is dead)
  // Blocks. deadline_exceeded: it still runs; call again. unavailable: the monitor died.
  Result<monitor::ExecExited> wait(Deadline deadline);
  Result<> signal(int signal);

 private:
  friend class MonitorClient;
  struct State;
  explicit ExecHandle(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// One per pod. Calls block and may come from any thread at once (each uses a connection of its own), but not from the
// loop's thread. Every call fails with unavailable if the monitor is gone, deadline_exceeded if it did not answer in
// time. The callbacks run on the loop's thread, in the order in which things happened, until the client is destroyed
// there.
class MonitorClient {
 public:
  struct Events {
    std::function<void(const monitor::ContainerExited&)> container_exited; // the exit record is on disk already
    std::function<void(const monitor::ContainerOom&)> container_oom;
    std::function<void()> infra_exited;
    std::function<void()> monitor_died; // once; also after shutdown(). Nothing follows it
  };

  struct StartOptions {
    int binary_fd = -1;   // MonitorBinary::fd()
    std::string binary;   // used if binary_fd is -1: the program's path
    std::string dir;      // exists; monitor.sock and monitor.pid are made in it
    std::string log_file; // where the monitor's own messages go; empty: nowhere
    std::function<Result<Child>(const SpawnOptions&)> spawn = keelson::spawn; // chooses the cgroup
    std::string log_level = "warning";
  };

  // Starts a monitor that outlives this process and is no child of it. already_exists if one answers in that directory.
  static Result<MonitorClient> start(const StartOptions& options, Loop& loop, Events events, Deadline deadline);

  // Finds the monitor of a directory again. unavailable if none answers. Exits that happened meanwhile are in list().
  static Result<MonitorClient> connect(const std::string& dir, Loop& loop, Events events, Deadline deadline);

  MonitorClient(MonitorClient&&) noexcept;
  MonitorClient& operator=(MonitorClient&&) noexcept;
  ~MonitorClient(); // the monitor runs on

  ProcessId process() const; // the monitor's own
  const std::string& version() const;

  // Runs the runtime's create and returns the container's init. A runtime that fails: its last error message. The
  // container is forgotten again on failure. already_exists if the id is known.
  Result<ProcessId> create(const monitor::CreateRequest& request, Deadline deadline);

  // For output to nowhere, pass /dev/null. The descriptors stay the caller's. Start errors: not_found (exit code 127 by
  // convention), permission_denied (126), failed_precondition if the container does not run.
  struct ExecFds {
    int in = -1; // -1: /dev/null
    int out = -1;
    int err = -1;
  };
  Result<ExecHandle> exec(const monitor::ExecRequest& request, const ExecFds& fds, Deadline deadline);

  // Runs to the end or to the request's timeout, stdin from /dev/null. A timeout is a result with timed_out.
  Result<ExecOutput> exec_sync(const monitor::ExecRequest& request, std::size_t max_output = std::size_t{16} << 20);

  Result<> signal(const std::string& id, int signal, Deadline deadline); // not_found if it has ended
  Result<> resize(const std::string& id, unsigned rows, unsigned columns, Deadline deadline);
  Result<> reopen_log(const std::string& id, Deadline deadline);
  Result<> close_stdin(const std::string& id, Deadline deadline);
  Result<monitor::ListReply> list(Deadline deadline);
  Result<> forget(const std::string& id, Deadline deadline); // failed_precondition while it runs; success if unknown

  // Output goes to the given descriptors (-1: not wanted) from now on; returns the container's stdin, or its terminal,
  // if wanted and there is one.
  struct AttachFds {
    bool want_stdin = false;
    int out = -1;
    int err = -1;
  };
  Result<UniqueFd> attach(const std::string& id, const AttachFds& fds, Deadline deadline);

  // PID 1 of a new PID namespace, for a pod that shares one. Pin /proc/PID/ns/pid.
  Result<ProcessId> start_infra(Deadline deadline);

  // failed_precondition while a container runs. The infra process ends with it.
  Result<> shutdown(Deadline deadline);

 private:
  struct State;
  explicit MonitorClient(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

} // namespace keelson::cri
