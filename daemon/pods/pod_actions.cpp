// The worker's actions on the pod as a whole, and the end of containers.
#include "base/file.hpp"
#include "base/log.hpp"
#include "cri/proto/runtime_v1.pb.h"
#include "daemon/pods/container_config.hpp"
#include "daemon/pods/pod_worker.hpp"
#include "qos/tier_tree.hpp"

#include <algorithm>

namespace keelson::daemon {

namespace {

constexpr std::chrono::seconds kGroupRemoval{10};
// What a container gets even if its hook has used up the grace period, as with kubelet.
constexpr std::chrono::seconds kLeastGrace{2};
constexpr std::chrono::seconds kStopRetry{10};
constexpr std::chrono::seconds kFirstSandboxRetry{1};
constexpr std::chrono::seconds kLongestSandboxRetry{30};

std::string log_dir_of(const AgentContext& context, const api::Pod& pod) {
  return fmt::format("{}/{}_{}_{}", context.options.log_dir, pod.metadata.namespace_, pod.metadata.name,
                     pod.metadata.uid);
}

} // namespace

Result<> PodWorker::act(const Action& action, const PodRecord& record) {
  switch (action.kind) {
  case Action::Kind::create_sandbox:
    return create_sandbox(action);
  case Action::Kind::stop_sandbox:
    return context_.runtime.stop_sandbox(action.id);
  case Action::Kind::remove_sandbox:
    // First, so that an agent that dies in between still finds the pod, and ends it once more.
    if (is_terminating()) TRY(remove_tree(log_dir_of(context_, pod_)));
    return context_.runtime.remove_sandbox(action.id);
  case Action::Kind::start:
    start_container(action, record);
    return {};
  case Action::Kind::stop:
    stop_container(action, record);
    return {};
  case Action::Kind::remove:
    return remove_container(action, record);
  case Action::Kind::finish:
    return finish();
  }
  return {};
}

void PodWorker::fail_sandbox(std::string reason, const Error& error, const std::string& prefix) {
  context_.add_event(pod_, EventType::warning, reason, prefix + error.message);
  const std::lock_guard lock(mutex_);
  FailedAttempt failure;
  failure.delay = sandbox_failure_ ? std::min(sandbox_failure_->delay * 2, kLongestSandboxRetry) : kFirstSandboxRetry;
  failure.reason = std::move(reason);
  failure.message = error.message;
  failure.retry_at = context_.clock.wall_now() + failure.delay;
  sandbox_failure_ = std::move(failure);
}

// After a failure nothing is returned as an error: the plan waits until the failure's time has come.
Result<> PodWorker::create_sandbox(const Action& action) {
  if (action.attempt > 0)
    context_.add_event(pod_, EventType::normal, "SandboxChanged",
                       "Pod sandbox changed, it will be killed and re-created.");
  if (auto mounted = context_.volumes.set_up(pod_, context_.allocatable); !mounted) {
    fail_sandbox("FailedMount", mounted.error(), "");
    return {};
  }
  SandboxInput input{pod_};
  if (pod_.spec.dns_policy == api::DnsPolicy::cluster_first && !pod_.spec.host_network &&
      !context_.told_of_dns.exchange(true))
    context_.add_event(pod_, EventType::normal, "MissingClusterDNS",
                       "this node knows no cluster DNS: pods with dnsPolicy ClusterFirst get the node's resolv.conf");
  input.attempt = action.attempt;
  input.node_name = context_.options.node_name;
  input.manifest_hash = manifest_.hash;
  input.log_dir = log_dir_of(context_, pod_);
  input.resolv_conf = read_file("/etc/resolv.conf").value_or("");
  {
    const std::lock_guard lock(mutex_);
    input.seen_at = seen_at_;
  }
  if (context_.tiers != nullptr) {
    const auto group = context_.tiers->add_pod(pod_);
    if (!group) {
      fail_sandbox("FailedCreatePodContainer", group.error(), "unable to ensure pod container exists: ");
      return {};
    }
    input.cgroup_parent = group->cgroupfs_path();
  }
  auto made = [&]() -> Result<> {
    TRY_ASSIGN(const auto config, sandbox_config(input));
    TRY(context_.runtime.run_sandbox(config, pod_.spec.runtime_class_name));
    return {};
  }();
  if (!made) {
    fail_sandbox("FailedCreatePodSandBox", made.error(), "Failed to create pod sandbox: ");
    return {};
  }
  finished_ = false;
  const std::lock_guard lock(mutex_);
  sandbox_failure_.reset();
  return {};
}

// A pod of an earlier agent: its group gets its values again, and is no longer unknown.
Result<> PodWorker::adopt() {
  if (context_.tiers != nullptr) TRY(context_.tiers->add_pod(pod_));
  return {};
}

Result<> PodWorker::remove_container(const Action& action, const PodRecord& record) {
  TRY(context_.runtime.remove_container(action.id));
  for (const ContainerRecord& known : record.containers) {
    if (known.id != action.id) continue;
    if (!known.termination_file.empty() && known.termination_file.starts_with(context_.options.root + "/pods/"))
      static_cast<void>(remove_file_at(AT_FDCWD, known.termination_file));
    // The log of an instance that was never started again under this number, with what was rotated away.
    const bool reused = std::any_of(record.containers.begin(), record.containers.end(), [&](const auto& other) {
      return other.id != known.id && other.log_path == known.log_path;
    });
    const std::size_t slash = known.log_path.rfind('/');
    if (reused || known.state != RecordState::exited || slash == std::string::npos) continue;
    const std::string dir = known.log_path.substr(0, slash);
    const std::string base = known.log_path.substr(slash + 1);
    for (const std::string& name : list_dir(dir).value_or(std::vector<std::string>{}))
      if (name == base || name.starts_with(base + ".")) static_cast<void>(remove_file_at(AT_FDCWD, dir + "/" + name));
  }
  return {};
}

Result<> PodWorker::finish() {
  const std::string& uid = pod_.metadata.uid;
  const bool gone = is_terminating();
  TRY(context_.volumes.tear_down(uid, gone ? PodVolumes::Extent::everything : PodVolumes::Extent::volumes));
  if (context_.tiers != nullptr) TRY(context_.tiers->remove_pod(uid, Deadline::after(kGroupRemoval)));
  finished_ = true;
  if (!gone) return {};
  log::info("pod {} ({}) is gone", full_name(pod_), uid);
  unwatch_ended({});
  detach();
  on_gone_();
  return {};
}

std::chrono::seconds PodWorker::begin_stop(const Action& action) {
  std::chrono::seconds grace(pod_.spec.termination_grace_period_seconds.value_or(30));
  if (action.grace) grace = *action.grace;
  if (is_terminating()) context_.probes->set_terminating(action.id);
  const std::lock_guard lock(mutex_);
  memory_[action.container].busy = true;
  if (!terminating_since_) return grace;
  if (action.grace) return grace;
  const auto used = std::max(std::chrono::floor<std::chrono::seconds>(context_.clock.wall_now() - *terminating_since_),
                             std::chrono::seconds(0)); // the clock may have been set back
  return std::max(grace - used, std::min(grace, kLeastGrace));
}

void PodWorker::stop_container(const Action& action, const PodRecord& record) {
  const std::chrono::seconds grace = begin_stop(action);
  context_.add_event(pod_, EventType::normal, "Killing", action.message, action.container);
  const auto& sandboxes = record.sandboxes;
  std::string address = sandboxes.empty() || sandboxes.front().ips.empty() ? "" : sandboxes.front().ips.front();
  context_.slow->post([self = shared_from_this(), action, grace, address = std::move(address)] {
    self->stop_now(action, grace, address);
  });
}

// On a thread of its own kind: it blocks for as long as the container takes to end.
void PodWorker::stop_now(const Action& action, std::chrono::seconds grace, const std::string& address) {
  const SteadyTime begin = context_.clock.now();
  const api::Container* spec = find_spec(action.container);
  if (spec != nullptr && spec->lifecycle && spec->lifecycle->pre_stop && grace.count() > 0) {
    auto hook = run_hook(*spec, *spec->lifecycle->pre_stop, action.id, address, grace);
    if (!hook)
      context_.add_event(pod_, EventType::warning, "FailedPreStopHook", "PreStopHook failed: " + hook.error().message,
                         action.container);
  }
  if (context_.ending) return; // the next agent ends it
  const auto used = std::chrono::floor<std::chrono::seconds>(context_.clock.now() - begin);
  auto stopped = context_.runtime.stop_container(action.id, std::max(grace - used, std::min(grace, kLeastGrace)));
  if (!stopped)
    context_.add_event(pod_, EventType::warning, "FailedKillPod",
                       fmt::format("error killing container {}: {}", action.container, stopped.error().message),
                       action.container);
  {
    const std::lock_guard lock(mutex_);
    memory_[action.container].busy = false;
  }
  if (stopped)
    wake();
  else
    set_timer(context_.clock.wall_now() + kStopRetry);
}

} // namespace keelson::daemon
