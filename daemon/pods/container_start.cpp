// The start of one container: image, configuration, create, start, postStart hook.
#include "api/environment.hpp"
#include "api/hash.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "cri/proto/runtime_v1.pb.h"
#include "daemon/pods/container_config.hpp"
#include "daemon/pods/pod_worker.hpp"
#include "qos/tier_tree.hpp"

#include <algorithm>

namespace keelson::daemon {

namespace {

constexpr std::chrono::minutes kHookTimeout{10}; // of postStart; kubelet has none

// Without the container's id, which is another one at every attempt: the events of one cause are to be counted as one.
std::string without_ids(std::string_view text) {
  constexpr std::size_t kId = 64;
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find_first_not_of("0123456789abcdef", at), text.size());
    if (end - at == kId) {
      if (out.ends_with(' ')) out.pop_back();
      at = end;
      continue;
    }
    const std::size_t next = std::max(end, at + 1);
    out += text.substr(at, next - at);
    at = next;
  }
  return out;
}

} // namespace

void PodWorker::fail_container(const std::string& name, std::string reason, std::string message) {
  const std::lock_guard lock(mutex_);
  ContainerMemory& known = memory_[name];
  FailedAttempt failure;
  const auto& times = context_.options.restart;
  failure.delay = known.failure && known.failure->reason == reason ? std::min(known.failure->delay * 2, times.longest)
                                                                   : times.first;
  failure.reason = std::move(reason);
  failure.message = std::move(message);
  failure.retry_at = context_.clock.wall_now() + failure.delay;
  known.failure = std::move(failure);
}

// Failures are remembered and waited for by the plan; they are no errors of the worker.
void PodWorker::start_container(const Action& action, const PodRecord& record) {
  const api::Container* container = find_spec(action.container);
  if (container == nullptr) return;
  ImageFacts image;
  auto ready = prepare_image(*container, image);
  if (!ready) {
    fail_container(container->name, "ImageInspectError", ready.error().message);
    context_.add_event(pod_, EventType::warning, "InspectFailed", "Failed to inspect image: " + ready.error().message,
                       container->name);
    return;
  }
  if (!*ready) return;
  {
    const std::lock_guard lock(mutex_);
    local_[container->name].pulled = false;
  }
  auto launched = launch(action, record, *container, image);
  if (launched) {
    const std::lock_guard lock(mutex_);
    memory_[container->name].failure.reset();
    local_[container->name].pull_delay = {};
    return;
  }
  context_.add_event(pod_, EventType::warning, "Failed", "Error: " + launched.error().message, container->name);
}

Result<bool> PodWorker::prepare_image(const api::Container& container, ImageFacts& facts) {
  const bool pulled = [&] {
    const std::lock_guard lock(mutex_);
    return local_[container.name].pulled;
  }();
  if (container.image_pull_policy == api::PullPolicy::always && !pulled) {
    pull(container);
    return false;
  }
  TRY_ASSIGN(auto found, context_.runtime.image(container.image));
  if (found) {
    facts = std::move(*found);
    if (!pulled)
      context_.add_event(pod_, EventType::normal, "Pulled",
                         fmt::format("Container image \"{}\" already present on machine", container.image),
                         container.name);
    return true;
  }
  if (container.image_pull_policy != api::PullPolicy::never) {
    pull(container);
    return false;
  }
  const std::string message =
      fmt::format("Container image \"{}\" is not present with pull policy of Never", container.image);
  context_.add_event(pod_, EventType::warning, "ErrImageNeverPull", message, container.name);
  context_.add_event(pod_, EventType::warning, "Failed", "Error: ErrImageNeverPull", container.name);
  fail_container(container.name, "ErrImageNeverPull", message);
  return false;
}

void PodWorker::pull(const api::Container& container) {
  {
    const std::lock_guard lock(mutex_);
    memory_[container.name].busy = true;
  }
  context_.add_event(pod_, EventType::normal, "Pulling", fmt::format("Pulling image \"{}\"", container.image),
                     container.name);
  context_.pulls->post([self = shared_from_this(), &container] {
    AgentContext& context = self->context_;
    if (context.ending) return;
    const SteadyTime begin = context.clock.now();
    auto result = context.runtime.pull(container.image, self->pull_stop_.get_token());
    if (context.ending) return;
    self->pull_ended(container, std::move(result), context.clock.now() - begin);
  });
}

void PodWorker::pull_ended(const api::Container& container, Result<> result, std::chrono::nanoseconds took) {
  const std::string& image = container.image;
  if (!result && is_terminating()) {
    // Broken off: nobody waits for it.
  } else if (result) {
    context_.add_event(
        pod_, EventType::normal, "Pulled",
        fmt::format("Successfully pulled image \"{}\" in {:.3f}s", image, std::chrono::duration<double>(took).count()),
        container.name);
  } else {
    const std::string cause = printable(result.error().message, 1024);
    const bool invalid = result.error().code == Code::invalid_argument;
    const std::string reason = invalid ? "InvalidImageName" : "ImagePullBackOff";
    context_.add_event(pod_, EventType::warning, "Failed", fmt::format("Failed to pull image \"{}\": {}", image, cause),
                       container.name);
    context_.add_event(pod_, EventType::warning, "Failed", invalid ? "Error: InvalidImageName" : "Error: ErrImagePull",
                       container.name);
    if (!invalid)
      context_.add_event(pod_, EventType::normal, "BackOff", fmt::format("Back-off pulling image \"{}\"", image),
                         container.name);
    const auto& times = context_.options.pull;
    const std::lock_guard lock(mutex_);
    auto& delay = local_[container.name].pull_delay;
    delay = delay.count() == 0 ? times.first : std::min(delay * 2, times.longest);
    memory_[container.name].failure =
        FailedAttempt{reason,
                      invalid ? fmt::format("Failed to apply default image tag \"{}\": {}", image, cause)
                              : fmt::format("Back-off pulling image \"{}\": ErrImagePull: {}", image, cause),
                      context_.clock.wall_now() + delay, delay};
  }
  {
    const std::lock_guard lock(mutex_);
    memory_[container.name].busy = false;
    local_[container.name].pulled = result.has_value();
    if (result) memory_[container.name].failure.reset();
  }
  wake();
}

api::Pod PodWorker::pod_with_status(const PodRecord& record) const {
  api::Pod pod = pod_;
  for (const std::string& ip : context_.options.host_addresses) pod.status.host_ips.push_back({ip, {}});
  if (!context_.options.host_addresses.empty()) pod.status.host_ip = context_.options.host_addresses.front();
  const auto& ips = pod.spec.host_network ? context_.options.host_addresses : record.sandboxes.front().ips;
  for (const std::string& ip : ips) pod.status.pod_ips.push_back({ip, {}});
  if (!ips.empty()) pod.status.pod_ip = ips.front();
  return pod;
}

// The order matters: what an earlier step finds wrong is told before a later one makes anything.
Result<ContainerInput> PodWorker::container_input(const Action& action, const api::Pod& pod,
                                                  const api::Container& container) {
  api::EnvironmentSources sources;
  sources.node_allocatable = context_.allocatable;
  ContainerInput input{pod, container};
  TRY_ASSIGN(input.environment, api::resolve_environment(pod, container, sources));
  input.kind = kind_of(container.name);
  input.attempt = action.attempt;
  input.back_off = action.back_off;
  input.seccomp_default = context_.options.seccomp_default;
  TRY_ASSIGN(input.mounts, context_.volumes.mounts_of(pod, container, input.environment));
  const bool own_hosts = std::any_of(input.mounts.begin(), input.mounts.end(),
                                     [](const PreparedMount& mount) { return mount.container_path == "/etc/hosts"; });
  if (!own_hosts) {
    std::vector<std::string> addresses;
    for (const api::IpAddress& ip : pod.status.pod_ips) addresses.push_back(ip.ip);
    TRY_ASSIGN(std::string hosts, context_.volumes.write_hosts(pod, addresses));
    input.mounts.push_back({std::move(hosts), "/etc/hosts"});
  }
  input.resources = qos::cri_resources(qos::container_values(pod, container, context_.node, context_.values));
  TRY_ASSIGN(input.termination_file, context_.volumes.make_termination_file(pod.metadata.uid, container.name));
  return input;
}

Result<> PodWorker::launch(const Action& action, const PodRecord& record, const api::Container& container,
                           const ImageFacts& image) {
  std::string termination_file;
  const auto refuse = [&](std::string reason, Error error) -> Result<> {
    if (!termination_file.empty()) static_cast<void>(remove_file_at(AT_FDCWD, termination_file));
    error.message = without_ids(error.message);
    fail_container(container.name, std::move(reason), error.message);
    return Fail(std::move(error));
  };
  const api::Pod pod = pod_with_status(record);
  auto input = container_input(action, pod, container);
  if (!input) return refuse("CreateContainerConfigError", std::move(input).error());
  input->image = image;
  termination_file = input->termination_file;
  auto config = container_config(*input);
  if (!config) return refuse("CreateContainerConfigError", std::move(config).error());
  auto id = context_.runtime.create_container(record.sandboxes.front().id, *config);
  if (!id) return refuse("CreateContainerError", std::move(id).error());
  context_.add_event(pod_, EventType::normal, "Created", "Created container: " + container.name, container.name);
  auto started = context_.runtime.start_container(*id);
  if (!started) {
    static_cast<void>(context_.runtime.remove_container(*id));
    return refuse("RunContainerError", std::move(started).error());
  }
  context_.add_event(pod_, EventType::normal, "Started", "Started container " + container.name, container.name);
  if (container.lifecycle && container.lifecycle->post_start) post_start(container, *id, record);
  return {};
}

void PodWorker::post_start(const api::Container& container, const std::string& id, const PodRecord& record) {
  {
    const std::lock_guard lock(mutex_);
    memory_[container.name].hook_running = true;
  }
  const auto& ips = record.sandboxes.front().ips;
  context_.slow->post([self = shared_from_this(), &container, id, address = ips.empty() ? std::string() : ips.front()] {
    auto done = self->run_hook(container, *container.lifecycle->post_start, id, address, kHookTimeout);
    if (!done)
      self->context_.add_event(self->pod_, EventType::warning, "FailedPostStartHook",
                               "PostStartHook failed: " + done.error().message, container.name);
    {
      const std::lock_guard lock(self->mutex_);
      ContainerMemory& known = self->memory_[container.name];
      known.hook_running = false;
      if (!done) known.kill = KillOrder{id, "FailedPostStartHook", {}};
    }
    self->wake();
  });
}

} // namespace keelson::daemon
