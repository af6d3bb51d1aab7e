#include "daemon/pods/pod_worker.hpp"

#include "api/decode.hpp"
#include "base/log.hpp"
#include "base/text.hpp"

#include <algorithm>

namespace keelson::daemon {

namespace {

constexpr std::chrono::seconds kLongestRetry{60};

} // namespace

PodWorker::PodWorker(AgentContext& context, Manifest manifest, WallTime seen_at, std::function<void()> on_gone)
    : context_(context)
    , manifest_(std::move(manifest))
    , pod_(manifest_.pod)
    , on_gone_(std::move(on_gone))
    , seen_at_(seen_at) {
  const Plan nothing;
  PodRecord none;
  status_ = pod_status({pod_, none, nothing, {}, {}, context_.options.host_addresses, seen_at_, seen_at_}, {});
}

void PodWorker::wake() {
  const std::lock_guard lock(mutex_);
  if (ended_) return;
  if (scheduled_) {
    again_ = true;
    return;
  }
  scheduled_ = true;
  // Under the lock: after detach() nobody posts any more.
  context_.workers->post([self = shared_from_this()] { self->run(); });
}

void PodWorker::terminate() {
  {
    const std::lock_guard lock(mutex_);
    if (terminating_since_) return;
    terminating_since_ = context_.clock.wall_now();
    pull_stop_.request_stop();
  }
  wake();
}

bool PodWorker::is_terminating() const {
  const std::lock_guard lock(mutex_);
  return terminating_since_.has_value();
}

void PodWorker::detach() {
  const std::lock_guard lock(mutex_);
  ended_ = true;
  pull_stop_.request_stop();
  if (timer_ != 0) context_.loop.cancel_timer(timer_);
  timer_ = 0;
}

void PodWorker::run() {
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (ended_ || context_.ending) {
        scheduled_ = false;
        return;
      }
      again_ = false;
    }
    const bool more = sync_or_retry();
    const std::lock_guard lock(mutex_);
    if (more || again_) continue;
    scheduled_ = false;
    return;
  }
}

// Nothing that goes wrong here may leave the pod without anybody who looks after it.
bool PodWorker::sync_or_retry() {
  try {
    return sync();
  } catch (const std::exception& error) {
    log::error("pod {}: {}", full_name(pod_), error.what());
    retry_later(Error{Code::internal, 0, error.what()});
    return false;
  }
}

bool PodWorker::sync() {
  auto record = context_.runtime.observe(pod_.metadata.uid);
  if (!record) {
    retry_later(record.error());
    return false;
  }
  absorb(*record);
  Plan plan;
  {
    const std::lock_guard lock(mutex_);
    plan = plan_pod({pod_, *record, memory_, sandbox_failure_, context_.options.restart, context_.clock.wall_now(),
                     terminating_since_.has_value(), seen_at_});
  }
  announce_back_offs(plan, *record);
  publish(*record, plan);
  if (!plan.finished && !adopted_ && !record->sandboxes.empty() && !is_terminating()) {
    if (auto adopted = adopt(); !adopted) log::warning("pod {}: {}", full_name(pod_), adopted.error().message);
  }
  adopted_ = true;
  bool acted = false;
  for (const Action& action : plan.actions) {
    if (action.kind == Action::Kind::finish && finished_ && !is_terminating()) continue;
    auto done = act(action, *record);
    if (!done) {
      retry_later(done.error());
      return false;
    }
    acted = true;
  }
  retry_delay_ = {};
  set_timer(plan.wake_at);
  return acted;
}

void PodWorker::retry_later(const Error& error) {
  retry_delay_ = retry_delay_.count() == 0 ? std::chrono::seconds(1) : std::min(retry_delay_ * 2, kLongestRetry);
  log::warning("pod {}: {}; tried again in {} s", full_name(pod_), error.message, retry_delay_.count());
  set_timer(context_.clock.wall_now() + retry_delay_);
}

void PodWorker::set_timer(std::optional<WallTime> at) {
  const std::lock_guard lock(mutex_);
  if (timer_ != 0) context_.loop.cancel_timer(timer_);
  timer_ = 0;
  if (!at || ended_) return;
  const auto delay = std::max(*at - context_.clock.wall_now(), WallTime::duration(0));
  timer_ = context_.loop.run_after(delay, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->wake();
  });
}

const api::Container* PodWorker::find_spec(const std::string& name) const {
  for (const auto* list : {&pod_.spec.init_containers, &pod_.spec.containers})
    for (const api::Container& container : *list)
      if (container.name == name) return &container;
  return nullptr;
}

ContainerKind PodWorker::kind_of(const std::string& name) const {
  for (const api::Container& init : pod_.spec.init_containers)
    if (init.name == name) return api::is_sidecar(init) ? ContainerKind::sidecar : ContainerKind::init;
  return ContainerKind::regular;
}

api::Pod PodWorker::snapshot() const {
  api::Pod pod = pod_;
  const std::lock_guard lock(mutex_);
  pod.status = status_;
  pod.metadata.creation_timestamp = status_.start_time;
  if (terminating_since_) {
    const std::int64_t grace = pod.spec.termination_grace_period_seconds.value_or(30);
    pod.metadata.deletion_timestamp =
        api::Time{std::chrono::floor<std::chrono::seconds>(*terminating_since_ + std::chrono::seconds(grace))};
    pod.metadata.deletion_grace_period_seconds = grace;
  }
  return pod;
}

void PodWorker::on_probe(const std::string& container_id, const health::ProbeReport& report) {
  std::string name;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [container, known] : memory_) {
      if (known.running_id != container_id) continue;
      name = container;
      if (!report.restart) break;
      std::string message = report.restart_reason;
      constexpr std::string_view kRestarted = ", will be restarted";
      const bool never =
          pod_.spec.restart_policy == api::RestartPolicy::never && kind_of(name) != ContainerKind::sidecar;
      if (never && message.ends_with(kRestarted)) message.resize(message.size() - kRestarted.size());
      known.kill = KillOrder{container_id, std::move(message), report.termination_grace_period};
    }
  }
  if (name.empty()) return;
  if (!report.event.empty())
    context_.add_event(pod_, EventType::warning, report.event_reason, printable(report.event, 1024), name);
  if (report.transition() || report.restart) wake();
}

Manifest manifest_of_orphan(const PodRecord& record) {
  Manifest manifest;
  api::Pod& pod = manifest.pod;
  pod.metadata.name = record.name;
  pod.metadata.namespace_ = record.namespace_;
  pod.metadata.uid = record.uid;
  manifest.hash = record.manifest_hash;
  std::set<std::string> seen;
  for (const ContainerRecord& known : record.containers) {
    if (!seen.insert(known.name).second) continue;
    pod.spec.termination_grace_period_seconds = known.grace_period.count();
    api::Container container;
    container.name = known.name;
    container.image = known.image;
    if (known.kind == ContainerKind::sidecar) container.restart_policy = api::ContainerRestartPolicy::always;
    if (!known.pre_stop.empty()) {
      // The codec reads whole pods: the hook is wrapped in one.
      const auto decoded = api::decode_pod_text(fmt::format(
          R"({{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"a"}},"spec":{{"containers":[{{"name":"a","image":"a","lifecycle":{{"preStop":{}}}}}]}}}})",
          known.pre_stop));
      if (decoded) container.lifecycle = decoded->object.spec.containers.front().lifecycle;
    }
    (known.kind == ContainerKind::regular ? pod.spec.containers : pod.spec.init_containers)
        .push_back(std::move(container));
  }
  return manifest;
}

} // namespace keelson::daemon
