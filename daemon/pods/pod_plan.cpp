#include "daemon/pods/pod_plan.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace keelson::daemon {

namespace {

using Kind = Action::Kind;

class Planner {
 public:
  explicit Planner(const PlanInput& input)
      : in_(input)
      , sandbox_(input.record.sandboxes.empty() ? nullptr : &input.record.sandboxes.front()) {}

  Plan run() && {
    if (in_.terminating) {
      terminate();
      return std::move(plan_);
    }
    plan_.finished = ended_for_good() || past_deadline();
    if (plan_.finished) {
      plan_.initialized = true;
      wind_down();
    } else if (sandbox_ == nullptr || !sandbox_->ready) {
      renew_sandbox();
    } else {
      stop_other_sandboxes();
      plan_.initialized = plan_init();
      if (plan_.initialized) plan_containers();
    }
    collect_garbage(); // last: what cannot be removed must not hold up a start
    return std::move(plan_);
  }

 private:
  const ContainerMemory& memory(const std::string& name) const {
    static const ContainerMemory kNothing;
    const auto found = in_.memory.find(name);
    return found == in_.memory.end() ? kNothing : found->second;
  }
  bool is_busy(const std::string& name) const { return memory(name).busy; }
  bool any_hook() const {
    return std::any_of(in_.memory.begin(), in_.memory.end(),
                       [](const auto& entry) { return entry.second.hook_running; });
  }
  Action& add(Kind kind) { return plan_.actions.emplace_back(Action{kind}); }
  void wake(WallTime at) {
    if (!plan_.wake_at || at < *plan_.wake_at) plan_.wake_at = at;
  }

  void stop(const ContainerRecord& record, std::string message, std::optional<std::chrono::seconds> grace = {}) {
    if (is_busy(record.name)) return;
    Action& action = add(Kind::stop);
    action.container = record.name;
    action.id = record.id;
    action.message = std::move(message);
    action.grace = grace;
  }

  // Everything but sidecars at once, then one sidecar after the other, last started first. True when nothing runs.
  bool stop_all() {
    std::vector<const ContainerRecord*> others;
    std::vector<const ContainerRecord*> sidecars;
    for (const ContainerRecord& record : in_.record.containers) {
      if (record.state != RecordState::running) continue; // what is in doubt ends with its sandbox
      (record.kind == ContainerKind::sidecar ? sidecars : others).push_back(&record);
    }
    for (const ContainerRecord* record : others) stop(*record, "Stopping container " + record->name);
    if (!others.empty()) return false;
    const bool busy =
        std::any_of(in_.memory.begin(), in_.memory.end(), [](const auto& entry) { return entry.second.busy; });
    if (busy) return false;
    if (sidecars.empty()) return true;
    const auto last = std::max_element(sidecars.begin(), sidecars.end(), [this](const auto* a, const auto* b) {
      return position(a->name) < position(b->name);
    });
    stop(**last, "Stopping container " + (*last)->name);
    return false;
  }

  std::size_t position(const std::string& name) const {
    const auto& list = in_.pod.spec.init_containers;
    return static_cast<std::size_t>(
        std::find_if(list.begin(), list.end(), [&](const api::Container& c) { return c.name == name; }) - list.begin());
  }

  void terminate() {
    if (!stop_all()) return;
    for (const SandboxRecord& sandbox : in_.record.sandboxes) {
      add(Kind::stop_sandbox).id = sandbox.id;
      add(Kind::remove_sandbox).id = sandbox.id;
    }
    add(Kind::finish);
  }

  // A pod whose containers are done keeps their records, but no network and no cgroup.
  void wind_down() {
    if (!stop_all()) return;
    for (const SandboxRecord& sandbox : in_.record.sandboxes)
      if (sandbox.ready) add(Kind::stop_sandbox).id = sandbox.id;
    add(Kind::finish);
  }

  const ContainerRecord* last_of(const std::string& name) const { return in_.record.newest(name); }

  bool ended_for_good() const {
    if (init_failed()) return true;
    return std::all_of(in_.pod.spec.containers.begin(), in_.pod.spec.containers.end(), [&](const auto& container) {
      const ContainerRecord* record = last_of(container.name);
      if (record == nullptr) return lost_with_sandbox();
      return record->state == RecordState::exited && !is_restarted(in_.pod, container, *record);
    });
  }

  bool past_deadline() {
    if (!in_.pod.spec.active_deadline_seconds) return false;
    const WallTime until = in_.seen_at + std::chrono::seconds(*in_.pod.spec.active_deadline_seconds);
    plan_.expired = until <= in_.now;
    if (!plan_.expired) wake(until);
    return plan_.expired;
  }

  // A pod that is never restarted gets no second sandbox: what has not run by then will not run.
  bool lost_with_sandbox() const {
    return in_.pod.spec.restart_policy == api::RestartPolicy::never && sandbox_ != nullptr && !sandbox_->ready &&
           !in_.record.containers.empty();
  }

  bool init_failed() const {
    return std::any_of(in_.pod.spec.init_containers.begin(), in_.pod.spec.init_containers.end(), [&](const auto& init) {
      if (api::is_sidecar(init)) return false;
      const ContainerRecord* record = last_of(init.name);
      return record != nullptr && record->state == RecordState::exited && record->exit_code != 0 &&
             !is_restarted(in_.pod, init, *record);
    });
  }

  void renew_sandbox() {
    if (lost_with_sandbox()) return; // waits for its containers' ends to be seen
    for (const ContainerRecord& record : in_.record.containers)
      if (record.state == RecordState::running) {
        add(Kind::stop_sandbox).id = record.sandbox_id;
        return;
      }
    if (in_.sandbox_failure && in_.sandbox_failure->retry_at > in_.now) {
      wake(in_.sandbox_failure->retry_at);
      return;
    }
    add(Kind::create_sandbox).attempt = sandbox_ == nullptr ? 0 : sandbox_->attempt + 1;
  }

  void stop_other_sandboxes() {
    for (const SandboxRecord& sandbox : in_.record.sandboxes)
      if (&sandbox != sandbox_ && sandbox.ready) add(Kind::stop_sandbox).id = sandbox.id;
  }

  // Of each container the last ended instance stays, for its status and its log; sandboxes stay for them.
  void collect_garbage() {
    std::set<std::string> seen;
    std::set<std::string> in_use;
    for (const ContainerRecord& record : in_.record.containers) {
      const bool dead = record.state == RecordState::exited;
      if (!dead || is_busy(record.name) || seen.insert(record.name).second) {
        in_use.insert(record.sandbox_id);
        continue;
      }
      Action& action = add(Kind::remove);
      action.container = record.name;
      action.id = record.id;
    }
    for (const SandboxRecord& sandbox : in_.record.sandboxes)
      if (&sandbox != sandbox_ && !sandbox.ready && !in_use.contains(sandbox.id))
        add(Kind::remove_sandbox).id = sandbox.id;
  }

  const ContainerRecord* in_sandbox(const std::string& name) const {
    const ContainerRecord* record = last_of(name);
    return record != nullptr && record->sandbox_id == sandbox_->id ? record : nullptr;
  }

  bool has_started_containers() const {
    return std::any_of(in_.pod.spec.containers.begin(), in_.pod.spec.containers.end(),
                       [&](const auto& container) { return in_sandbox(container.name) != nullptr; });
  }

  // True when all init containers have succeeded and all sidecars have started.
  bool plan_init() {
    const bool passed = has_started_containers();
    bool complete = true;
    for (const api::Container& init : in_.pod.spec.init_containers) {
      if (!api::is_sidecar(init) && passed) continue;
      const ContainerRecord* record = in_sandbox(init.name);
      const bool done = api::is_sidecar(init) ? plan_sidecar(init, record) : plan_one_init(init, record);
      complete = complete && done;
      if (!done && !passed) return false;
    }
    return complete || passed;
  }

  bool plan_sidecar(const api::Container& init, const ContainerRecord* record) {
    if (record != nullptr && record->state == RecordState::running) {
      plan_kill(*record);
      const ContainerMemory& known = memory(init.name);
      return known.started && !known.hook_running;
    }
    plan_start(init, record);
    return false;
  }

  bool plan_one_init(const api::Container& init, const ContainerRecord* record) {
    if (record != nullptr && record->state == RecordState::exited && record->exit_code == 0) return true;
    if (record == nullptr || record->state != RecordState::running) plan_start(init, record);
    return false;
  }

  void plan_containers() {
    for (const api::Container& container : in_.pod.spec.containers) {
      const ContainerRecord* record = last_of(container.name);
      // First starts are in order: one whose image is being pulled holds up those behind it, as with kubelet.
      if (record == nullptr && is_busy(container.name)) return;
      if (record != nullptr && record->state == RecordState::running)
        plan_kill(*record);
      else if (record == nullptr || record->state != RecordState::exited || is_restarted(in_.pod, container, *record))
        plan_start(container, record);
    }
  }

  void plan_kill(const ContainerRecord& record) {
    const auto& kill = memory(record.name).kill;
    if (kill && kill->id == record.id) stop(record, kill->message, kill->grace);
  }

  // One that was created and not started (the agent died in between), or is in an unknown state, is removed and made
  // again.
  void plan_start(const api::Container& container, const ContainerRecord* record) {
    const ContainerMemory& known = memory(container.name);
    if (known.busy) return;
    if (record != nullptr && record->state != RecordState::exited) {
      Action& action = add(Kind::remove);
      action.container = container.name;
      action.id = record->id;
      return;
    }
    if (known.failure && known.failure->retry_at > in_.now) {
      plan_.waiting[container.name] = {known.failure->reason, known.failure->message};
      wake(known.failure->retry_at);
      return;
    }
    if (record == nullptr) record = last_of(container.name);
    if (record != nullptr && record->state == RecordState::exited && is_backed_off(container, *record)) return;
    if (any_hook()) return;
    Action& action = add(Kind::start);
    action.container = container.name;
    action.attempt = known.next_attempt;
    if (record == nullptr) return;
    action.attempt = std::max(action.attempt, record->attempt + 1);
    if (!restarts_sandbox_init(container, *record)) action.back_off = next_back_off(*record, in_.restart);
  }

  // An init container that succeeded runs again only because its sandbox is new; that is no crash.
  bool restarts_sandbox_init(const api::Container& container, const ContainerRecord& record) const {
    return record.sandbox_id != sandbox_->id && record.exit_code == 0 && record.kind == ContainerKind::init &&
           !api::is_sidecar(container);
  }

  bool is_backed_off(const api::Container& container, const ContainerRecord& record) {
    if (restarts_sandbox_init(container, record)) return false;
    const std::chrono::seconds delay = restart_delay(record, in_.restart);
    const WallTime until = record.finished_at + delay;
    if (until <= in_.now) return false;
    // A clock that was set back must not make the wait longer.
    if (until - in_.now > delay) return false;
    wake(until);
    const api::ObjectMeta& metadata = in_.pod.metadata;
    plan_.waiting[container.name] = {
        "CrashLoopBackOff", fmt::format("back-off {} restarting failed container={} pod={}_{}({})", text_of(delay),
                                        container.name, metadata.name, metadata.namespace_, metadata.uid)};
    return true;
  }

  // As Go prints durations: 10s, 1m20s, 5m0s.
  static std::string text_of(std::chrono::seconds delay) {
    const auto count = delay.count();
    return count < 60 ? fmt::format("{}s", count) : fmt::format("{}m{}s", count / 60, count % 60);
  }

  const PlanInput& in_;
  const SandboxRecord* sandbox_; // the newest
  Plan plan_;
};

// It ran long enough for its crashes before to be forgotten.
bool ran_long(const ContainerRecord& record, const BackOffTimes& times) {
  return record.finished_at - record.started_at >= times.reset_after && record.started_at != WallTime{};
}

} // namespace

const ContainerRecord* PodRecord::newest(std::string_view container) const {
  for (const ContainerRecord& record : containers)
    if (record.name == container) return &record;
  return nullptr;
}

std::string_view to_string(ContainerKind kind) {
  switch (kind) {
  case ContainerKind::regular:
    return "regular";
  case ContainerKind::init:
    return "init";
  case ContainerKind::sidecar:
    return "sidecar";
  }
  return "regular";
}

std::chrono::seconds restart_delay(const ContainerRecord& record, const BackOffTimes& times) {
  return ran_long(record, times) ? std::chrono::seconds(0) : std::min(record.back_off, times.longest);
}

std::chrono::seconds next_back_off(const ContainerRecord& record, const BackOffTimes& times) {
  if (record.back_off.count() == 0 || ran_long(record, times)) return times.first;
  return std::min(record.back_off * 2, times.longest);
}

bool is_restarted(const api::Pod& pod, const api::Container& container, const ContainerRecord& record) {
  if (record.kind == ContainerKind::sidecar || api::is_sidecar(container)) return true;
  switch (pod.spec.restart_policy) {
  case api::RestartPolicy::never:
    return false;
  case api::RestartPolicy::on_failure:
    return record.exit_code != 0;
  case api::RestartPolicy::unset:
  case api::RestartPolicy::always:
    break;
  }
  return record.kind != ContainerKind::init || record.exit_code != 0;
}

Plan plan_pod(const PlanInput& input) {
  return Planner(input).run();
}

} // namespace keelson::daemon
