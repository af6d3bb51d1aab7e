#include "cri/monitor/container.hpp"

#include "base/file.hpp"
#include "base/text.hpp"
#include "base/time.hpp"
#include "cri/monitor/monitor_log.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <ctime>

namespace keelson::cri::monitor {
namespace {

constexpr std::size_t kPumpBytes = std::size_t{256} << 10; // then other descriptors get their turn
// What a process wrote before it died is at most one full pipe (1 MiB, /proc/sys/fs/pipe-max-size).
constexpr std::size_t kDrainBytes = std::size_t{1} << 20;

std::int64_t wall_nanos() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

} // namespace

Container::Container(CreateRequest request, Poller& poller, Scratch& scratch)
    : request_(std::move(request))
    , poller_(poller)
    , scratch_(scratch)
    , out_("stdout", UniqueFd(), false)
    , err_("stderr", UniqueFd(), false) {}

Result<> Container::open_log() {
  if (request_.log_path.empty()) return {};
  LogFile::Options options;
  options.path = request_.log_path;
  options.max_size = request_.log_max_size;
  if (request_.log_max_files != 0) options.max_files = request_.log_max_files;
  TRY_ASSIGN(log_, LogFile::open(std::move(options), scratch_));
  return {};
}

Result<> Container::watch_output() {
  TRY(watch_stream(out_, out_watch_));
  return watch_stream(err_, err_watch_);
}

Result<> Container::watch_stream(OutputStream& stream, FdWatch& watch) {
  if (stream.ended()) return {};
  TRY_ASSIGN(watch, FdWatch::add(poller_, stream.fd(), EPOLLIN,
                                 [this, &stream, &watch](std::uint32_t) { pump(stream, watch); }));
  return {};
}

void Container::pump(OutputStream& stream, FdWatch& watch) {
  static_cast<void>(stream.pump(log(), scratch_, kPumpBytes));
  if (!stream.ended()) return;
  watch.reset();
  stream.close();
}

void Container::drain(OutputStream& stream, FdWatch& watch) {
  for (std::size_t total = 0; total < kDrainBytes; total += Scratch::kInput)
    if (!stream.pump(log(), scratch_, Scratch::kInput)) break;
  if (!stream.ended()) return stream.flush_tail(log());
  watch.reset();
  stream.close();
}

const ExitRecord& Container::finish(int wait_status) {
  phase_ = Phase::exited;
  ExitRecord record;
  record.finished_at = wall_nanos();
  if (WIFSIGNALED(wait_status)) record.signal = static_cast<std::uint64_t>(WTERMSIG(wait_status));
  record.exit_code = record.signal != 0 ? 128 + record.signal : static_cast<std::uint64_t>(WEXITSTATUS(wait_status));
  if (oom_) {
    static_cast<void>(oom_->update());
    record.oom_kills = oom_->kills();
    record.oom_killed = record.signal == SIGKILL && oom_->unsettled() && !killed_by_request_;
    oom_.reset();
  }
  drain(out_, out_watch_);
  drain(err_, err_watch_);
  stdin_.reset();
  exit_ = record;
  if (!request_.exit_record.empty())
    if (auto written = write_file_atomic(request_.exit_record, format_exit_record(record)); !written)
      log_message(LogLevel::error, written.error().message);
  return *exit_;
}

Result<> Container::signal(int signal) {
  if (phase_ != Phase::running) return fail(Code::not_found, "container {} does not run", id());
  // The init is an unreaped child of ours: its pid cannot belong to another process.
  if (::kill(init_.pid, signal) != 0) return fail_errno(errno, "send signal {} to container {}", signal, id());
  if (signal == SIGKILL) killed_by_request_ = true;
  return {};
}

Result<> Container::resize(std::uint64_t rows, std::uint64_t columns) {
  if (!request_.tty || out_.ended()) return fail(Code::failed_precondition, "container {} has no terminal", id());
  const winsize size{static_cast<unsigned short>(rows), static_cast<unsigned short>(columns), 0, 0};
  if (::ioctl(out_.fd(), TIOCSWINSZ, &size) != 0) return fail_errno(errno, "resize the terminal of {}", id());
  return {};
}

Result<> Container::reopen_log() {
  if (!log_) return {};
  return log_->reopen();
}

Result<UniqueFd> Container::stdin_for_attach() const {
  const int source = request_.tty ? out_.fd() : stdin_.get();
  if (source < 0) return fail(Code::failed_precondition, "container {} has no open stdin", id());
  UniqueFd copy(::fcntl(source, F_DUPFD_CLOEXEC, 3));
  if (!copy) return fail_errno(errno, "duplicate the stdin of {}", id());
  return copy;
}

void Container::attach(UniqueFd out, UniqueFd err) {
  if (out && !out_.ended()) out_.attach(std::move(out));
  if (err && !err_.ended()) err_.attach(std::move(err));
}

bool Container::init_is_dying() const {
  constexpr std::uint64_t kKillBit = std::uint64_t{1} << (SIGKILL - 1);
  const auto status = read_file(fmt::format("/proc/{}/status", init_.pid), 16384);
  if (!status) return true;
  for (const std::string_view line : split(*status, '\n')) {
    const auto words = split_words(line);
    if (words.size() < 2) continue;
    if (words[0] == "State:" && (words[1] == "Z" || words[1] == "X")) return true;
    if (words[0] != "SigPnd:" && words[0] != "ShdPnd:") continue;
    const auto pending = parse_int<std::uint64_t>(words[1], 16);
    if (pending && (*pending & kKillBit) != 0) return true;
  }
  return false;
}

ContainerState Container::state() const {
  ContainerState state;
  state.id = id();
  state.pid = static_cast<std::uint64_t>(init_.pid);
  state.start_time = init_.start_time;
  state.exit = exit_;
  if (log_) {
    state.log_bytes = log_->written();
    state.log_lost_bytes = log_->lost();
  }
  return state;
}

} // namespace keelson::cri::monitor
