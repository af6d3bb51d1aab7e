// Sandboxes and containers as CRI messages.
#include "cri/server/runtime_state.hpp"

namespace keelson::cri {

namespace {

v1::ContainerState cri_state(ContainerPhase phase) {
  switch (phase) {
  case ContainerPhase::creating:
  case ContainerPhase::unknown:
    return v1::CONTAINER_UNKNOWN;
  case ContainerPhase::created:
    return v1::CONTAINER_CREATED;
  case ContainerPhase::running:
    return v1::CONTAINER_RUNNING;
  case ContainerPhase::exited:
    return v1::CONTAINER_EXITED;
  }
  return v1::CONTAINER_UNKNOWN;
}

v1::Signal cri_signal(const std::string& name) {
  v1::Signal signal = v1::SIGNAL_RUNTIME_DEFAULT;
  v1::Signal_Parse("SIGNAL_" + (name.starts_with("SIG") ? name : "SIG" + name), &signal);
  return signal;
}

} // namespace

v1::PodSandboxStatus Runtime::State::sandbox_status(const Sandbox& sandbox) const {
  v1::PodSandboxStatus status;
  status.set_id(sandbox.id);
  *status.mutable_metadata() = sandbox.config.metadata();
  status.set_created_at(unix_nanos(sandbox.created_at));
  *status.mutable_labels() = sandbox.config.labels();
  *status.mutable_annotations() = sandbox.config.annotations();
  status.set_runtime_handler(sandbox.handler);
  *status.mutable_linux()->mutable_namespaces()->mutable_options() =
      sandbox.config.linux().security_context().namespace_options();
  const std::lock_guard lock(sandbox.mutex);
  status.set_state(sandbox.phase == SandboxPhase::ready ? v1::SANDBOX_READY : v1::SANDBOX_NOTREADY);
  v1::PodSandboxNetworkStatus& network = *status.mutable_network();
  for (const std::string& ip : sandbox.ips) {
    if (network.ip().empty())
      network.set_ip(ip);
    else
      network.add_additional_ips()->set_ip(ip);
  }
  return status;
}

v1::ContainerStatus Runtime::State::container_status(const Container& container) const {
  v1::ContainerStatus status;
  status.set_id(container.id);
  *status.mutable_metadata() = container.config.metadata();
  status.set_created_at(unix_nanos(container.created_at));
  *status.mutable_image() = container.config.image();
  status.mutable_image()->set_image(container.image_name);
  status.set_image_ref(container.image_digest);
  status.set_image_id(container.image_id);
  *status.mutable_labels() = container.config.labels();
  *status.mutable_annotations() = container.config.annotations();
  *status.mutable_mounts() = container.config.mounts();
  for (std::size_t i = 0; i < container.volume_images.size(); ++i)
    if (!container.volume_images[i].empty())
      status.mutable_mounts(static_cast<int>(i))->mutable_image()->set_image_ref(container.volume_images[i]);
  status.set_log_path(container.log_path);
  status.set_stop_signal(cri_signal(container.stop_signal.empty() ? "SIGTERM" : container.stop_signal));
  v1::LinuxContainerUser& user = *status.mutable_user()->mutable_linux();
  user.set_uid(container.user.uid);
  user.set_gid(container.user.gid);
  for (const std::int64_t gid : container.user.supplemental_gids) user.add_supplemental_groups(gid);
  const std::lock_guard lock(container.mutex);
  status.set_state(cri_state(container.phase));
  status.set_started_at(unix_nanos(container.started_at));
  *status.mutable_resources()->mutable_linux() = container.resources;
  if (container.exit) {
    status.set_finished_at(unix_nanos(container.exit->finished_at));
    status.set_exit_code(container.exit->code);
    status.set_reason(container.exit->reason);
    status.set_message(container.exit->message);
  }
  return status;
}

void Runtime::State::publish(const Sandbox& sandbox, const std::string& subject_id, v1::ContainerEventType type) {
  if (!events.has_listeners()) return;
  // One at a time: of two events the later one has the later time and the later state.
  const std::lock_guard lock(publish_mutex);
  v1::ContainerEventResponse event;
  event.set_container_id(subject_id);
  event.set_container_event_type(type);
  event.set_created_at(unix_nanos(services.clock.wall_now()));
  *event.mutable_pod_sandbox_status() = sandbox_status(sandbox);
  for (const auto& container : containers_of(sandbox.id))
    if (container->current_phase() != ContainerPhase::creating)
      *event.add_containers_statuses() = container_status(*container);
  events.publish(std::move(event));
}

void Runtime::State::publish(const Container& container, v1::ContainerEventType type) {
  if (const auto sandbox = sandboxes.find(container.sandbox_id)) publish(**sandbox, container.id, type);
}

} // namespace keelson::cri
