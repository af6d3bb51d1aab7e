// keelson-monitor: parent of one pod's containers. See keelson-monitor(8).
#include "base/file.hpp"
#include "base/process.hpp"
#include "base/unix_socket.hpp"
#include "config.h"
#include "cri/monitor/infra.hpp"
#include "cri/monitor/monitor_log.hpp"
#include "cri/monitor/supervisor.hpp"

#include <linux/close_range.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <optional>

namespace keelson::cri::monitor {
namespace {

constexpr const char* kHelp =
    "Usage: keelson-monitor --dir DIR [OPTION...]\n"
    "Parent of one pod's containers: writes their logs, keeps their exit codes, runs execs.\n"
    "keelsond starts it; it listens on DIR/monitor.sock. SIGTERM ends it only while no container runs.\n\n"
    "  --dir DIR          the sandbox's state directory\n"
    "  --socket-fd N      a listening socket to use instead of making DIR/monitor.sock\n"
    "  --detach           go to the background at once\n"
    "  --log-file FILE    where messages go (default: standard error, or nowhere with --detach)\n"
    "  --log-level LEVEL  debug, info, warning or error (default: warning)\n"
    "  --help, --version\n";

struct Options {
  std::string dir;
  std::string log_file;
  LogLevel level = LogLevel::warning;
  int socket_fd = -1;
  bool detach = false;
};

Result<LogLevel> parse_level(std::string_view text) {
  if (text == "debug") return LogLevel::debug;
  if (text == "info") return LogLevel::info;
  if (text == "warning") return LogLevel::warning;
  if (text == "error") return LogLevel::error;
  return fail(Code::invalid_argument, "--log-level \"{}\": use debug, info, warning or error", text);
}

Result<> set_option(Options& options, std::string_view name, const char* value) {
  if (name == "--dir") {
    options.dir = value;
  } else if (name == "--log-file") {
    options.log_file = value;
  } else if (name == "--log-level") {
    TRY_ASSIGN(options.level, parse_level(value));
  } else if (name == "--socket-fd") {
    const char* end = value + std::strlen(value);
    const auto [stop, error] = std::from_chars(value, end, options.socket_fd);
    if (error != std::errc{} || stop != end || options.socket_fd < 3)
      return fail(Code::invalid_argument, "--socket-fd \"{}\": not a descriptor", value);
  } else {
    return fail(Code::invalid_argument, "unknown option \"{}\"; see --help", name);
  }
  return {};
}

Result<Options> parse_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--detach") {
      options.detach = true;
      continue;
    }
    TRY(set_option(options, name, i + 1 < argc ? argv[i + 1] : ""));
    ++i;
  }
  if (options.dir.empty() || options.dir.front() != '/')
    return fail(Code::invalid_argument, "--dir must be given, as an absolute path");
  return options;
}

// Started through /proc/self/fd/N: the name that people see in ps is put right.
void take_name(char** argv) {
  constexpr const char* kName = "keelson-monitor";
  ::prctl(PR_SET_NAME, kName);
  const std::size_t size = std::strlen(argv[0]);
  if (!std::string_view(argv[0]).starts_with("/proc/self/fd/") || size < std::strlen(kName)) return;
  std::memset(argv[0], 0, size);
  std::memcpy(argv[0], kName, std::strlen(kName));
}

Result<> set_standard_streams(const Options& options) {
  TRY_ASSIGN(const UniqueFd null, open_at(AT_FDCWD, "/dev/null", O_RDWR));
  UniqueFd log;
  if (!options.log_file.empty()) {
    TRY_ASSIGN(log, open_at(AT_FDCWD, options.log_file, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0640));
  }
  ::dup2(null.get(), STDIN_FILENO);
  ::dup2(null.get(), STDOUT_FILENO);
  if (log)
    ::dup2(log.get(), STDERR_FILENO);
  else if (options.detach)
    ::dup2(null.get(), STDERR_FILENO);
  return {};
}

// Nothing of the starter stays: descriptors, directory, signal dispositions, keyring, core dumps of secrets.
Result<> become_independent(const Options& options) {
  TRY(set_standard_streams(options));
  if (options.socket_fd > 3) ::syscall(SYS_close_range, 3U, static_cast<unsigned>(options.socket_fd) - 1, 0U);
  ::syscall(SYS_close_range, options.socket_fd < 0 ? 3U : static_cast<unsigned>(options.socket_fd) + 1, ~0U, 0U);
  if (options.socket_fd >= 0) ::fcntl(options.socket_fd, F_SETFD, FD_CLOEXEC);
  static_cast<void>(::setsid());
  if (::chdir("/") != 0) return fail_errno(errno, "change to /");
  ::umask(022);
  for (int signal = 1; signal < 32; ++signal) ::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int signal : {SIGHUP, SIGPIPE}) ::signal(signal, SIG_IGN);
  // A forked exec child is this program until its exec: no process of the container may look into it.
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return fail_errno(errno, "set not dumpable");
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) return fail_errno(errno, "become a subreaper");
  static_cast<void>(write_kernel_file("/proc/self/oom_score_adj", "-999")); // needs CAP_SYS_RESOURCE
  return {};
}

Result<int> run(const Options& options) {
  TRY(become_independent(options));
  UniqueFd listener(options.socket_fd);
  if (listener) {
    ::fcntl(listener.get(), F_SETFL, O_NONBLOCK);
  } else {
    TRY_ASSIGN(listener, listen_unix(options.dir + "/monitor.sock", 0600, SOCK_NONBLOCK));
  }
  TRY_ASSIGN(const ProcessId self, process_id_of(::getpid()));
  TRY(write_file_atomic(options.dir + "/monitor.pid", fmt::format("{} {}\n", self.pid, self.start_time)));
  TRY_ASSIGN(const auto supervisor, Supervisor::make(options.dir, std::move(listener)));
  const int status = supervisor->run();
  ::unlink((options.dir + "/monitor.sock").c_str());
  ::unlink((options.dir + "/monitor.pid").c_str());
  return status;
}

int main_of_monitor(int argc, char** argv) {
  const auto options = parse_options(argc, argv);
  if (!options) {
    std::fprintf(stderr, "keelson-monitor: %s\n", options.error().message.c_str());
    return 2;
  }
  // Before anything is allocated or opened: the starter reaps the parent, init inherits the child.
  if (options->detach) {
    const pid_t pid = ::fork();
    if (pid < 0) return 1;
    if (pid > 0) ::_exit(0);
  }
  take_name(argv);
  set_log_level(options->level);
  ::mallopt(M_MMAP_THRESHOLD, 128 * 1024); // fixed: large frames go back to the kernel at once
  ::mallopt(M_TRIM_THRESHOLD, 32 * 1024);
  ::mallopt(M_TOP_PAD, 4096);
  const auto status = run(*options);
  if (status) return *status;
  log_message(LogLevel::error, status.error().message);
  return 1;
}

} // namespace
} // namespace keelson::cri::monitor

int main(int argc, char** argv) {
  using namespace keelson::cri::monitor;
  if (argc == 2 && std::string_view(argv[0]) == kInfraName) return run_infra(argv[1]);
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument != "--help" && argument != "--version") continue;
    const bool help = argument == "--help";
    std::fputs(help ? kHelp : "keelson-monitor " KEELSON_VERSION "\n", stdout);
    return 0;
  }
  return main_of_monitor(argc, argv);
}
