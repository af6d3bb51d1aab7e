#include "cri/monitor/supervisor.hpp"

#include "cri/monitor/infra.hpp"
#include "cri/monitor/monitor_log.hpp"

#include <malloc.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>

namespace keelson::cri::monitor {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kSettleTime{200}; // between an OOM kill in the cgroup and the question whether the init lives on
constexpr unsigned kSettleAttempts = 25; // an OOM may take seconds to kill on a machine that is busy reclaiming
constexpr milliseconds kTrimAfter{2000}; // buffers of a busy moment are given back after this
constexpr unsigned kMaxCgroupAttempts = 64;

} // namespace

Supervisor::Supervisor(std::string dir, UniqueFd listener, Poller poller, Scratch scratch, OwnNamespaces own)
    : dir_(std::move(dir))
    , listener_(std::move(listener))
    , poller_(std::move(poller))
    , scratch_(std::move(scratch))
    , own_(std::move(own)) {}

Result<std::unique_ptr<Supervisor>> Supervisor::make(std::string dir, UniqueFd listener) {
  TRY_ASSIGN(Poller poller, Poller::open());
  TRY_ASSIGN(Scratch scratch, Scratch::allocate());
  TRY_ASSIGN(OwnNamespaces own, OwnNamespaces::capture());
  std::unique_ptr<Supervisor> supervisor(
      new Supervisor(std::move(dir), std::move(listener), std::move(poller), std::move(scratch), std::move(own)));
  TRY(supervisor->start());
  return supervisor;
}

Result<> Supervisor::start() {
  sigset_t wanted;
  sigemptyset(&wanted);
  for (const int signal : {SIGCHLD, SIGTERM, SIGINT}) sigaddset(&wanted, signal);
  if (::sigprocmask(SIG_BLOCK, &wanted, nullptr) != 0) return fail_errno(errno, "block signals");
  signals_.reset(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_) return fail_errno(errno, "make a signalfd");
  TRY_ASSIGN(signals_watch_, FdWatch::add(poller_, signals_.get(), EPOLLIN, [this](std::uint32_t) { on_signal(); }));
  TRY_ASSIGN(listener_watch_,
             FdWatch::add(poller_, listener_.get(), EPOLLIN, [this](std::uint32_t) { accept_clients(); }));
  return {};
}

int Supervisor::run() {
  while (!stopping_) {
    const auto active = poller_.run_once(next_timeout());
    if (!active) {
      log_message(LogLevel::error, active.error().message);
      return 1;
    }
    if (*active && !trim_at_) trim_at_ = std::chrono::steady_clock::now() + kTrimAfter;
    run_timers();
    sweep();
  }
  if (infra_.pid != 0) {
    ::kill(infra_.pid, SIGKILL);
    ::waitpid(infra_.pid, nullptr, 0);
  }
  return 0;
}

void Supervisor::on_signal() {
  signalfd_siginfo info{};
  bool asked_to_end = false;
  while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info))
    asked_to_end |= info.ssi_signo != SIGCHLD;
  reap();
  if (!asked_to_end) return;
  // The pod's containers would lose their logs and exit codes: only an idle monitor obeys.
  if (anything_runs())
    log_message(LogLevel::warning, "ignoring a request to end: containers are running");
  else
    stopping_ = true;
}

// All children, also orphans that the kernel gave us. The runtime's exit makes its container's init our child in the
// same instant, so runtimes come first.
void Supervisor::reap() {
  struct Ended {
    pid_t pid;
    int status;
  };
  for (;;) {
    std::array<Ended, 64> batch{};
    std::size_t count = 0;
    while (count < batch.size()) {
      int status = 0;
      const pid_t pid = ::waitpid(-1, &status, WNOHANG | __WALL);
      if (pid <= 0) break;
      batch[count++] = {pid, status};
    }
    if (count == 0) return;
    const auto is_runtime = [this](const Ended& ended) {
      return std::any_of(containers_.begin(), containers_.end(),
                         [&ended](const auto& container) { return container->runtime_pid() == ended.pid; });
    };
    const auto end = batch.begin() + static_cast<std::ptrdiff_t>(count);
    std::stable_partition(batch.begin(), end, is_runtime);
    for (auto ended = batch.begin(); ended != end; ++ended) handle_exit(ended->pid, ended->status);
  }
}

void Supervisor::handle_exit(pid_t pid, int wait_status) {
  if (pid == infra_.pid) {
    infra_ = {};
    publish(Type::infra_exited, Empty{});
    return;
  }
  for (const auto& exec : execs_) {
    if (exec->pid() != pid || exec->wait_status()) continue;
    exec->reaped(wait_status);
    return advance(*exec);
  }
  for (std::size_t i = 0; i < containers_.size(); ++i) {
    Container& container = *containers_[i];
    if (container.runtime_pid() == pid) return handle_runtime_exit(container, wait_status);
    if (container.phase() != Container::Phase::running || container.init().pid != pid) continue;
    publish(Type::container_exited, ContainerExited{container.id(), container.finish(wait_status)});
    return;
  }
}

void Supervisor::handle_runtime_exit(Container& container, int wait_status) {
  const std::string id = container.id();
  const auto waiting =
      std::find_if(creating_.begin(), creating_.end(), [&id](const Creating& c) { return c.id == id; });
  const Creating who = *waiting;
  creating_.erase(waiting);
  Container* raw = &container;
  const Result<> created = container.finish_create(wait_status, [this, raw] { handle_oom(*raw); });
  Connection* connection = find_connection(who.connection);
  if (created) {
    const ProcessId init = container.init();
    if (connection != nullptr)
      reply(*connection, who.tag, Type::created, ProcessReply{static_cast<std::uint64_t>(init.pid), init.start_time});
    return;
  }
  if (connection != nullptr) reply_error(*connection, who.tag, created.error());
  containers_.erase(
      std::find_if(containers_.begin(), containers_.end(), [raw](const auto& c) { return c.get() == raw; }));
}

// Called by the cgroup's event, and again later: the v1 event comes before the kill, the v2 one before its signal.
void Supervisor::handle_oom(Container& container, unsigned attempt) {
  OomWatch* oom = container.oom();
  if (oom == nullptr) return;
  if (oom->update()) publish(Type::container_oom, ContainerOom{container.id(), oom->kills()});
  const bool waits = std::any_of(settling_.begin(), settling_.end(),
                                 [&container](const Settling& s) { return s.id == container.id(); });
  if (waits) return;
  settling_.push_back({container.id(), oom->kills(), attempt, std::chrono::steady_clock::now() + kSettleTime});
}

void Supervisor::settle_ooms(SteadyTime now) {
  std::vector<Settling> due;
  std::copy_if(settling_.begin(), settling_.end(), std::back_inserter(due),
               [now](const Settling& settling) { return settling.at <= now; });
  std::erase_if(settling_, [now](const Settling& settling) { return settling.at <= now; });
  for (const Settling& settling : due)
    for (const auto& container : containers_) {
      if (container->id() != settling.id || container->oom() == nullptr || container->init_is_dying()) continue;
      container->oom()->settle(settling.kills);
      if (settling.attempt < kSettleAttempts || container->oom()->unsettled())
        handle_oom(*container, settling.attempt + 1);
    }
}

// Reports the start once it is decided, and the end once it is reaped; in this order whatever came first.
void Supervisor::advance(Exec& exec) {
  const bool decided = exec.read_report();
  if (!decided) return;
  Connection* connection = find_connection(exec.owner.connection);
  if (!exec.start_reported) {
    exec.start_reported = true;
    if (connection != nullptr && exec.failure()) reply(*connection, exec.owner.tag, Type::error, *exec.failure());
    if (connection != nullptr && !exec.failure()) {
      std::vector<UniqueFd> fds;
      if (UniqueFd terminal = exec.take_terminal()) fds.push_back(std::move(terminal));
      reply(*connection, exec.owner.tag, Type::exec_started,
            ExecStarted{exec.id(), static_cast<std::uint64_t>(exec.pid())}, std::move(fds));
    }
  }
  if (!exec.wait_status()) return;
  if (connection != nullptr && !exec.failure()) reply(*connection, exec.owner.tag, Type::exec_exited, exec.exited());
  // After a timeout everything must go; what a finished exec left running stays, in the container's cgroup.
  if (auto cgroup = exec.take_cgroup(); cgroup && (exec.doomed() || !cgroup->remove()))
    leftovers_.push_back({std::move(*cgroup), exec.doomed(), 0, std::chrono::steady_clock::now()});
  const auto finished = [&exec](const auto& other) { return other.get() == &exec; };
  execs_.erase(std::find_if(execs_.begin(), execs_.end(), finished));
}

int Supervisor::next_timeout() {
  std::optional<SteadyTime> next = trim_at_;
  const auto consider = [&next](const std::optional<SteadyTime>& at) {
    if (at && (!next || *at < *next)) next = at;
  };
  for (const auto& exec : execs_) consider(exec->deadline());
  for (const Creating& creating : creating_) consider(creating.deadline);
  for (const Settling& settling : settling_) consider(settling.at);
  for (const Leftover& leftover : leftovers_) consider(leftover.at);
  return next ? Deadline(*next).poll_timeout() : -1;
}

void Supervisor::run_timers() {
  const SteadyTime now = std::chrono::steady_clock::now();
  for (const auto& exec : execs_)
    if (exec->deadline() && *exec->deadline() <= now) exec->time_out();
  for (Creating& creating : creating_) {
    if (!creating.deadline || *creating.deadline > now) continue;
    creating.deadline.reset();
    for (const auto& container : containers_)
      if (container->id() == creating.id) container->kill_runtime();
  }
  settle_ooms(now);
  std::erase_if(leftovers_, [now](Leftover& leftover) {
    if (leftover.at > now) return false;
    if (leftover.kill) leftover.cgroup.kill();
    leftover.at = now + milliseconds(std::min(1U << std::min(leftover.attempts, 10U), 1000U));
    return leftover.cgroup.remove() || ++leftover.attempts == kMaxCgroupAttempts;
  });
  if (trim_at_ && *trim_at_ <= now) {
    trim_at_.reset();
    scratch_.trim();
    ::malloc_trim(0);
  }
}

// Removes what handlers could not remove while they ran.
void Supervisor::sweep() {
  for (const auto& connection : connections_) {
    if (!connection->closed()) continue;
    for (const auto& exec : execs_)
      if (exec->owner.connection == connection->id() && exec->owner.kill_on_disconnect) exec->kill_all();
  }
  std::erase_if(connections_, [](const auto& connection) { return connection->closed(); });
}

bool Supervisor::anything_runs() const {
  return std::any_of(containers_.begin(), containers_.end(),
                     [](const auto& container) { return container->phase() != Container::Phase::exited; });
}

} // namespace keelson::cri::monitor
