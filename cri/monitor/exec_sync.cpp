#include "cri/monitor/monitor_client.hpp"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace keelson::cri {
namespace {

// Past the exec's own timeout, which the monitor enforces: what its report may take on a busy machine.
constexpr std::chrono::seconds kGrace{15};

// One stream of the exec: our end of its pipe and what came out of it.
class Collector {
 public:
  static Result<Collector> make(std::size_t max_size) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno(errno, "make a pipe");
    Collector collector;
    collector.read_.reset(ends[0]);
    collector.write_.reset(ends[1]);
    collector.max_size_ = max_size;
    if (::fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) return fail_errno(errno, "make a pipe non-blocking");
    return collector;
  }

  int read_fd() const { return read_.get(); }
  int write_fd() const { return write_.get(); }
  void close_write() { write_.reset(); }

  // Takes at most max_bytes of what is there now; what is over the limit is dropped, so that the writer never waits for
  // us.
  void collect(std::size_t max_bytes) {
    char buffer[32768];
    for (std::size_t total = 0; read_ && total < max_bytes;) {
      const ssize_t got = ::read(read_.get(), buffer, sizeof buffer);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EAGAIN) return;
      if (got <= 0) return read_.reset();
      total += static_cast<std::size_t>(got);
      text_.append(buffer, std::min(static_cast<std::size_t>(got), max_size_ - text_.size()));
    }
  }

  std::string take() { return std::move(text_); }

 private:
  UniqueFd read_;
  UniqueFd write_;
  std::string text_;
  std::size_t max_size_ = 0;
};

// Feeds on both streams until the exec has ended.
Result<monitor::ExecExited> collect_until_exit(ExecHandle& exec, Collector& out, Collector& err, Deadline deadline) {
  constexpr std::size_t kTurn = std::size_t{256} << 10;
  for (;;) {
    std::array<pollfd, 3> waits = {pollfd{exec.exit_fd(), POLLIN, 0}, pollfd{out.read_fd(), POLLIN, 0},
                                   pollfd{err.read_fd(), POLLIN, 0}};
    const int ready = ::poll(waits.data(), waits.size(), deadline.poll_timeout());
    if (ready < 0 && errno != EINTR) return fail_errno(errno, "poll an exec");
    if (ready == 0 && deadline.passed()) return fail(Code::deadline_exceeded, "the pod's monitor did not end the exec");
    out.collect(kTurn);
    err.collect(kTurn);
    if (waits[0].revents == 0) continue;
    auto exited = exec.wait(Deadline::after(std::chrono::nanoseconds(0)));
    if (exited || exited.error().code != Code::deadline_exceeded) return exited;
  }
}

} // namespace

Result<ExecOutput> MonitorClient::exec_sync(const monitor::ExecRequest& request, std::size_t max_output) {
  // All that the process wrote is in its pipes when it has ended; a child that it left behind may write on for ever.
  constexpr std::size_t kPipe = std::size_t{1} << 20;
  if (request.tty) return fail(Code::invalid_argument, "exec_sync has no terminal");
  TRY_ASSIGN(Collector out, Collector::make(max_output));
  TRY_ASSIGN(Collector err, Collector::make(max_output));
  const Deadline deadline = request.timeout_ms == 0
                                ? Deadline::never()
                                : Deadline::after(std::chrono::milliseconds(request.timeout_ms) + kGrace);
  const ExecFds fds{-1, out.write_fd(), err.write_fd()};
  TRY_ASSIGN(ExecHandle handle, exec(request, fds, deadline));
  out.close_write();
  err.close_write();
  TRY_ASSIGN(const monitor::ExecExited exited, collect_until_exit(handle, out, err, deadline));
  out.collect(kPipe);
  err.collect(kPipe);
  ExecOutput output;
  output.exit_code = static_cast<int>(exited.exit_code);
  output.timed_out = exited.timed_out;
  output.out = out.take();
  output.err = err.take();
  return output;
}

} // namespace keelson::cri
