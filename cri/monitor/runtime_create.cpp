// The part of a container's life in which the OCI runtime makes it.
#include "base/file.hpp"
#include "base/text.hpp"
#include "base/unix_socket.hpp"
#include "cri/monitor/container.hpp"
#include "cri/monitor/monitor_log.hpp"
#include "cri/monitor/runtime_log.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>

namespace keelson::cri::monitor {
namespace {

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno(errno, "make a pipe");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// Only our end: the other one is a separate open file, and the container's program expects it to block.
Result<Pipe> make_output_pipe() {
  TRY_ASSIGN(Pipe pipe, make_pipe());
  if (::fcntl(pipe.read.get(), F_SETFL, O_NONBLOCK) != 0) return fail_errno(errno, "make a pipe non-blocking");
  return pipe;
}

// A score of our own below zero is for the monitor, not for what it starts.
class NeutralOomScore {
 public:
  NeutralOomScore()
      : saved_(read_file("/proc/self/oom_score_adj", 64).value_or("0")) {
    if (saved_.starts_with('-')) static_cast<void>(write_kernel_file("/proc/self/oom_score_adj", "0"));
  }
  ~NeutralOomScore() {
    if (saved_.starts_with('-')) static_cast<void>(write_kernel_file("/proc/self/oom_score_adj", trim(saved_)));
  }
  NeutralOomScore(const NeutralOomScore&) = delete;
  NeutralOomScore& operator=(const NeutralOomScore&) = delete;

 private:
  std::string saved_;
};

} // namespace

Result<std::unique_ptr<Container>> Container::create(CreateRequest request, Poller& poller, Scratch& scratch) {
  if (request.argv.empty()) return fail(Code::invalid_argument, "create {}: no runtime command", request.id);
  std::unique_ptr<Container> container(new Container(std::move(request), poller, scratch));
  TRY(container->open_log());
  if (auto spawned = container->spawn_runtime(); !spawned) {
    if (container->console_listener_) ::unlink(container->request_.console_socket.c_str());
    return Fail(std::move(spawned).error());
  }
  return container;
}

Result<> Container::spawn_runtime() {
  SpawnOptions options;
  options.argv = request_.argv;
  options.env = request_.env;
  options.cwd = request_.bundle;
  options.cgroup_procs = request_.cgroup_procs;
  TRY_ASSIGN(Pipe err, make_output_pipe());
  options.stderr_fd = err.write.get();
  Pipe in;
  Pipe out;
  if (request_.tty) {
    if (request_.console_socket.empty()) return fail(Code::invalid_argument, "create {}: no console socket", id());
    TRY_ASSIGN(console_listener_, listen_unix(request_.console_socket, 0600, SOCK_NONBLOCK));
  } else {
    TRY_ASSIGN(out, make_output_pipe());
    options.stdout_fd = out.write.get();
  }
  if (request_.stdin_open && !request_.tty) {
    TRY_ASSIGN(in, make_pipe());
    options.stdin_fd = in.read.get();
  }
  const NeutralOomScore neutral;
  TRY_ASSIGN(const Child child, spawn(options));
  runtime_pid_ = child.pid();
  stdin_ = std::move(in.write);
  out_ = OutputStream("stdout", std::move(out.read), request_.tty);
  err_ = OutputStream("stderr", std::move(err.read), false);
  return {};
}

void Container::kill_runtime() {
  if (runtime_pid_ > 0) ::kill(runtime_pid_, SIGKILL);
}

Result<> Container::finish_create(int wait_status, std::function<void()> on_oom) {
  runtime_pid_ = 0;
  Result<> result;
  if (!WIFEXITED(wait_status) || WEXITSTATUS(wait_status) != 0)
    result = fail(Code::internal, "create container {}: {}", id(), runtime_error(wait_status));
  else if (result = adopt_init(); result && request_.tty)
    result = take_terminal();
  if (console_listener_) ::unlink(request_.console_socket.c_str());
  console_listener_.reset();
  TRY(std::move(result));
  if (request_.tty) err_.close(); // it was there for the runtime's own words
  if (!request_.memory_events.empty()) {
    auto watch = OomWatch::open(request_.memory_events, poller_, std::move(on_oom));
    if (watch)
      oom_ = std::move(*watch);
    else
      log_message(LogLevel::warning, watch.error().message);
  }
  TRY(watch_output());
  phase_ = Phase::running;
  return {};
}

Result<> Container::adopt_init() {
  TRY_ASSIGN(const std::string text, read_file(request_.pid_file, 64));
  TRY_ASSIGN(const auto pid, parse_int<pid_t>(trim(text)));
  // The runtime has exited, so its child is ours now: its pid stays its own until we reap it.
  TRY_ASSIGN(init_, process_id_of(pid));
  return {};
}

Result<> Container::take_terminal() {
  const UniqueFd peer(::accept4(console_listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!peer) return fail_errno(errno, "take the terminal of {}: the runtime has not sent one", id());
  char name[256];
  TRY_ASSIGN(Received received, receive_with_fds(peer.get(), name, sizeof name));
  if (received.fds.empty()) return fail(Code::internal, "take the terminal of {}: the runtime sent none", id());
  UniqueFd terminal = std::move(received.fds.front());
  if (::fcntl(terminal.get(), F_SETFL, O_RDWR | O_NONBLOCK) != 0) return fail_errno(errno, "terminal of {}", id());
  out_ = OutputStream("stdout", std::move(terminal), true);
  return {};
}

std::string Container::runtime_error(int wait_status) {
  if (!request_.runtime_log.empty()) {
    const auto text = read_file(request_.runtime_log);
    std::string message = text ? last_runtime_error(*text) : std::string();
    if (!message.empty()) return message;
  }
  char buffer[4096];
  const ssize_t got = ::read(err_.fd(), buffer, sizeof buffer);
  const std::string words = printable(trim({buffer, got > 0 ? static_cast<std::size_t>(got) : 0}), 1024);
  if (!words.empty()) return words;
  if (WIFSIGNALED(wait_status)) return fmt::format("the runtime was killed by signal {}", WTERMSIG(wait_status));
  return fmt::format("the runtime's exit status is {}", WEXITSTATUS(wait_status));
}

} // namespace keelson::cri::monitor
