// One container of the pod as its monitor sees it: the runtime that makes it, its init process, its streams and its
// end.
//
//   creating --runtime exits 0--> running --init reaped--> exited
//       \--runtime fails--> (forgotten)
//
// One thread. Nothing here blocks on the container; the runtime is waited for by the supervisor.
#pragma once

#include "base/process.hpp"
#include "cri/monitor/log_file.hpp"
#include "cri/monitor/oom_watch.hpp"
#include "cri/monitor/output_stream.hpp"
#include "cri/monitor/poller.hpp"
#include "cri/monitor/protocol.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace keelson::cri::monitor {

class Container {
 public:
  enum class Phase { creating, running, exited };

  // Opens the log and the streams and starts the runtime.
  static Result<std::unique_ptr<Container>> create(CreateRequest request, Poller& poller, Scratch& scratch);

  const std::string& id() const { return request_.id; }
  Phase phase() const { return phase_; }
  pid_t runtime_pid() const { return runtime_pid_; }
  const ProcessId& init() const { return init_; }
  const std::optional<ExitRecord>& exit() const { return exit_; }
  const CreateRequest& request() const { return request_; }

  // The runtime has ended with this wait status. On success the container runs and output flows; an error carries the
  // runtime's own words. on_oom is called from the loop when the cgroup reports an OOM.
  Result<> finish_create(int wait_status, std::function<void()> on_oom);
  void kill_runtime();

  // The init process has been reaped: drains the output, writes the exit record, keeps the streams open for processes
  // that still hold them.
  const ExitRecord& finish(int wait_status);

  Result<> signal(int signal);
  Result<> resize(std::uint64_t rows, std::uint64_t columns);
  Result<> reopen_log();
  void close_stdin() { stdin_.reset(); }
  // A duplicate of the write end (or the terminal); none if the container was made without.
  Result<UniqueFd> stdin_for_attach() const;
  void attach(UniqueFd out, UniqueFd err);

  OomWatch* oom() { return oom_ ? &*oom_ : nullptr; }
  bool init_is_dying() const; // SIGKILL is on its way or has arrived
  ContainerState state() const;

 private:
  Container(CreateRequest request, Poller& poller, Scratch& scratch);

  Result<> open_log();
  Result<> spawn_runtime();
  Result<> adopt_init();
  Result<> take_terminal();
  std::string runtime_error(int wait_status);
  Result<> watch_output();
  Result<> watch_stream(OutputStream& stream, FdWatch& watch);
  void pump(OutputStream& stream, FdWatch& watch);
  void drain(OutputStream& stream, FdWatch& watch);
  LogFile* log() { return log_ ? &*log_ : nullptr; }

  CreateRequest request_;
  Poller& poller_;
  Scratch& scratch_;
  Phase phase_ = Phase::creating;
  pid_t runtime_pid_ = 0;
  ProcessId init_;
  std::optional<ExitRecord> exit_;
  bool killed_by_request_ = false;

  std::optional<LogFile> log_;
  UniqueFd stdin_;
  UniqueFd console_listener_;
  OutputStream out_;
  OutputStream err_;
  FdWatch out_watch_; // after the streams: watches go before the descriptors
  FdWatch err_watch_;
  std::optional<OomWatch> oom_;
};

} // namespace keelson::cri::monitor
