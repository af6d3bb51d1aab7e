// What the records of a pod mean to its worker: probes to run, values to report, messages to read, status to publish.
#include "base/log.hpp"
#include "daemon/pods/pod_worker.hpp"
#include "daemon/pods/probe_settings.hpp"
#include "daemon/pods/termination_message.hpp"
#include "qos/tier_tree.hpp"

#include <algorithm>

namespace keelson::daemon {

namespace {

constexpr const char* kLoopback = "127.0.0.1";

} // namespace

void PodWorker::absorb(const PodRecord& record) {
  std::set<std::string> running;
  for (const ContainerRecord& container : record.containers) {
    if (container.state != RecordState::running) continue;
    running.insert(container.id);
    if (!watched_.contains(container.id)) watch_container(container, record);
  }
  unwatch_ended(running);
  read_end_messages(record);
  const std::lock_guard lock(mutex_);
  if (!record.sandboxes.empty()) seen_at_ = std::min(seen_at_, record.sandboxes.back().pod_seen_at);
  for (auto& [name, known] : memory_) {
    known.running_id.clear();
    known.started = false;
  }
  for (const ContainerRecord& container : record.containers) {
    ContainerMemory& known = memory_[container.name];
    known.next_attempt = std::max(known.next_attempt, container.attempt + 1);
    if (container.state != RecordState::running) continue;
    known.running_id = container.id;
    const auto probed = context_.probes->status(container.id);
    known.started = probed && probed->started;
  }
  for (auto& [name, known] : memory_)
    if (known.kill && known.kill->id != known.running_id) known.kill.reset();
}

void PodWorker::watch_container(const ContainerRecord& record, const PodRecord& pod) {
  watched_.insert(record.id);
  const api::Container* spec = find_spec(record.name);
  if (spec == nullptr) return;
  std::string address = kLoopback;
  if (pod_.spec.host_network) {
    if (!context_.options.host_addresses.empty()) address = context_.options.host_addresses.front();
  } else if (!pod.sandboxes.empty() && !pod.sandboxes.front().ips.empty()) {
    address = pod.sandboxes.front().ips.front();
  }
  health::ProbeTarget target;
  target.container_id = record.id;
  target.name = record.name;
  target.running_for = std::max(context_.clock.wall_now() - record.started_at, WallTime::duration(0));
  if (record.kind != ContainerKind::init) {
    auto probes = container_probes(*spec, address);
    if (probes)
      target.probes = std::move(*probes);
    else
      context_.add_event(pod_, EventType::warning, "ProbeError", probes.error().message, record.name);
  }
  target.exec = [&runtime = context_.runtime,
                 id = record.id](const std::vector<std::string>& argv,
                                 std::chrono::nanoseconds timeout) -> Result<health::ExecOutcome> {
    TRY_ASSIGN(ExecAnswer answer, runtime.exec(id, argv, std::chrono::ceil<std::chrono::milliseconds>(timeout)));
    return health::ExecOutcome{answer.exit_code, false, std::move(answer.output)};
  };
  std::optional<health::ProbeCheckpoint> checkpoint;
  {
    const std::lock_guard lock(context_.probed_mutex);
    context_.probed[record.id] = weak_from_this();
    if (const auto known = context_.checkpoints.find(record.id); known != context_.checkpoints.end()) {
      checkpoint = std::move(known->second);
      context_.checkpoints.erase(known);
    }
  }
  context_.probes->add(std::move(target), checkpoint);
  if (is_terminating()) context_.probes->set_terminating(record.id);
  if (context_.tiers != nullptr)
    context_.tiers->note_container(pod_.metadata.uid, record.id, record.name,
                                   qos::container_values(pod_, *spec, context_.node, context_.values).knobs);
}

void PodWorker::unwatch_ended(const std::set<std::string>& running) {
  for (auto id = watched_.begin(); id != watched_.end();) {
    if (running.contains(*id)) {
      ++id;
      continue;
    }
    context_.probes->remove(*id);
    if (context_.tiers != nullptr) context_.tiers->forget_container(pod_.metadata.uid, *id);
    {
      const std::lock_guard lock(context_.probed_mutex);
      context_.probed.erase(*id);
    }
    id = watched_.erase(id);
  }
}

void PodWorker::read_end_messages(const PodRecord& record) {
  const std::size_t containers = pod_.spec.containers.size() + pod_.spec.init_containers.size();
  const std::lock_guard lock(mutex_);
  std::map<std::string, std::string> messages;
  for (const ContainerRecord& container : record.containers) {
    if (container.state != RecordState::exited) continue;
    const auto known = end_messages_.find(container.id);
    messages[container.id] =
        known != end_messages_.end() ? known->second : termination_message(container, message_limit(containers));
  }
  end_messages_ = std::move(messages);
}

void PodWorker::announce_back_offs(const Plan& plan, const PodRecord& record) {
  for (const auto& [name, waiting] : plan.waiting) {
    if (waiting.reason != "CrashLoopBackOff") continue;
    const ContainerRecord* ended = record.newest(name);
    if (ended == nullptr) continue;
    {
      const std::lock_guard lock(mutex_);
      Local& local = local_[name];
      if (local.announced_crash == ended->id) continue;
      local.announced_crash = ended->id;
    }
    context_.add_event(pod_, EventType::warning, "BackOff",
                       fmt::format("Back-off restarting failed container {} in pod {}_{}({})", name, pod_.metadata.name,
                                   pod_.metadata.namespace_, pod_.metadata.uid),
                       name);
  }
}

void PodWorker::publish(const PodRecord& record, const Plan& plan) {
  std::map<std::string, ProbedState> probed;
  for (const std::string& id : watched_)
    if (const auto status = context_.probes->status(id)) probed[id] = {status->started, status->ready};
  const std::lock_guard lock(mutex_);
  const bool first = !adopted_;
  status_ = pod_status({pod_, record, plan, std::move(probed), end_messages_, context_.options.host_addresses,
                        context_.clock.wall_now(), seen_at_},
                       first ? api::PodStatus{} : status_);
  if (plan.expired) {
    status_.phase = api::PodPhase::failed;
    status_.reason = "DeadlineExceeded";
    status_.message = "Pod was active on the node longer than the specified deadline";
  } else if (sandbox_failure_ && status_.phase == api::PodPhase::pending) {
    status_.reason = sandbox_failure_->reason;
    status_.message = sandbox_failure_->message;
  }
}

} // namespace keelson::daemon
