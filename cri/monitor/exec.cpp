#include "cri/monitor/exec.hpp"

#include "base/file.hpp"
#include "base/process.hpp"
#include "base/unix_socket.hpp"
#include "cri/monitor/credentials.hpp"
#include "cri/monitor/exec_child.hpp"

#include <linux/sched.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>

namespace keelson::cri::monitor {
namespace {

// fork(2), on v2 straight into a cgroup: writing cgroup.procs waits for every fork on the machine to finish.
Result<pid_t> fork_into(const TrackingCgroup* cgroup) {
  clone_args args{};
  args.exit_signal = SIGCHLD;
  UniqueFd dir;
  if (cgroup != nullptr && cgroup->is_v2()) {
    TRY_ASSIGN(dir, open_dir(cgroup->path()));
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<std::uint64_t>(dir.get());
  }
  const long pid = ::syscall(SYS_clone3, &args, sizeof args);
  if (pid < 0) return fail_errno(errno, "fork");
  return static_cast<pid_t>(pid);
}

struct ReportSockets {
  UniqueFd ours;
  UniqueFd child;
};

Result<ReportSockets> make_report_sockets() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
    return fail_errno(errno, "make a socket pair");
  return ReportSockets{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// Forks with the PID namespace of the container set for the child, and unset again for whatever comes next.
Result<pid_t> fork_into_container(ExecChild& child, const OwnNamespaces& own, const TrackingCgroup* cgroup) {
  const bool own_pid_namespace = (child.namespaces & CLONE_NEWPID) == 0;
  child.namespaces &= ~CLONE_NEWPID;
  if (!own_pid_namespace) TRY(own.enter_pid_namespace(child.pidfd));
  auto pid = fork_into(cgroup);
  if (pid && *pid == 0) run_exec_child(child);
  if (!own_pid_namespace) {
    if (auto left = own.leave_pid_namespace(); !left) {
      if (pid) ::kill(*pid, SIGKILL);
      return Fail(std::move(left).error());
    }
  }
  return pid;
}

} // namespace

Result<std::unique_ptr<Exec>> Exec::start(const ExecRequest& request, pid_t init, const OwnNamespaces& own,
                                          std::vector<UniqueFd> fds, std::uint64_t id) {
  TRY(check_exec_request(request));
  if (fds.size() != (request.tty ? 0 : 3))
    return fail(Code::invalid_argument, "exec: 3 descriptors are needed, none with a terminal");
  std::unique_ptr<Exec> exec(new Exec());
  exec->id_ = id;
  exec->container_ = request.id;
  if (request.timeout_ms != 0)
    exec->deadline_ = std::chrono::steady_clock::now() + std::chrono::milliseconds(request.timeout_ms);
  TRY_ASSIGN(const UniqueFd pidfd, open_pidfd(init));
  TRY_ASSIGN(ReportSockets report, make_report_sockets());
  ExecChild child;
  child.request = &request;
  child.pidfd = pidfd.get();
  TRY_ASSIGN(child.namespaces, own.different_from(init));
  for (std::size_t i = 0; i < fds.size(); ++i) child.stdio[i] = fds[i].get();
  child.report = report.child.get();
  if (!request.tracking_cgroup.empty()) {
    TRY_ASSIGN(exec->cgroup_, TrackingCgroup::make(request.tracking_cgroup, id));
    if (!exec->cgroup_->is_v2()) child.tracking_procs = exec->cgroup_->procs_path();
  }
  auto pid = fork_into_container(child, own, exec->cgroup_ ? &*exec->cgroup_ : nullptr);
  if (!pid && exec->cgroup_) static_cast<void>(exec->cgroup_->remove());
  TRY_ASSIGN(exec->pid_, std::move(pid));
  exec->report_ = std::move(report.ours);
  return exec;
}

Result<> Exec::watch_report(Poller& poller, std::function<void()> on_report) {
  TRY_ASSIGN(watch_, FdWatch::add(poller, report_.get(), EPOLLIN,
                                  [handler = std::move(on_report)](std::uint32_t) { handler(); }));
  return {};
}

bool Exec::read_report() {
  char buffer[8192];
  while (report_) {
    auto received = receive_with_fds(report_.get(), buffer, sizeof buffer);
    if (!received && received.error().sys_errno == EAGAIN) return false;
    if (!received || received->size == 0) {
      watch_.reset();
      report_.reset();
      break;
    }
    if (!received->fds.empty()) {
      terminal_ = std::move(received->fds.front());
      continue;
    }
    const std::string_view frame(buffer, received->size);
    if (const auto reply = decode<ErrorReply>(frame.substr(std::min(kHeaderSize, frame.size())))) failure_ = *reply;
  }
  return true;
}

void Exec::kill_all() {
  doomed_ = true;
  if (wait_status_) {
    // The process itself is gone; its pid may be another's. What it left behind is known only by the cgroup.
    if (cgroup_) cgroup_->kill();
    return;
  }
  if (cgroup_)
    cgroup_->kill();
  else
    kill_descendants(pid_);
  ::kill(pid_, SIGKILL);
}

void Exec::time_out() {
  timed_out_ = true;
  deadline_.reset();
  kill_all();
}

ExecExited Exec::exited() const {
  ExecExited event;
  event.exec_id = id_;
  event.timed_out = timed_out_;
  const int status = wait_status_.value_or(0);
  if (WIFSIGNALED(status)) event.signal = static_cast<std::uint64_t>(WTERMSIG(status));
  event.exit_code = event.signal != 0 ? 128 + event.signal : static_cast<std::uint64_t>(WEXITSTATUS(status));
  return event;
}

} // namespace keelson::cri::monitor
