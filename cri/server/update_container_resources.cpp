#include "base/file.hpp"
#include "cgroups/group.hpp"
#include "cri/server/runtime_state.hpp"

namespace keelson::cri {

namespace {

// CRI: 0 and "" leave a value as it is.
Result<cgroups::Knobs> knobs_of(const v1::LinuxContainerResources& wanted, const v1::LinuxContainerResources& now) {
  cgroups::Knobs knobs;
  if (wanted.cpu_shares() > 0) knobs.cpu_shares = static_cast<std::uint64_t>(wanted.cpu_shares());
  if (wanted.cpu_quota() != 0) knobs.cpu_quota = std::chrono::microseconds(wanted.cpu_quota());
  if (wanted.cpu_period() > 0) knobs.cpu_period = std::chrono::microseconds(wanted.cpu_period());
  if (wanted.memory_limit_in_bytes() != 0) knobs.memory_limit = Bytes{wanted.memory_limit_in_bytes()};
  if (wanted.memory_swap_limit_in_bytes() != 0) {
    const std::int64_t memory =
        wanted.memory_limit_in_bytes() != 0 ? wanted.memory_limit_in_bytes() : now.memory_limit_in_bytes();
    const std::int64_t both = wanted.memory_swap_limit_in_bytes(); // memory and swap together, as on cgroup v1
    if (both > 0 && both < memory)
      return fail(Code::invalid_argument, "memory_swap_limit_in_bytes {} is below the memory limit {}", both, memory);
    knobs.swap_limit = both < 0 ? cgroups::kUnlimited : Bytes{both - memory};
  }
  if (!wanted.cpuset_cpus().empty()) {
    TRY_ASSIGN(knobs.cpuset_cpus, cgroups::CpuList::parse(wanted.cpuset_cpus()));
  }
  if (!wanted.cpuset_mems().empty()) {
    TRY_ASSIGN(knobs.cpuset_mems, cgroups::CpuList::parse(wanted.cpuset_mems()));
  }
  for (const v1::HugepageLimit& limit : wanted.hugepage_limits())
    knobs.hugetlb_limits[limit.page_size()] = Bytes{static_cast<std::int64_t>(limit.limit())};
  for (const auto& [file, value] : wanted.unified()) knobs.unified[file] = value;
  return knobs;
}

// The file is opened before the process is known to live: it is that process' file, whoever has the pid later.
Result<> set_oom_score_adj(const ProcessId& process, std::int64_t value) {
  TRY_ASSIGN(const UniqueFd file, open_at(AT_FDCWD, fmt::format("/proc/{}/oom_score_adj", process.pid), O_WRONLY));
  TRY_ASSIGN(const UniqueFd alive, open_process(process));
  const std::string text = std::to_string(value);
  if (::write(file.get(), text.data(), text.size()) < 0)
    return fail_errno(errno, "set the oom_score_adj of process {} to {}", process.pid, value);
  return {};
}

void merge(const v1::LinuxContainerResources& wanted, v1::LinuxContainerResources& into) {
  // Scalars that are set, and lists and maps as wholes.
  if (wanted.hugepage_limits_size() > 0) into.clear_hugepage_limits();
  into.MergeFrom(wanted);
}

} // namespace

Result<v1::UpdateContainerResourcesResponse>
Runtime::update_container_resources(const v1::UpdateContainerResourcesRequest& request) {
  TRY_ASSIGN(const auto container, state_->containers.find(request.container_id()));
  const auto lock = state_->locks.lock(container->id);
  ContainerPhase phase;
  v1::LinuxContainerResources now;
  ProcessId init;
  {
    const std::lock_guard guard(container->mutex);
    phase = container->phase;
    now = container->resources;
    init = container->init;
  }
  if (phase != ContainerPhase::created && phase != ContainerPhase::running)
    return fail(Code::failed_precondition, "container {} is {}: only a created or running one can be updated",
                container->id, to_string(phase));
  TRY_ASSIGN(const cgroups::Knobs knobs, knobs_of(request.linux(), now));
  TRY_ASSIGN(const auto group, cgroups::Group::open(state_->services.hierarchy, container->cgroup_path));
  TRY_CONTEXT(group.apply(knobs), "update container {}", container->config.metadata().name());
  if (request.linux().oom_score_adj() != 0 && request.linux().oom_score_adj() != now.oom_score_adj())
    TRY(set_oom_score_adj(init, request.linux().oom_score_adj()));
  {
    const std::lock_guard guard(container->mutex);
    merge(request.linux(), container->resources);
  }
  TRY(state_->save(*container));
  return v1::UpdateContainerResourcesResponse{};
}

} // namespace keelson::cri
