#include "health/probe_runner.hpp"

#include "base/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <random>
#include <unordered_map>

namespace keelson::health {

namespace {

// One execution of one probe. It stands for nothing any more once its container has another generation, or its probe
// another attempt.
struct Attempt {
  std::string container_id;
  std::uint64_t generation = 0;
  ProbeKind kind = ProbeKind::liveness;
  std::uint64_t number = 0;
};

struct ExecJob {
  Attempt attempt;
  ExecAction action;
  std::chrono::nanoseconds timeout{};
  ExecFn exec;
  bool suspect = false;
};

// What goes on for one probe of one container.
struct Activity {
  std::optional<Loop::Id> timer;    // of the next execution
  std::optional<Loop::Id> watchdog; // of the exec under way
  Prober::Cancel cancel;            // of the network probe under way
  std::uint64_t attempt = 0;        // counts executions
  bool in_flight = false;
  bool exec_busy = false; // an exec has not come back, maybe of an earlier attempt
  ProbeCounts counts;
};

struct Entry {
  Entry(ProbeTarget t, ContainerProbeState m)
      : target(std::move(t))
      , machine(std::move(m)) {}

  ProbeTarget target;
  ContainerProbeState machine;
  std::uint64_t generation = 0;
  bool suspect = false; // its last exec probe used up its timeout
  std::array<Activity, 3> activities;
  Activity& of(ProbeKind kind) { return activities[static_cast<std::size_t>(kind)]; }
};

double random_fraction() {
  thread_local std::minstd_rand engine{std::random_device{}()};
  return std::uniform_real_distribution<double>(0, 1)(engine);
}

} // namespace

struct ProbeRunner::State : std::enable_shared_from_this<ProbeRunner::State> {
  State(Loop& l, WorkerPool& p, Prober& n, OnReport r, ProbeRunnerOptions o)
      : loop(&l)
      , pool(&p)
      , prober(&n)
      , on_report(std::move(r))
      , options(std::move(o)) {
    options.exec_slots = std::max(options.exec_slots, 1U);
    if (!options.fraction) options.fraction = random_fraction;
  }

  // With mutex held:
  ProbeStart start_of(std::chrono::nanoseconds running_for);
  Entry* find(const Attempt& attempt);
  void arm(Entry& entry);
  void stop(Entry& entry, std::initializer_list<ProbeKind> kinds, std::vector<Prober::Cancel>& cancels);
  void start_exec(Entry& entry, const Attempt& attempt, const ExecAction& action, std::chrono::nanoseconds timeout);
  void dispatch_exec();
  bool take_job(ExecJob& job);

  // Without it:
  void fire(const Attempt& attempt);
  void report_outcome(const Attempt& attempt, ProbeOutcome outcome);  // any thread
  void complete(const Attempt& attempt, const ProbeOutcome& outcome); // loop's thread
  void run_exec(const ExecJob& job);                                  // pool's thread
  bool begin_exec(const ExecJob& job);
  void end_exec(const ExecJob& job, bool used_up_timeout);
  void overdue(const Attempt& attempt, const std::string& message);
  void close();

  Loop* loop;
  WorkerPool* pool;
  Prober* prober;
  OnReport on_report;
  ProbeRunnerOptions options;
  const SteadyTime agent_started = std::chrono::steady_clock::now();

  // Held while an outcome is posted to the loop, so that none is after close(). Taken after mutex, if both.
  std::mutex post_mutex;
  bool post_closed = false;

  std::mutex mutex; // guards all below
  std::unordered_map<std::string, std::unique_ptr<Entry>> entries;
  std::uint64_t next_generation = 1;
  std::deque<ExecJob> queue;
  std::deque<ExecJob> suspects;
  unsigned running = 0;
  unsigned suspects_running = 0;
  bool closed = false;
  bool in_callback = false;
  std::condition_variable callback_done;
};

ProbeStart ProbeRunner::State::start_of(std::chrono::nanoseconds running_for) {
  const SteadyTime now = std::chrono::steady_clock::now();
  return {now, now - std::max(running_for, std::chrono::nanoseconds(0)), agent_started, options.fraction()};
}

Entry* ProbeRunner::State::find(const Attempt& attempt) {
  const auto found = entries.find(attempt.container_id);
  if (closed || found == entries.end() || found->second->generation != attempt.generation) return nullptr;
  return found->second.get();
}

void ProbeRunner::State::arm(Entry& entry) {
  const SteadyTime now = std::chrono::steady_clock::now();
  for (const ProbeKind kind : kProbeKinds) {
    Activity& activity = entry.of(kind);
    const auto due = entry.machine.next_due(kind);
    if (!due || activity.timer) continue;
    const Attempt attempt{entry.target.container_id, entry.generation, kind, activity.attempt + 1};
    activity.timer = loop->run_after(std::max(*due - now, SteadyTime::duration(0)), [weak = weak_from_this(), attempt] {
      if (const auto state = weak.lock()) state->fire(attempt);
    });
  }
}

void ProbeRunner::State::stop(Entry& entry, std::initializer_list<ProbeKind> kinds,
                              std::vector<Prober::Cancel>& cancels) {
  for (const ProbeKind kind : kinds) {
    Activity& activity = entry.of(kind);
    if (activity.timer) loop->cancel_timer(*activity.timer);
    if (activity.watchdog) loop->cancel_timer(*activity.watchdog);
    activity.timer.reset();
    activity.watchdog.reset();
    if (activity.cancel) cancels.push_back(std::move(activity.cancel));
    activity.cancel = nullptr;
    ++activity.attempt; // what is under way counts no more
    activity.in_flight = false;
  }
}

// Its time has come, on the loop's thread.
void ProbeRunner::State::fire(const Attempt& attempt) {
  const std::lock_guard lock(mutex);
  Entry* entry = find(attempt);
  if (entry == nullptr) return;
  Activity& activity = entry->of(attempt.kind);
  if (!activity.timer || activity.attempt + 1 != attempt.number) return;
  activity.timer.reset();
  if (!entry->machine.next_due(attempt.kind)) return;
  ++activity.attempt;
  activity.in_flight = true;
  entry->machine.begin(attempt.kind, std::chrono::steady_clock::now());

  const ProbeConfig& config = *entry->target.probes.of(attempt.kind);
  if (const auto* exec = std::get_if<ExecAction>(&config.action)) {
    start_exec(*entry, attempt, *exec, config.timing.timeout);
    return;
  }
  activity.cancel =
      prober->start(config.action, config.timing.timeout, [weak = weak_from_this(), attempt](ProbeOutcome o) {
        if (const auto state = weak.lock()) state->report_outcome(attempt, std::move(o));
      });
}

void ProbeRunner::State::start_exec(Entry& entry, const Attempt& attempt, const ExecAction& action,
                                    std::chrono::nanoseconds timeout) {
  if (entry.of(attempt.kind).exec_busy) { // processes must not pile up in a container where they do not end
    report_outcome(attempt, {Verdict::failure, "the command of an earlier probe is still running after its timeout"});
    return;
  }
  auto& line = entry.suspect ? suspects : queue;
  line.push_back({attempt, action, timeout, entry.target.exec, entry.suspect});
  dispatch_exec();
}

bool ProbeRunner::State::take_job(ExecJob& job) {
  const unsigned suspect_slots = std::max(options.exec_slots / 2, 1U);
  auto* line = &queue;
  if (queue.empty()) {
    if (suspects.empty() || suspects_running >= suspect_slots) return false;
    line = &suspects;
  }
  job = std::move(line->front());
  line->pop_front();
  return true;
}

void ProbeRunner::State::dispatch_exec() {
  while (!closed && running < options.exec_slots) {
    ExecJob job;
    if (!take_job(job)) return;
    if (find(job.attempt) == nullptr) continue;
    ++running;
    if (job.suspect) ++suspects_running;
    pool->post([weak = weak_from_this(), job = std::move(job)] {
      if (const auto state = weak.lock()) state->run_exec(job);
    });
  }
}

void ProbeRunner::State::run_exec(const ExecJob& job) {
  if (!begin_exec(job)) {
    end_exec(job, false);
    return;
  }
  const SteadyTime began = std::chrono::steady_clock::now();
  ProbeOutcome outcome{Verdict::error, "the exec probe broke off"};
  try {
    outcome = run_exec_probe(job.action, job.timeout, job.exec);
  } catch (const std::exception& e) {
    outcome.message = e.what();
  }
  end_exec(job, std::chrono::steady_clock::now() - began >= job.timeout);
  report_outcome(job.attempt, std::move(outcome));
}

// False if nobody waits for the job any more.
bool ProbeRunner::State::begin_exec(const ExecJob& job) {
  const std::lock_guard lock(mutex);
  Entry* entry = find(job.attempt);
  if (entry == nullptr) return false;
  Activity& activity = entry->of(job.attempt.kind);
  if (activity.attempt != job.attempt.number || !activity.in_flight) return false;
  activity.exec_busy = true;
  std::string message =
      fmt::format("command \"{}\" timed out after {:g}s and could not be killed",
                  printable(join(job.action.command, " ")), std::chrono::duration<double>(job.timeout).count());
  activity.watchdog = loop->run_after(job.timeout + options.exec_kill_grace,
                                      [weak = weak_from_this(), attempt = job.attempt, message = std::move(message)] {
                                        if (const auto state = weak.lock()) state->overdue(attempt, message);
                                      });
  return true;
}

void ProbeRunner::State::end_exec(const ExecJob& job, bool used_up_timeout) {
  const std::lock_guard lock(mutex);
  --running;
  if (job.suspect) --suspects_running;
  if (Entry* entry = find(job.attempt)) {
    entry->of(job.attempt.kind).exec_busy = false;
    entry->suspect = used_up_timeout;
  }
  dispatch_exec();
}

void ProbeRunner::State::overdue(const Attempt& attempt, const std::string& message) {
  complete(attempt, {Verdict::failure, message});
}

void ProbeRunner::State::report_outcome(const Attempt& attempt, ProbeOutcome outcome) {
  const std::lock_guard lock(post_mutex);
  if (post_closed) return;
  loop->post([weak = weak_from_this(), attempt, outcome = std::move(outcome)] {
    if (const auto state = weak.lock()) state->complete(attempt, outcome);
  });
}

void ProbeRunner::State::complete(const Attempt& attempt, const ProbeOutcome& outcome) {
  std::unique_lock lock(mutex);
  Entry* entry = find(attempt);
  if (entry == nullptr) return;
  Activity& activity = entry->of(attempt.kind);
  if (!activity.in_flight || activity.attempt != attempt.number) return;
  activity.in_flight = false;
  activity.cancel = nullptr;
  if (activity.watchdog) loop->cancel_timer(*activity.watchdog);
  activity.watchdog.reset();

  const ProbeReport report = entry->machine.record(attempt.kind, outcome, std::chrono::steady_clock::now());
  ++(report.verdict == Verdict::failure ? activity.counts.failed
     : report.verdict == Verdict::error ? activity.counts.unknown
                                        : activity.counts.successful);
  arm(*entry);
  if (!report.notable() || !on_report) return;
  in_callback = true;
  lock.unlock();
  try {
    on_report(attempt.container_id, report);
  } catch (...) {
    lock.lock();
    in_callback = false;
    callback_done.notify_all();
    throw; // the loop logs it
  }
  lock.lock();
  in_callback = false;
  callback_done.notify_all();
}

void ProbeRunner::State::close() {
  std::vector<Prober::Cancel> cancels;
  std::deque<ExecJob> dropped;
  {
    std::unique_lock lock(mutex);
    for (auto& [id, entry] : entries)
      stop(*entry, {ProbeKind::liveness, ProbeKind::readiness, ProbeKind::startup}, cancels);
    closed = true;
    entries.clear();
    dropped.swap(queue);
    suspects.clear();
    callback_done.wait(lock, [this] { return !in_callback; });
  }
  for (const auto& cancel : cancels) cancel();
  const std::lock_guard lock(post_mutex);
  post_closed = true;
}

ProbeRunner::ProbeRunner(Loop& loop, WorkerPool& exec_pool, Prober& prober, OnReport on_report,
                         ProbeRunnerOptions options)
    : state_(std::make_shared<State>(loop, exec_pool, prober, std::move(on_report), std::move(options))) {}

ProbeRunner::~ProbeRunner() {
  state_->close();
}

void ProbeRunner::add(ProbeTarget target, const std::optional<ProbeCheckpoint>& checkpoint) {
  const std::string id = target.container_id;
  remove(id);
  const std::lock_guard lock(state_->mutex);
  ContainerProbeState machine(target.name, target.probes, state_->start_of(target.running_for));
  if (checkpoint && checkpoint->container_id == id) machine.restore(*checkpoint);
  auto entry = std::make_unique<Entry>(std::move(target), std::move(machine));
  entry->generation = state_->next_generation++;
  state_->arm(*entry);
  state_->entries[id] = std::move(entry);
}

void ProbeRunner::remove(const std::string& container_id) {
  std::vector<Prober::Cancel> cancels;
  {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->entries.find(container_id);
    if (found == state_->entries.end()) return;
    state_->stop(*found->second, {ProbeKind::liveness, ProbeKind::readiness, ProbeKind::startup}, cancels);
    state_->entries.erase(found);
  }
  for (const auto& cancel : cancels) cancel();
}

void ProbeRunner::reset(const std::string& container_id) {
  std::vector<Prober::Cancel> cancels;
  {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->entries.find(container_id);
    if (found == state_->entries.end()) return;
    Entry& entry = *found->second;
    state_->stop(entry, {ProbeKind::liveness, ProbeKind::readiness, ProbeKind::startup}, cancels);
    entry.generation = state_->next_generation++;
    entry.suspect = false;
    for (Activity& activity : entry.activities) activity.exec_busy = false;
    entry.machine.reset(state_->start_of({}));
    state_->arm(entry);
  }
  for (const auto& cancel : cancels) cancel();
}

void ProbeRunner::set_terminating(const std::string& container_id) {
  std::vector<Prober::Cancel> cancels;
  {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->entries.find(container_id);
    if (found == state_->entries.end()) return;
    state_->stop(*found->second, {ProbeKind::liveness, ProbeKind::startup}, cancels);
    found->second->machine.set_terminating();
  }
  for (const auto& cancel : cancels) cancel();
}

std::optional<ProbeStatus> ProbeRunner::status(const std::string& container_id) const {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->entries.find(container_id);
  if (found == state_->entries.end()) return std::nullopt;
  const ContainerProbeState& machine = found->second->machine;
  return ProbeStatus{machine.started(), machine.ready(), machine.result(ProbeKind::liveness),
                     machine.result(ProbeKind::readiness), machine.result(ProbeKind::startup)};
}

std::optional<ProbeCounts> ProbeRunner::counts(const std::string& container_id, ProbeKind kind) const {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->entries.find(container_id);
  if (found == state_->entries.end()) return std::nullopt;
  return found->second->of(kind).counts;
}

std::vector<ProbeCheckpoint> ProbeRunner::checkpoints() const {
  const std::lock_guard lock(state_->mutex);
  std::vector<ProbeCheckpoint> all;
  all.reserve(state_->entries.size());
  for (const auto& [id, entry] : state_->entries) all.push_back(entry->machine.checkpoint(id));
  return all;
}

} // namespace keelson::health
