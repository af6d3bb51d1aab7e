#include "cri/monitor/exec_child.hpp"

#include "base/file.hpp"
#include "base/unix_socket.hpp"
#include "cri/monitor/credentials.hpp"
#include "cri/monitor/exec_program.hpp"
#include "cri/monitor/process_group.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

namespace keelson::cri::monitor {
namespace {

constexpr int kReportFd = 3;

Result<> join_cgroups(const ExecChild& child) {
  for (const std::string& path : child.request->cgroup_procs) TRY(join_cgroup(path));
  if (!child.tracking_procs.empty()) TRY(join_cgroup(child.tracking_procs));
  return {};
}

// While /proc is still the host's: a container may have mounted anything over its own (CVE-2025-52881).
Result<> write_process_attributes(const ExecRequest& request) {
  const auto written =
      write_kernel_file("/proc/self/oom_score_adj", fmt::format("{}", request.oom_score_adj.value_or(0)));
  // Lowering it needs CAP_SYS_RESOURCE; a node without that keeps the inherited value.
  if (!written && written.error().sys_errno != EACCES && written.error().sys_errno != EPERM) return written;
  if (!request.apparmor_profile.empty()) {
    const std::string value = "exec " + request.apparmor_profile;
    if (!write_kernel_file("/proc/self/attr/apparmor/exec", value))
      TRY(write_kernel_file("/proc/self/attr/exec", value));
  }
  if (!request.selinux_label.empty()) TRY(write_kernel_file("/proc/self/attr/exec", request.selinux_label));
  return {};
}

Result<> enter(const ExecChild& child) {
  if (child.namespaces != 0 && ::setns(child.pidfd, child.namespaces) != 0)
    return fail_errno(errno, "join the container's namespaces");
  if (::setsid() < 0) return fail_errno(errno, "start a session");
  // The keyring that runc gave the container, instead of the host's.
  const std::string keyring = "_ses." + child.request->id;
  ::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, keyring.c_str());
  return {};
}

// A terminal of the container's own devpts, opened without trusting a path of it.
Result<> open_terminal(const ExecRequest& request, std::array<UniqueFd, 3>& stdio, int report) {
  TRY_ASSIGN(const UniqueFd master, open_at(AT_FDCWD, "/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK));
  struct statfs info {};
  if (::fstatfs(master.get(), &info) != 0 || info.f_type != DEVPTS_SUPER_MAGIC)
    return fail(Code::failed_precondition, "/dev/pts of the container is not a devpts mount");
  int unlock = 0;
  if (::ioctl(master.get(), TIOCSPTLCK, &unlock) != 0) return fail_errno(errno, "unlock a terminal");
  UniqueFd slave(::ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!slave) return fail_errno(errno, "open a terminal");
  const winsize size{static_cast<unsigned short>(request.rows), static_cast<unsigned short>(request.columns), 0, 0};
  if (request.rows != 0) ::ioctl(master.get(), TIOCSWINSZ, &size);
  if (::ioctl(slave.get(), TIOCSCTTY, 0) != 0) return fail_errno(errno, "take a controlling terminal");
  ::fcntl(master.get(), F_SETFL, O_RDWR);
  TRY(send_with_fds(report, "t", {master.get()}));
  for (int target = 0; target < 2; ++target) stdio[static_cast<std::size_t>(target)].reset(::dup(slave.get()));
  stdio[2] = std::move(slave);
  return {};
}

// Descriptors 0 to 2 become the stream's, 3 the report; nothing else stays open (CVE-2024-21626).
Result<int> set_descriptors(const ExecChild& child) {
  std::array<UniqueFd, 3> stdio;
  UniqueFd report(::fcntl(child.report, F_DUPFD_CLOEXEC, 16));
  if (!report) return fail_errno(errno, "duplicate a descriptor");
  if (child.request->tty) {
    TRY(open_terminal(*child.request, stdio, report.get()));
  } else {
    for (std::size_t i = 0; i < stdio.size(); ++i) {
      const int source = child.stdio[i] >= 0 ? child.stdio[i] : STDIN_FILENO; // the monitor's own stdin is /dev/null
      stdio[i].reset(::fcntl(source, F_DUPFD_CLOEXEC, 16));
      if (!stdio[i]) return fail_errno(errno, "duplicate a descriptor");
    }
  }
  for (int target = 0; target < 3; ++target)
    if (::dup2(stdio[static_cast<std::size_t>(target)].get(), target) < 0)
      return fail_errno(errno, "set descriptor {}", target);
  if (::dup3(report.get(), kReportFd, O_CLOEXEC) < 0) return fail_errno(errno, "set descriptor {}", kReportFd);
  ::syscall(SYS_close_range, kReportFd + 1U, ~0U, 0U);
  for (UniqueFd& fd : stdio) static_cast<void>(fd.release());
  static_cast<void>(report.release());
  return kReportFd;
}

// Programs open /dev/stdout anew, as their own user.
void give_streams_to(std::uint64_t uid) {
  for (int fd = 0; fd < 3; ++fd) {
    struct stat info {};
    if (::fstat(fd, &info) != 0 || (S_ISCHR(info.st_mode) && ::isatty(fd) == 0) || info.st_uid == uid) continue;
    if (S_ISFIFO(info.st_mode) || S_ISCHR(info.st_mode))
      static_cast<void>(!::fchown(fd, static_cast<uid_t>(uid), static_cast<gid_t>(-1)));
  }
}

// A hard limit above the current one needs CAP_SYS_RESOURCE; without it the limit stays as high as it may be.
Result<> set_limits(const ExecRequest& request) {
  for (const ResourceLimit& limit : request.rlimits) {
    const auto resource = static_cast<__rlimit_resource_t>(limit.resource);
    rlimit wanted{limit.soft, limit.hard};
    if (::setrlimit(resource, &wanted) == 0) continue;
    rlimit current{};
    if (errno != EPERM || ::getrlimit(resource, &current) != 0)
      return fail_errno(errno, "set resource limit {}", limit.resource);
    wanted.rlim_max = std::min(wanted.rlim_max, current.rlim_max);
    wanted.rlim_cur = std::min(wanted.rlim_cur, wanted.rlim_max);
    if (::setrlimit(resource, &wanted) != 0) return fail_errno(errno, "set resource limit {}", limit.resource);
  }
  return {};
}

Result<> change_directory(const std::string& cwd) {
  if (::chdir(cwd.c_str()) != 0) return fail_errno(errno, "change to directory \"{}\"", cwd);
  // The raw call says "(unreachable)" of a directory outside the root; glibc turns that into ENOENT.
  char path[4096];
  const long got = ::syscall(SYS_getcwd, path, sizeof path);
  if (got < 0 && errno == ERANGE) return {};
  if (got <= 0 || path[0] != '/')
    return fail(Code::permission_denied, "directory \"{}\" is outside the container's root", cwd);
  return {};
}

Result<> become(const ExecChild& child, int& report) {
  const ExecRequest& request = *child.request;
  TRY(join_cgroups(child));
  TRY(write_process_attributes(request));
  TRY(enter(child));
  TRY_ASSIGN(report, set_descriptors(child));
  give_streams_to(request.uid);
  TRY(set_limits(request));
  ::umask(static_cast<mode_t>(request.umask & 0777));
  // As root first; a directory that only the user may enter (NFS) is tried again as the user.
  const auto entered = change_directory(request.cwd);
  if (!entered && entered.error().code != Code::permission_denied) return entered;
  TRY(apply_credentials(request));
  if (!entered) TRY(change_directory(request.cwd));
  // Nobody would end it in time or take its exit code once the monitor is gone. After the change of user, which resets
  // it.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  return {};
}

[[noreturn]] void report_failure(int report, const Error& error, int exit_code) {
  ErrorReply reply;
  reply.code = static_cast<std::uint64_t>(error.code);
  reply.sys_errno = static_cast<std::uint64_t>(error.sys_errno);
  reply.message = error.message;
  reply.exit_code = static_cast<std::uint64_t>(exit_code);
  if (const auto frame = encode_frame(Type::error, 0, reply)) static_cast<void>(send_with_fds(report, *frame, {}));
  ::_exit(exit_code);
}

void restore_signals() {
  for (const int signal : {SIGHUP, SIGPIPE, SIGTERM, SIGINT}) ::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

} // namespace

void run_exec_child(const ExecChild& child) {
  restore_signals();
  int report = child.report;
  if (auto ready = become(child, report); !ready) report_failure(report, ready.error(), 126);
  const ExecFailure failure = execute_program(child.request->argv, child.request->env);
  report_failure(report, failure.error, failure.exit_code);
}

} // namespace keelson::cri::monitor
