// How a process that is run inside a container later is confined: exactly as the container's first one.
#include "base/file.hpp"
#include "base/json.hpp"
#include "cri/oci/process_spec.hpp"
#include "cri/server/process_spec_reader.hpp"
#include "cri/server/runtime_state.hpp"

namespace keelson::cri {

namespace {

monitor::CapabilityMasks masks_of(const CapabilitySets& sets) {
  monitor::CapabilityMasks masks;
  masks.bounding = sets.bounding;
  masks.effective = sets.effective;
  masks.permitted = sets.permitted;
  masks.inheritable = sets.inheritable;
  masks.ambient = sets.ambient;
  return masks;
}

Result<std::vector<monitor::ResourceLimit>> limits_of(const std::vector<Rlimit>& rlimits) {
  std::vector<monitor::ResourceLimit> limits;
  for (const Rlimit& rlimit : rlimits) {
    TRY_ASSIGN(const int number, rlimit_number(rlimit.type));
    limits.push_back({static_cast<std::uint64_t>(number), rlimit.soft, rlimit.hard});
  }
  return limits;
}

} // namespace

Result<std::shared_ptr<const ProcessSpec>> Runtime::State::process_spec(const Container& container) {
  {
    const std::lock_guard lock(process_specs_mutex);
    const auto found = process_specs.find(container.id);
    if (found != process_specs.end()) return found->second;
  }
  // After a restart of the daemon: what the container was started with is in its config.json.
  TRY_ASSIGN(const std::string config, read_file(paths.container(container.id) + "/config.json", std::size_t{8} << 20));
  TRY_ASSIGN(ProcessSpec spec, read_process_spec(config));
  auto shared = std::make_shared<const ProcessSpec>(std::move(spec));
  const std::lock_guard lock(process_specs_mutex);
  process_specs[container.id] = shared;
  return shared;
}

Result<monitor::ExecRequest> Runtime::State::exec_request(const Container& container,
                                                          const std::vector<std::string>& argv,
                                                          std::chrono::milliseconds timeout) {
  TRY_ASSIGN(const auto spec, process_spec(container));
  monitor::ExecRequest request;
  request.id = container.id;
  request.argv = argv;
  request.env = spec->env;
  request.cwd = spec->cwd;
  request.uid = spec->uid;
  request.gid = spec->gid;
  request.groups.assign(spec->additional_gids.begin(), spec->additional_gids.end());
  request.capabilities = masks_of(spec->capabilities);
  request.no_new_privileges = spec->no_new_privs;
  TRY_ASSIGN(request.rlimits, limits_of(spec->rlimits));
  if (spec->oom_score_adj) request.oom_score_adj = *spec->oom_score_adj;
  request.apparmor_profile = spec->apparmor_profile;
  if (spec->seccomp) {
    TRY_ASSIGN(const auto program, seccomp_compiler.compile(*spec->seccomp));
    request.seccomp = program->bpf;
    request.seccomp_flags = program->flags;
  }
  const auto tracking_mount = services.hierarchy.mode() == cgroups::Mode::v2
                                  ? services.hierarchy.unified_mount()
                                  : services.hierarchy.mount_of(cgroups::Controller::freezer);
  for (std::size_t i = 0; i < services.hierarchy.mounts().size(); ++i) {
    const std::string dir = services.hierarchy.mounts()[i].mount_point + container.cgroup_path;
    if (tracking_mount == i)
      request.tracking_cgroup = dir;
    else
      request.cgroup_procs.push_back(dir + "/cgroup.procs");
  }
  request.timeout_ms = static_cast<std::uint64_t>(timeout.count());
  return request;
}

} // namespace keelson::cri
