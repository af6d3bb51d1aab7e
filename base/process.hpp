// Starting and watching processes. Only async-signal-safe calls run between fork and exec.
#pragma once

#include "base/error.hpp"
#include "base/time.hpp"
#include "base/unique_fd.hpp"

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace keelson {

// How a process ended: an exit status, or the signal that killed it.
struct ExitStatus {
  int exited = 0;                                                  // the exit status, if signal is 0
  int signal = 0;                                                  // the terminating signal, or 0
  int code() const { return signal != 0 ? 128 + signal : exited; } // the shell's form, as CRI reports it
  bool success() const { return signal == 0 && exited == 0; }
};

// A process that stays the same one across daemon restarts: its pid together with its start time in clock ticks since
// boot (field 22 of /proc/PID/stat, proc(5)). A pid alone is never an identity.
struct ProcessId {
  pid_t pid = 0;
  std::uint64_t start_time = 0;
  bool operator==(const ProcessId&) const = default;
};

Result<ProcessId> process_id_of(pid_t pid);

// A pidfd of exactly this process; not_found if it has ended or the pid belongs to another one.
Result<UniqueFd> open_process(const ProcessId& id);
Result<UniqueFd> open_pidfd(pid_t pid);
Result<> send_signal(int pidfd, int signal); // not_found if the process is gone

struct SpawnOptions {
  std::vector<std::string> argv;               // argv[0] is looked up in PATH if it has no slash
  std::optional<std::vector<std::string>> env; // "NAME=value"; absent: the caller's environment
  std::string cwd;                             // empty: the caller's
  int stdin_fd = -1;                           // -1: /dev/null
  int stdout_fd = -1;
  int stderr_fd = -1;
  std::vector<std::pair<int, int>> inherit; // {ours, number in the child}; nothing else is inherited
  int cgroup_dir = -1;                      // cgroup v2 directory to be born in (CLONE_INTO_CGROUP)
  std::vector<std::string> cgroup_procs;    // paths of cgroup.procs files (v1) that the child writes itself into
  int net_namespace = -1;                   // joined before exec
  bool new_session = false;
  bool die_with_parent = false; // PR_SET_PDEATHSIG SIGKILL; the parent is the calling thread
};

// Raises this process' soft limit of open files to its hard one. What spawn() starts gets back the limit that was there
// before: programs that use select(2) break above 1024. Once, before there are threads.
Result<> raise_open_file_limit();

// A child of this process. Destruction does not kill it; wait() or the subreaper must reap it.
class Child {
 public:
  Child(pid_t pid, UniqueFd pidfd)
      : pid_(pid)
      , pidfd_(std::move(pidfd)) {}
  pid_t pid() const { return pid_; }
  int pidfd() const { return pidfd_.get(); }
  // Reaps the child. deadline_exceeded if it still runs then.
  Result<ExitStatus> wait(Deadline deadline = Deadline::never());
  Result<> kill(int signal);

 private:
  pid_t pid_;
  UniqueFd pidfd_;
};

// Returns once exec has succeeded; an exec or set-up failure in the child is the error here, with its errno.
Result<Child> spawn(const SpawnOptions& options);

struct RunOutput {
  ExitStatus status;
  std::string out;
  std::string err;
};

struct RunLimits {
  Deadline deadline = Deadline::after(std::chrono::minutes(2));
  std::size_t max_output = std::size_t{1} << 20; // of each stream; what is over is read and dropped
};

// Runs a command to its end with its output captured and `input` on its standard input. stdin/stdout/stderr of the
// options are not used. At the deadline the child's process group is killed and the error is deadline_exceeded. A
// non-zero exit is not an error here.
Result<RunOutput> run_command(SpawnOptions options, RunLimits limits = {}, std::string_view input = {});

// The same, but a non-zero exit is an error that carries the command and the last line of its standard error.
Result<std::string> check_output(std::vector<std::string> argv, RunLimits limits = {}, std::string_view input = {});

} // namespace keelson
