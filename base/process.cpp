#include "base/process.hpp"

#include "base/file.hpp"
#include "base/text.hpp"

#include <linux/close_range.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <memory>

namespace keelson {

namespace {

// The limit of open files that children get; nothing: ours. Written before there are threads.
std::optional<rlimit> open_file_limit_of_children;

// What the child does between fork and exec, in order; reported over the error pipe when a step fails.
enum class Step : int { join_cgroup, join_netns, session, directory, descriptors, exec };

constexpr std::array<const char*, 6> kStepNames = {"join its cgroup",  "join its network namespace", "start a session",
                                                   "change directory", "set up descriptors",         "execute"};

struct ChildFailure {
  Step step;
  int sys_errno;
};

// Everything the child needs, made before the fork: the child itself may not allocate.
struct Prepared {
  std::vector<std::string> candidates; // paths to try, in PATH order
  std::vector<char*> argv;
  std::vector<char*> envp;
  std::vector<std::pair<int, int>> fds; // {ours, child's}
  std::vector<UniqueFd> cgroup_procs;
  UniqueFd dev_null;
  UniqueFd error_read;
  UniqueFd error_write;
};

std::vector<std::string> exec_candidates(const std::string& program) {
  if (program.find('/') != std::string::npos) return {program};
  const char* path = std::getenv("PATH");
  std::vector<std::string> candidates;
  for (const std::string_view dir : split(path != nullptr ? path : "/usr/sbin:/usr/bin:/sbin:/bin", ':'))
    if (!dir.empty()) candidates.push_back(fmt::format("{}/{}", dir, program));
  return candidates;
}

Result<> prepare_fds(const SpawnOptions& options, Prepared& prepared) {
  const std::array<int, 3> standard = {options.stdin_fd, options.stdout_fd, options.stderr_fd};
  if (std::any_of(standard.begin(), standard.end(), [](int fd) { return fd < 0; })) {
    TRY_ASSIGN(prepared.dev_null, open_at(AT_FDCWD, "/dev/null", O_RDWR));
  }
  for (int target = 0; target < 3; ++target) {
    const int fd = standard[static_cast<std::size_t>(target)];
    prepared.fds.emplace_back(fd < 0 ? prepared.dev_null.get() : fd, target);
  }
  prepared.fds.insert(prepared.fds.end(), options.inherit.begin(), options.inherit.end());
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno(errno, "make a pipe");
  prepared.error_read.reset(ends[0]);
  prepared.error_write.reset(ends[1]);
  return {};
}

Result<Prepared> prepare(const SpawnOptions& options) {
  if (options.argv.empty()) return fail(Code::invalid_argument, "spawn: empty command");
  Prepared prepared;
  prepared.candidates = exec_candidates(options.argv.front());
  for (const std::string& argument : options.argv) prepared.argv.push_back(const_cast<char*>(argument.c_str()));
  prepared.argv.push_back(nullptr);
  if (options.env) {
    for (const std::string& variable : *options.env) prepared.envp.push_back(const_cast<char*>(variable.c_str()));
    prepared.envp.push_back(nullptr);
  }
  for (const std::string& path : options.cgroup_procs) {
    TRY_ASSIGN(UniqueFd fd, open_at(AT_FDCWD, path, O_WRONLY));
    prepared.cgroup_procs.push_back(std::move(fd));
  }
  TRY(prepare_fds(options, prepared));
  return prepared;
}

[[noreturn]] void child_fail(int error_fd, Step step) {
  const ChildFailure failure{step, errno};
  static_cast<void>(!::write(error_fd, &failure, sizeof failure));
  ::_exit(127);
}

// Puts every descriptor at its number. They are first lifted above all targets, so that none is overwritten before it
// is copied; dup2 clears close-on-exec, which everything else has.
int child_set_fds(const Prepared& prepared, int error_fd) {
  constexpr int kMaxFds = 64;
  int lifted[kMaxFds];
  int highest = 2;
  const std::size_t count = prepared.fds.size();
  if (count > kMaxFds) {
    errno = EMFILE;
    child_fail(error_fd, Step::descriptors);
  }
  for (const auto& [from, to] : prepared.fds) highest = std::max(highest, to);
  const int high_error_fd = ::fcntl(error_fd, F_DUPFD_CLOEXEC, highest + 1);
  if (high_error_fd < 0) child_fail(error_fd, Step::descriptors);
  for (std::size_t i = 0; i < count; ++i) {
    lifted[i] = ::fcntl(prepared.fds[i].first, F_DUPFD_CLOEXEC, highest + 1);
    if (lifted[i] < 0) child_fail(high_error_fd, Step::descriptors);
  }
  ::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
  for (std::size_t i = 0; i < count; ++i)
    if (::dup2(lifted[i], prepared.fds[i].second) < 0) child_fail(high_error_fd, Step::descriptors);
  return high_error_fd;
}

// Only async-signal-safe calls from here to exec, and no write to the parent's memory, which may be the child's too.
[[noreturn]] void run_child(const SpawnOptions& options, const Prepared& prepared) {
  int error_fd = prepared.error_write.get();
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  // CLONE_CLEAR_SIGHAND leaves ignored signals ignored, SIGPIPE above all: what we start expects the defaults.
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  if (options.die_with_parent) ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (const UniqueFd& procs : prepared.cgroup_procs)
    if (::write(procs.get(), "0", 1) != 1) child_fail(error_fd, Step::join_cgroup);
  if (options.net_namespace >= 0 && ::setns(options.net_namespace, CLONE_NEWNET) != 0)
    child_fail(error_fd, Step::join_netns);
  if (options.new_session && ::setsid() < 0) child_fail(error_fd, Step::session);
  if (!options.cwd.empty() && ::chdir(options.cwd.c_str()) != 0) child_fail(error_fd, Step::directory);
  error_fd = child_set_fds(prepared, error_fd);
  if (open_file_limit_of_children) ::setrlimit(RLIMIT_NOFILE, &*open_file_limit_of_children);
  int found_errno = ENOENT;
  char* const* envp = options.env ? prepared.envp.data() : environ;
  for (const std::string& path : prepared.candidates) {
    ::execve(path.c_str(), prepared.argv.data(), envp);
    if (errno != ENOENT && errno != ENOTDIR) found_errno = errno;
  }
  errno = found_errno;
  child_fail(error_fd, Step::exec);
}

struct ChildStart {
  const SpawnOptions* options;
  const Prepared* prepared;
};

[[noreturn]] void start_child(const ChildStart* start) {
  run_child(*start->options, *start->prepared);
}

// Sanitizers keep notes about memory, which a child that shares it would falsify.
#if defined(__x86_64__) && !defined(KEELSON_SANITIZED)

// Forking copies the page tables: milliseconds for a daemon of 30 MB, and a fault for every page that is written later.
// The child runs in this process' memory instead, on a stack of its own, while this thread waits for its exec
// (vfork(2)). glibc's clone(2) would do it, but for CLONE_INTO_CGROUP.
long clone_child(clone_args& args, const ChildStart& start) {
  constexpr std::size_t kStackSize = std::size_t{64} << 10;
  const auto stack = std::make_unique<std::byte[]>(kStackSize);
  args.flags |= CLONE_VM | CLONE_VFORK;
  args.stack = reinterpret_cast<std::uint64_t>(stack.get()); // aligned to 16 bytes, as the calling convention wants it
  args.stack_size = kStackSize;
  // No handler of ours may run in the child before it has set its own.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  long result = SYS_clone3;
  const auto* const child = &start;
  asm volatile("syscall\n\t"
               "testq %%rax, %%rax\n\t"
               "jnz 1f\n\t"
               "movq %[child], %%rdi\n\t"
               "callq *%[run]\n\t"
               "1:"
               : "+a"(result)
               : "D"(&args), "S"(sizeof args), [child] "r"(child), [run] "r"(&start_child)
               : "rcx", "r11", "memory");
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (result >= 0) return result;
  errno = static_cast<int>(-result);
  return -1;
}

#else

long clone_child(clone_args& args, const ChildStart& start) {
  const long pid = ::syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) start_child(&start);
  return pid;
}

#endif

ExitStatus exit_status_of(const siginfo_t& info) {
  if (info.si_code == CLD_EXITED) return {info.si_status, 0};
  return {0, info.si_status};
}

// Waits until exec has happened (the pipe closes) or the child has said what failed.
Result<> await_exec(Prepared& prepared, Child& child, const SpawnOptions& options) {
  prepared.error_write.reset();
  ChildFailure failure{};
  ssize_t got;
  do got = ::read(prepared.error_read.get(), &failure, sizeof failure);
  while (got < 0 && errno == EINTR);
  if (got == 0) return {};
  static_cast<void>(child.wait());
  if (got != sizeof failure) return fail(Code::internal, "{}: ended before it could start", options.argv.front());
  return fail_errno(failure.sys_errno, "{}: cannot {}", options.argv.front(),
                    kStepNames[static_cast<std::size_t>(failure.step)]);
}

// Reads what is there from a non-blocking or ready descriptor; false at its end.
bool drain(int fd, std::string& into, std::size_t max_size) {
  char buffer[16384];
  const ssize_t got = ::read(fd, buffer, sizeof buffer);
  if (got < 0) return errno == EINTR || errno == EAGAIN;
  if (got == 0) return false;
  into.append(buffer, std::min(static_cast<std::size_t>(got), max_size - std::min(max_size, into.size())));
  return true;
}

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno(errno, "make a pipe");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// write(2) to a pipe whose reader may have gone: EPIPE, and never the signal. Callers need not have ignored SIGPIPE.
ssize_t write_without_sigpipe(int fd, std::string_view data) {
  sigset_t pipe_signal;
  sigset_t before;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
  const ssize_t put = ::write(fd, data.data(), data.size());
  const int write_errno = errno;
  if (put < 0 && write_errno == EPIPE && !sigismember(&before, SIGPIPE)) {
    const timespec at_once{};
    ::sigtimedwait(&pipe_signal, nullptr, &at_once);
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = write_errno;
  return put;
}

// The parent's side of run_command: feeds input, collects output, until the child ends.
class Conversation {
 public:
  Conversation(UniqueFd in, UniqueFd out, UniqueFd err, std::string_view input, std::size_t max_output)
      : in_(std::move(in))
      , out_(std::move(out))
      , err_(std::move(err))
      , input_(input)
      , max_output_(max_output) {
    for (const int fd : {in_.get(), out_.get(), err_.get()}) ::fcntl(fd, F_SETFL, O_NONBLOCK);
    if (input_.empty()) in_.reset();
  }

  // True once the child has ended and its output has been read.
  Result<bool> step(int pidfd, Deadline deadline) {
    std::array<pollfd, 4> waits = {pollfd{out_.get(), POLLIN, 0}, pollfd{err_.get(), POLLIN, 0},
                                   pollfd{in_.get(), POLLOUT, 0}, pollfd{pidfd, POLLIN, 0}};
    const int ready = ::poll(waits.data(), waits.size(), deadline.poll_timeout());
    if (ready < 0 && errno != EINTR) return fail_errno(errno, "poll");
    if (waits[2].revents != 0) feed();
    const bool ended = (waits[3].revents & POLLIN) != 0;
    collect(out_, result.out, ended);
    collect(err_, result.err, ended);
    return ended;
  }

  RunOutput result;

 private:
  void feed() {
    const ssize_t put = write_without_sigpipe(in_.get(), input_);
    if (put > 0) input_.remove_prefix(static_cast<std::size_t>(put));
    if ((put < 0 && errno != EAGAIN && errno != EINTR) || input_.empty()) in_.reset();
  }

  // A grandchild may hold the pipe open and fill it for ever: after the child's end only what is there already is read,
  // and no more than pipes hold.
  void collect(UniqueFd& fd, std::string& into, bool to_the_end) {
    constexpr int kMostReads = 64; // of 16 KiB each: 1 MiB, the largest pipe without CAP_SYS_RESOURCE
    for (int reads = 0; fd && reads < kMostReads; ++reads) {
      pollfd wait{fd.get(), POLLIN, 0};
      if (::poll(&wait, 1, 0) <= 0) return;
      if (!drain(fd.get(), into, max_output_)) fd.reset();
      if (!to_the_end) return;
    }
  }

  UniqueFd in_;
  UniqueFd out_;
  UniqueFd err_;
  std::string_view input_;
  std::size_t max_output_;
};

std::string last_line(std::string_view text) {
  text = trim(text);
  const std::size_t newline = text.rfind('\n');
  return printable(newline == std::string_view::npos ? text : text.substr(newline + 1), 1024);
}

} // namespace

Result<ProcessId> process_id_of(pid_t pid) {
  TRY_ASSIGN(const std::string stat, read_file(fmt::format("/proc/{}/stat", pid), 4096));
  // The command in field 2 may hold spaces and parentheses; the last ')' ends it.
  const std::size_t end = stat.rfind(')');
  if (end == std::string::npos) return fail(Code::internal, "/proc/{}/stat: no command", pid);
  const auto fields = split_words(std::string_view(stat).substr(end + 1));
  constexpr std::size_t kStartTime = 22 - 3; // field 3 is the first after the command
  if (fields.size() <= kStartTime) return fail(Code::internal, "/proc/{}/stat: too short", pid);
  TRY_ASSIGN(const auto start_time, parse_int<std::uint64_t>(fields[kStartTime]));
  return ProcessId{pid, start_time};
}

Result<UniqueFd> open_pidfd(pid_t pid) {
  UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!fd) return fail_errno(errno, "open process {}", pid);
  return fd;
}

Result<UniqueFd> open_process(const ProcessId& id) {
  TRY_ASSIGN(UniqueFd fd, open_pidfd(id.pid));
  // The pidfd pins whoever has the pid now; the start time tells whether that is the one that is meant.
  TRY_ASSIGN(const ProcessId now, process_id_of(id.pid));
  if (now != id) return fail(Code::not_found, "process {} has ended; its pid belongs to another one now", id.pid);
  return fd;
}

Result<> send_signal(int pidfd, int signal) {
  if (::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) != 0)
    return fail_errno(errno, "send signal {}", signal);
  return {};
}

Result<ExitStatus> Child::wait(Deadline deadline) {
  pollfd poll_for{pidfd_.get(), POLLIN, 0};
  for (;;) {
    const int ready = ::poll(&poll_for, 1, deadline.poll_timeout());
    if (ready > 0) break;
    if (ready == 0 && deadline.passed()) return fail(Code::deadline_exceeded, "process {} still runs", pid_);
    if (ready < 0 && errno != EINTR) return fail_errno(errno, "wait for process {}", pid_);
  }
  siginfo_t info{};
  while (::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED) != 0)
    if (errno != EINTR) return fail_errno(errno, "wait for process {}", pid_);
  return exit_status_of(info);
}

Result<> Child::kill(int signal) {
  return send_signal(pidfd_.get(), signal);
}

Result<> raise_open_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return fail_errno(errno, "read the limit of open files");
  const rlimit former = limit;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0)
    return fail_errno(errno, "raise the limit of open files from {} to {}", former.rlim_cur, limit.rlim_max);
  open_file_limit_of_children = former;
  return {};
}

Result<Child> spawn(const SpawnOptions& options) {
  TRY_ASSIGN(Prepared prepared, prepare(options));
  int pidfd = -1;
  clone_args args{};
  args.flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND;
  args.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  if (options.cgroup_dir >= 0) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<std::uint64_t>(options.cgroup_dir);
  }
  const long pid = clone_child(args, {&options, &prepared});
  if (pid < 0) return fail_errno(errno, "start {}", options.argv.front());
  Child child(static_cast<pid_t>(pid), UniqueFd(pidfd));
  TRY(await_exec(prepared, child, options));
  return child;
}

Result<RunOutput> run_command(SpawnOptions options, RunLimits limits, std::string_view input) {
  TRY_ASSIGN(Pipe in, make_pipe());
  TRY_ASSIGN(Pipe out, make_pipe());
  TRY_ASSIGN(Pipe err, make_pipe());
  options.stdin_fd = in.read.get();
  options.stdout_fd = out.write.get();
  options.stderr_fd = err.write.get();
  options.new_session = true; // a process group of its own, so that its children can be killed with it
  TRY_ASSIGN(Child child, spawn(options));
  in.read.reset();
  out.write.reset();
  err.write.reset();
  Conversation conversation(std::move(in.write), std::move(out.read), std::move(err.read), input, limits.max_output);
  for (;;) {
    TRY_ASSIGN(const bool ended, conversation.step(child.pidfd(), limits.deadline));
    if (ended) break;
    if (!limits.deadline.passed()) continue;
    ::kill(-child.pid(), SIGKILL); // not reaped yet, so the group is still this one
    static_cast<void>(child.wait());
    return fail(Code::deadline_exceeded, "{}: did not finish in time and was killed", join(options.argv, " "));
  }
  TRY_ASSIGN(conversation.result.status, child.wait());
  return std::move(conversation.result);
}

Result<std::string> check_output(std::vector<std::string> argv, RunLimits limits, std::string_view input) {
  SpawnOptions options;
  options.argv = std::move(argv);
  const std::string command = printable(join(options.argv, " "));
  TRY_ASSIGN(RunOutput output, run_command(std::move(options), limits, input));
  if (output.status.success()) return std::move(output.out);
  return fail(Code::internal, "{}: exit status {}: {}", command, output.status.code(), last_line(output.err));
}

} // namespace keelson
