#include "api/problems.hpp"

#include <algorithm>

namespace keelson::api {

namespace {

bool is_standard_resource(std::string_view name) {
  return name == "cpu" || name == "memory" || name == "ephemeral-storage";
}

// May be promised only once: the limit is the request.
bool is_not_overcommitted(std::string_view name) {
  return name.starts_with("hugepages-") || name.find('/') != std::string_view::npos;
}

void check_amounts(Problems& problems, const std::string& path, const ResourceList& list) {
  for (const auto& [name, quantity] : list) {
    const std::string item = path + "." + name;
    const bool known = is_standard_resource(name) || name.starts_with("hugepages-") ||
                       (name.find('/') != std::string::npos && is_qualified_name(name));
    if (!known) {
      problems.add(item,
                   "\"{}\" is not a resource: use cpu, memory, ephemeral-storage, hugepages-<size> or domain/name",
                   printable(name, 80));
    }
    if (quantity.sign() < 0) problems.add(item, "{} is negative", quantity.to_string());
    if (is_not_overcommitted(name) && !quantity.is_whole()) {
      problems.add(item, "{} is not a whole number", quantity.to_string());
    }
  }
}

void check_ports(Problems& problems, const std::string& path, const Pod& pod, const Container& container) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < container.ports.size(); ++i) {
    const ContainerPort& port = container.ports[i];
    const std::string item = at(path, "ports", i);
    problems.range(item + ".containerPort", port.container_port, 1, 65535);
    if (port.host_port != 0) problems.range(item + ".hostPort", port.host_port, 1, 65535);
    if (pod.spec.host_network && port.host_port != port.container_port) {
      problems.add(item + ".hostPort", "must be the containerPort in a pod of the host's network");
    }
    if (!port.host_ip.empty() && !is_ip_address(port.host_ip)) {
      problems.add(item + ".hostIP", "\"{}\" is not an IP address", printable(port.host_ip, 80));
    }
    if (port.name.empty()) continue;
    problems.name(item + ".name", port.name, is_port_name, "at most 15 of a-z, 0-9 and -, with a letter");
    problems.unique(item + ".name", names, port.name);
  }
}

void check_mount(Problems& problems, const std::string& path, const Container& container, const VolumeMount& mount) {
  problems.require(path + ".mountPath", mount.mount_path);
  if (mount.mount_path.find(':') != std::string::npos) problems.add(path + ".mountPath", "must not contain a colon");
  problems.no_nul(path + ".mountPath", mount.mount_path);
  if (!mount.sub_path.empty() && !mount.sub_path_expr.empty()) {
    problems.add(path + ".subPathExpr", "must not be set together with subPath");
  }
  for (const auto& [field, value] :
       {std::pair(".subPath", &mount.sub_path), std::pair(".subPathExpr", &mount.sub_path_expr)}) {
    if (value->starts_with('/')) problems.add(path + field, "must be relative");
    if (leads_upwards(*value)) problems.add(path + field, "must not contain .. as a part");
    problems.no_nul(path + field, *value);
  }
  const bool privileged = container.security_context && container.security_context->privileged.value_or(false);
  if (mount.mount_propagation == MountPropagation::bidirectional && !privileged) {
    problems.add(path + ".mountPropagation", "Bidirectional is for privileged containers only");
  }
  const bool recursive = mount.recursive_read_only == RecursiveReadOnly::if_possible ||
                         mount.recursive_read_only == RecursiveReadOnly::enabled;
  if (recursive && !mount.read_only) problems.add(path + ".recursiveReadOnly", "needs readOnly: true");
}

const Volume* find_volume(const Pod& pod, const std::string& name) {
  const auto found = std::find_if(pod.spec.volumes.begin(), pod.spec.volumes.end(),
                                  [&](const Volume& volume) { return volume.name == name; });
  return found == pod.spec.volumes.end() ? nullptr : &*found;
}

void check_mounts(Problems& problems, const std::string& path, const Pod& pod, const Container& container) {
  std::set<std::string> places;
  for (std::size_t i = 0; i < container.volume_mounts.size(); ++i) {
    const VolumeMount& mount = container.volume_mounts[i];
    const std::string item = at(path, "volumeMounts", i);
    if (find_volume(pod, mount.name) == nullptr) {
      problems.add(item + ".name", "the pod has no volume named \"{}\"", printable(mount.name, 80));
    }
    problems.unique(item + ".mountPath", places, mount.mount_path);
    check_mount(problems, item, container, mount);
  }
  for (std::size_t i = 0; i < container.volume_devices.size(); ++i) {
    const VolumeDevice& device = container.volume_devices[i];
    const std::string item = at(path, "volumeDevices", i);
    if (find_volume(pod, device.name) == nullptr) {
      problems.add(item + ".name", "the pod has no volume named \"{}\"", printable(device.name, 80));
    }
    problems.require(item + ".devicePath", device.device_path);
    problems.unique(item + ".devicePath", places, device.device_path);
    if (leads_upwards(device.device_path)) problems.add(item + ".devicePath", "must not contain .. as a part");
  }
}

void check_security(Problems& problems, const std::string& path, const SecurityContext& context) {
  if (context.run_as_user) problems.range(path + ".runAsUser", *context.run_as_user, 0, kMaxId);
  if (context.run_as_group) problems.range(path + ".runAsGroup", *context.run_as_group, 0, kMaxId);
  const bool may_gain = context.allow_privilege_escalation.value_or(true);
  if (!may_gain && context.privileged.value_or(false)) {
    problems.add(path, "allowPrivilegeEscalation: false contradicts privileged: true");
  }
  if (!may_gain && context.capabilities) {
    const auto& add = context.capabilities->add;
    const bool admin = std::any_of(add.begin(), add.end(),
                                   [](const auto& name) { return name == "SYS_ADMIN" || name == "CAP_SYS_ADMIN"; });
    if (admin) problems.add(path, "allowPrivilegeEscalation: false contradicts the capability SYS_ADMIN");
  }
  validate_profile(problems, path + ".seccompProfile", context.seccomp_profile);
  validate_profile(problems, path + ".appArmorProfile", context.app_armor_profile);
}

void check_role(Problems& problems, const std::string& path, const Container& container, ContainerRole role) {
  if (role != ContainerRole::ephemeral && !container.target_container_name.empty()) {
    problems.add(path + ".targetContainerName", "is for ephemeral containers only");
  }
  if (role == ContainerRole::init && container.lifecycle && !is_sidecar(container)) {
    problems.add(path + ".lifecycle", "an init container that ends cannot have hooks");
  }
  if (role == ContainerRole::ephemeral) {
    const auto& resources = container.resources;
    if (!resources.limits.empty() || !resources.requests.empty()) {
      problems.add(path + ".resources", "must not be set for an ephemeral container");
    }
    if (!container.ports.empty()) problems.add(path + ".ports", "must not be set for an ephemeral container");
  }
}

} // namespace

void validate_profile(Problems& problems, const std::string& path, const std::optional<SecurityProfile>& profile) {
  if (!profile) return;
  if (profile->type == ProfileType::unset) problems.add(path + ".type", "is required");
  const std::string name = profile->localhost_profile.value_or("");
  if (profile->type == ProfileType::localhost) {
    problems.require(path + ".localhostProfile", name);
    const bool is_seccomp = path.ends_with(".seccompProfile"); // a file below the profile directory
    if (is_seccomp && (name.starts_with('/') || leads_upwards(name))) {
      problems.add(path + ".localhostProfile", "must be a path below the profile directory");
    }
  } else if (profile->localhost_profile) {
    problems.add(path + ".localhostProfile", "is for type Localhost only");
  }
}

void validate_resources(Problems& problems, const std::string& path, const ResourceRequirements& resources) {
  check_amounts(problems, path + ".limits", resources.limits);
  check_amounts(problems, path + ".requests", resources.requests);
  for (const auto& [name, request] : resources.requests) {
    const auto limit = resources.limits.find(name);
    const std::string item = path + ".requests." + name;
    if (limit == resources.limits.end()) {
      if (is_not_overcommitted(name)) problems.add(item, "needs an equal limit");
    } else if (is_not_overcommitted(name) && request != limit->second) {
      problems.add(item, "{} must equal the limit {}", request.to_string(), limit->second.to_string());
    } else if (request > limit->second) {
      problems.add(item, "{} is more than the limit {}", request.to_string(), limit->second.to_string());
    }
  }
}

void validate_container(Problems& problems, const std::string& path, const Pod& pod, const Container& container,
                        ContainerRole role) {
  problems.name(path + ".name", container.name, is_dns1123_label, kLabelRule);
  problems.require(path + ".image", container.image);
  if (trim(container.image) != container.image) problems.add(path + ".image", "must not have spaces around it");
  for (std::size_t i = 0; i < container.command.size(); ++i) {
    problems.no_nul(at(path, "command", i), container.command[i]);
  }
  for (std::size_t i = 0; i < container.args.size(); ++i) problems.no_nul(at(path, "args", i), container.args[i]);
  problems.no_nul(path + ".workingDir", container.working_dir);
  validate_environment(problems, path, container);
  check_ports(problems, path, pod, container);
  validate_resources(problems, path + ".resources", container.resources);
  check_mounts(problems, path, pod, container);
  validate_probes(problems, path, container, role);
  if (container.lifecycle) validate_lifecycle(problems, path + ".lifecycle", *container.lifecycle, pod);
  if (container.security_context) check_security(problems, path + ".securityContext", *container.security_context);
  check_role(problems, path, container, role);
}

} // namespace keelson::api
