#include "daemon/pods/pod_status.hpp"

#include "qos/qos_class.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace keelson::daemon {

namespace {

using api::ConditionStatus;
using api::PodPhase;

constexpr const char* kIdPrefix = "keelson://";

api::Time whole_seconds(WallTime at) {
  return {std::chrono::floor<std::chrono::seconds>(at)};
}

class StatusBuilder {
 public:
  explicit StatusBuilder(const StatusInput& input)
      : in_(input)
      , sandbox_(input.record.sandboxes.empty() ? nullptr : &input.record.sandboxes.front()) {}

  api::PodStatus run(const api::PodStatus& previous) && {
    for (const api::Container& init : in_.pod.spec.init_containers)
      status_.init_container_statuses.push_back(container_status(init, true));
    for (const api::Container& container : in_.pod.spec.containers)
      status_.container_statuses.push_back(container_status(container, false));
    status_.phase = phase();
    status_.qos_class = qos::class_of(in_.pod);
    status_.start_time = whole_seconds(in_.seen_at);
    add_addresses();
    add_conditions(previous);
    return std::move(status_);
  }

 private:
  std::vector<const ContainerRecord*> records_of(const std::string& name) const {
    std::vector<const ContainerRecord*> found;
    for (const ContainerRecord& record : in_.record.containers)
      if (record.name == name) found.push_back(&record);
    return found;
  }

  api::ContainerState state_of(const ContainerRecord& record) const {
    api::ContainerState state;
    if (record.state == RecordState::running) {
      state.running.emplace().started_at = whole_seconds(record.started_at);
      return state;
    }
    api::ContainerStateTerminated& end = state.terminated.emplace();
    end.exit_code = record.exit_code;
    end.reason = record.reason;
    const auto message = in_.end_messages.find(record.id);
    end.message = message != in_.end_messages.end() && !message->second.empty() ? message->second : record.message;
    if (record.started_at != WallTime{}) end.started_at = whole_seconds(record.started_at);
    if (record.finished_at != WallTime{}) end.finished_at = whole_seconds(record.finished_at);
    end.container_id = kIdPrefix + record.id;
    return state;
  }

  api::ContainerState waiting_state(const api::Container& container, bool is_init) const {
    api::ContainerState state;
    api::ContainerStateWaiting& waiting = state.waiting.emplace();
    const auto planned = in_.plan.waiting.find(container.name);
    if (planned != in_.plan.waiting.end()) {
      waiting.reason = planned->second.reason;
      waiting.message = planned->second.message;
    } else {
      const bool after_init = !in_.pod.spec.init_containers.empty() && !in_.plan.initialized;
      waiting.reason = is_init || after_init ? "PodInitializing" : "ContainerCreating";
    }
    return state;
  }

  api::ContainerStatus container_status(const api::Container& container, bool is_init) const {
    api::ContainerStatus status;
    status.name = container.name;
    status.image = container.image;
    status.started = false;
    const auto records = records_of(container.name);
    const ContainerRecord* newest = records.empty() ? nullptr : records.front();
    const bool has_run =
        newest != nullptr && (newest->state == RecordState::running || newest->state == RecordState::exited);
    std::size_t last = 1;
    if (has_run && !in_.plan.waiting.contains(container.name)) {
      status.state = state_of(*newest);
    } else {
      status.state = waiting_state(container, is_init);
      if (newest != nullptr && newest->state == RecordState::exited) last = 0;
    }
    if (last < records.size() && records[last]->state == RecordState::exited)
      status.last_state = state_of(*records[last]);
    if (newest == nullptr) return status;
    status.restart_count = static_cast<std::int32_t>(newest->attempt);
    status.container_id = kIdPrefix + newest->id;
    status.image_id = newest->image_id;
    fill_readiness(container, *newest, is_init, status);
    return status;
  }

  void fill_readiness(const api::Container& container, const ContainerRecord& newest, bool is_init,
                      api::ContainerStatus& status) const {
    if (newest.state == RecordState::running) {
      const auto probed = in_.probed.find(newest.id);
      const bool plain_init = is_init && !api::is_sidecar(container);
      status.started = probed != in_.probed.end() && probed->second.started && !plain_init;
      status.ready = probed != in_.probed.end() && probed->second.ready && !plain_init;
    } else if (is_init && !api::is_sidecar(container)) {
      status.ready = newest.state == RecordState::exited && newest.exit_code == 0;
    }
  }

  // Whether an init container has done its part.
  static bool is_done(const api::Container& spec, const api::ContainerStatus& status) {
    if (api::is_sidecar(spec)) return status.started.value_or(false);
    return status.state.terminated && status.state.terminated->exit_code == 0;
  }

  std::vector<std::string> incomplete_init() const {
    std::vector<std::string> names;
    if (in_.plan.initialized && !init_failed()) return names;
    for (std::size_t i = 0; i < in_.pod.spec.init_containers.size(); ++i)
      if (!is_done(in_.pod.spec.init_containers[i], status_.init_container_statuses[i]))
        names.push_back(in_.pod.spec.init_containers[i].name);
    return names;
  }

  bool init_failed() const {
    for (std::size_t i = 0; i < in_.pod.spec.init_containers.size(); ++i) {
      const api::Container& spec = in_.pod.spec.init_containers[i];
      const auto& end = status_.init_container_statuses[i].state.terminated;
      if (!api::is_sidecar(spec) && end && end->exit_code != 0 &&
          in_.pod.spec.restart_policy == api::RestartPolicy::never)
        return true;
    }
    return false;
  }

  PodPhase phase() const {
    if (init_failed()) return PodPhase::failed;
    std::size_t waiting = 0, running = 0, stopped = 0, succeeded = 0;
    for (const api::ContainerStatus& status : status_.container_statuses) {
      if (status.state.running) {
        ++running;
      } else if (status.state.terminated) {
        ++stopped;
        if (status.state.terminated->exit_code == 0) ++succeeded;
      } else if (status.last_state.terminated) {
        ++stopped;
      } else {
        ++waiting;
      }
    }
    if (!in_.plan.initialized && running + stopped == 0) return PodPhase::pending;
    if (waiting > 0) return in_.plan.finished ? PodPhase::failed : PodPhase::pending;
    if (running > 0) return PodPhase::running;
    if (in_.pod.spec.restart_policy == api::RestartPolicy::always) return PodPhase::running;
    if (stopped == succeeded) return PodPhase::succeeded;
    return in_.pod.spec.restart_policy == api::RestartPolicy::never ? PodPhase::failed : PodPhase::running;
  }

  void add_addresses() {
    for (const std::string& ip : in_.host_addresses) status_.host_ips.push_back({ip, {}});
    if (!in_.host_addresses.empty()) status_.host_ip = in_.host_addresses.front();
    if (sandbox_ == nullptr) return;
    const auto& ips = in_.pod.spec.host_network ? in_.host_addresses : sandbox_->ips;
    for (const std::string& ip : ips) status_.pod_ips.push_back({ip, {}});
    if (!ips.empty()) status_.pod_ip = ips.front();
  }

  static std::string listed(const std::vector<std::string>& names) {
    return fmt::format("[{}]", fmt::join(names, " "));
  }

  // When the state began, for a condition that this agent has not published before.
  WallTime since(bool holds, std::string_view type) const {
    if (!holds || type == "PodScheduled") return in_.seen_at;
    WallTime at = sandbox_ == nullptr ? in_.seen_at : sandbox_->created_at;
    if (type == "PodReadyToStartContainers") return at;
    for (const ContainerRecord& record : in_.record.containers) {
      if (type == "Initialized" && record.kind == ContainerKind::init) at = std::max(at, record.finished_at);
      if (type != "Initialized" && record.state == RecordState::running) at = std::max(at, record.started_at);
    }
    return at;
  }

  void add_condition(api::PodCondition condition, const api::PodStatus& previous) {
    const auto before = std::find_if(previous.conditions.begin(), previous.conditions.end(),
                                     [&](const api::PodCondition& c) { return c.type == condition.type; });
    if (before == previous.conditions.end())
      condition.last_transition_time = whole_seconds(since(condition.status == ConditionStatus::true_, condition.type));
    else if (before->status == condition.status)
      condition.last_transition_time = before->last_transition_time;
    else
      condition.last_transition_time = whole_seconds(in_.now);
    status_.conditions.push_back(std::move(condition));
  }

  static api::PodCondition holds(std::string type) { return make(std::move(type), ConditionStatus::true_, "", ""); }
  static api::PodCondition make(std::string type, ConditionStatus status, std::string reason, std::string message) {
    api::PodCondition condition;
    condition.type = std::move(type);
    condition.status = status;
    condition.reason = std::move(reason);
    condition.message = std::move(message);
    return condition;
  }

  api::PodCondition readiness(const std::string& type) const {
    if (status_.phase == PodPhase::succeeded) return make(type, ConditionStatus::false_, "PodCompleted", "");
    if (status_.phase == PodPhase::failed) return make(type, ConditionStatus::false_, "PodFailed", "");
    std::vector<std::string> unready;
    for (std::size_t i = 0; i < in_.pod.spec.init_containers.size(); ++i)
      if (api::is_sidecar(in_.pod.spec.init_containers[i]) && !status_.init_container_statuses[i].ready)
        unready.push_back(in_.pod.spec.init_containers[i].name);
    for (const api::ContainerStatus& status : status_.container_statuses)
      if (!status.ready) unready.push_back(status.name);
    if (unready.empty()) return holds(type);
    return make(type, ConditionStatus::false_, "ContainersNotReady",
                "containers with unready status: " + listed(unready));
  }

  void add_conditions(const api::PodStatus& previous) {
    const bool networked = sandbox_ != nullptr && sandbox_->ready;
    add_condition(
        make("PodReadyToStartContainers", networked ? ConditionStatus::true_ : ConditionStatus::false_, "", ""),
        previous);
    const auto incomplete = incomplete_init();
    if (!incomplete.empty())
      add_condition(make("Initialized", ConditionStatus::false_, "ContainersNotInitialized",
                         "containers with incomplete status: " + listed(incomplete)),
                    previous);
    else if (status_.phase == PodPhase::succeeded)
      add_condition(make("Initialized", ConditionStatus::true_, "PodCompleted", ""), previous);
    else
      add_condition(holds("Initialized"), previous);
    add_condition(readiness("Ready"), previous);
    add_condition(readiness("ContainersReady"), previous);
    add_condition(holds("PodScheduled"), previous);
  }

  const StatusInput& in_;
  const SandboxRecord* sandbox_;
  api::PodStatus status_;
};

} // namespace

api::PodStatus pod_status(const StatusInput& input, const api::PodStatus& previous) {
  return StatusBuilder(input).run(previous);
}

} // namespace keelson::daemon
