#include "cri/monitor/infra.hpp"

#include "base/file.hpp"
#include "cri/monitor/process_group.hpp"
#include "cri/monitor/sealed_program.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstring>

namespace keelson::cri::monitor {
namespace {

constexpr int kReadyFd = 3;
constexpr unsigned kNobody = 65535; // the user of the usual pause images

[[noreturn]] void report(int fd, const Error& error) {
  static_cast<void>(!::write(fd, error.message.data(), error.message.size()));
  ::_exit(1);
}

[[noreturn]] void run_child(const char* mount_point, int program, int ready) {
  ::dup3(program, 10, O_CLOEXEC);
  ::dup2(ready, kReadyFd);
  for (int fd = 0; fd < 3; ++fd) ::dup2(STDIN_FILENO, fd); // /dev/null
  ::syscall(SYS_close_range, kReadyFd + 1U, ~0U, CLOSE_RANGE_CLOEXEC);
  char* const argv[] = {const_cast<char*>(kInfraName), const_cast<char*>(mount_point), nullptr};
  char* const envp[] = {nullptr};
  ::syscall(SYS_execveat, 10, "", argv, envp, AT_EMPTY_PATH);
  report(kReadyFd, Error{Code::internal, errno, fmt::format("start the infra process: {}", ::strerror(errno))});
}

// Waits for the end of the pipe: empty if the process is confined, its complaint otherwise.
Result<std::string> await_ready(int fd) {
  std::string words;
  for (;;) {
    pollfd wait{fd, POLLIN, 0};
    const int ready = ::poll(&wait, 1, 5000);
    if (ready == 0) return fail(Code::deadline_exceeded, "the infra process was not ready after 5 s");
    char buffer[512];
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return words;
    words.append(buffer, static_cast<std::size_t>(got));
  }
}

Result<> enter_empty_root(const char* mount_point) {
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return fail_errno(errno, "make mounts private");
  constexpr unsigned long kFlags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
  if (::mount("keelson-infra", mount_point, "tmpfs", kFlags, "size=4k,nr_inodes=2,mode=0555") != 0)
    return fail_errno(errno, "mount an empty root");
  if (::chdir(mount_point) != 0) return fail_errno(errno, "enter the empty root");
  if (::syscall(SYS_pivot_root, ".", ".") != 0) return fail_errno(errno, "pivot to the empty root");
  if (::umount2(".", MNT_DETACH) != 0 || ::chdir("/") != 0) return fail_errno(errno, "leave the old root");
  return {};
}

Result<> drop_everything() {
  for (int capability = 0; capability < 64; ++capability)
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) break;
  if (::setgroups(0, nullptr) != 0) return fail_errno(errno, "drop groups");
  if (::setresgid(kNobody, kNobody, kNobody) != 0) return fail_errno(errno, "drop the group");
  if (::setresuid(kNobody, kNobody, kNobody) != 0) return fail_errno(errno, "drop the user");
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2]{};
  if (::syscall(SYS_capset, &header, none) != 0) return fail_errno(errno, "drop capabilities");
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail_errno(errno, "set no_new_privs");
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return fail_errno(errno, "set not dumpable");
  return {};
}

} // namespace

Result<pid_t> start_infra(const std::string& mount_point) {
  TRY_ASSIGN(const UniqueFd program, open_sealed_self());
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno(errno, "make a pipe");
  const UniqueFd ready_read(ends[0]);
  UniqueFd ready_write(ends[1]);
  clone_args args{};
  args.flags = CLONE_NEWPID | CLONE_NEWNS;
  args.exit_signal = SIGCHLD;
  const long pid = ::syscall(SYS_clone3, &args, sizeof args);
  if (pid < 0) return fail_errno(errno, "start the infra process");
  if (pid == 0) run_child(mount_point.c_str(), program.get(), ready_write.get());
  ready_write.reset();
  const auto words = await_ready(ready_read.get());
  if (words && words->empty()) return static_cast<pid_t>(pid);
  ::kill(static_cast<pid_t>(pid), SIGKILL);
  if (!words) return Fail(words.error());
  return fail(Code::internal, "infra process: {}", *words);
}

int run_infra(const char* mount_point) {
  ::prctl(PR_SET_NAME, kInfraName);
  sigset_t all;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  if (auto entered = enter_empty_root(mount_point); !entered) report(kReadyFd, entered.error());
  if (auto dropped = drop_everything(); !dropped) report(kReadyFd, dropped.error());
  ::close(kReadyFd);
  for (;;) {
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    ::sigwaitinfo(&all, nullptr);
  }
}

} // namespace keelson::cri::monitor
