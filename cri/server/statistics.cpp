// Usage of containers and sandboxes, read from cgroups, overlay layers and interfaces when somebody asks.
#include "cgroups/group.hpp"
#include "cri/server/runtime_state.hpp"
#include "netns/interface_stats.hpp"
#include "netns/pinned_namespaces.hpp"

namespace keelson::cri {

namespace {

constexpr std::chrono::milliseconds kShortestSample{100}; // a rate over less would be noise

void fill_pressure(const std::optional<cgroups::Pressure>& from, v1::PsiStats* (*make)(void*), void* target) {
  if (!from) return;
  const auto fill = [](const cgroups::PressureLine& line, v1::PsiData& data) {
    data.set_total(static_cast<std::uint64_t>(line.total.count()));
    data.set_avg10(line.avg10);
    data.set_avg60(line.avg60);
    data.set_avg300(line.avg300);
  };
  v1::PsiStats* stats = make(target);
  fill(from->some, *stats->mutable_some());
  if (from->full) fill(*from->full, *stats->mutable_full());
}

template <class Message>
void add_pressure(const std::optional<cgroups::Pressure>& from, Message& message) {
  fill_pressure(
      from, [](void* m) { return static_cast<Message*>(m)->mutable_psi(); }, &message);
}

void fill_memory(const cgroups::MemoryUsage& from, std::int64_t now, v1::MemoryUsage& memory) {
  memory.set_timestamp(now);
  memory.mutable_usage_bytes()->set_value(from.usage);
  memory.mutable_working_set_bytes()->set_value(from.working_set);
  memory.mutable_rss_bytes()->set_value(from.rss);
  memory.mutable_page_faults()->set_value(from.page_faults);
  memory.mutable_major_page_faults()->set_value(from.major_page_faults);
  if (from.limit) memory.mutable_available_bytes()->set_value(*from.limit - std::min(*from.limit, from.working_set));
  add_pressure(from.pressure, memory);
}

void fill_interface(const netns::InterfaceStats& from, v1::NetworkInterfaceUsage& usage) {
  usage.set_name(from.name);
  usage.mutable_rx_bytes()->set_value(from.rx_bytes);
  usage.mutable_rx_errors()->set_value(from.rx_errors);
  usage.mutable_tx_bytes()->set_value(from.tx_bytes);
  usage.mutable_tx_errors()->set_value(from.tx_errors);
}

void fill_attributes(const Container& container, v1::ContainerAttributes& attributes) {
  attributes.set_id(container.id);
  *attributes.mutable_metadata() = container.config.metadata();
  *attributes.mutable_labels() = container.config.labels();
  *attributes.mutable_annotations() = container.config.annotations();
}

Result<cgroups::Statistics> read_statistics(const cgroups::Hierarchy& hierarchy, const std::string& path) {
  TRY_ASSIGN(const auto group, cgroups::Group::open(hierarchy, path));
  return group.statistics();
}

} // namespace

std::uint64_t Runtime::State::cpu_rate(const std::string& cgroup_path, std::uint64_t usage_nanos, SteadyTime now) {
  const std::lock_guard lock(cpu_samples_mutex);
  CpuSample& last = cpu_samples[cgroup_path];
  const auto elapsed = now - last.at;
  if (last.at == SteadyTime{} || usage_nanos < last.usage_nanos) {
    last = {now, usage_nanos, 0};
  } else if (elapsed >= kShortestSample) {
    const double seconds = std::chrono::duration<double>(elapsed).count();
    last = {now, usage_nanos,
            static_cast<std::uint64_t>(static_cast<double>(usage_nanos - last.usage_nanos) / seconds)};
  }
  return last.rate_nano_cores;
}

void Runtime::State::forget_cpu(const std::string& cgroup_path) {
  const std::lock_guard lock(cpu_samples_mutex);
  cpu_samples.erase(cgroup_path);
}

Result<v1::ContainerStats> Runtime::State::container_stats(const Container& container) {
  const WallTime wall = services.clock.wall_now();
  const std::int64_t now = unix_nanos(wall);
  v1::ContainerStats stats;
  fill_attributes(container, *stats.mutable_attributes());
  if (const auto usage = rootfs->usage(container.id)) {
    v1::FilesystemUsage& layer = *stats.mutable_writable_layer();
    layer.set_timestamp(unix_nanos(usage->taken_at));
    layer.mutable_fs_id()->set_mountpoint(paths.root);
    layer.mutable_used_bytes()->set_value(usage->bytes);
    layer.mutable_inodes_used()->set_value(usage->inodes);
  }
  const ContainerPhase phase = container.current_phase();
  if (phase != ContainerPhase::created && phase != ContainerPhase::running) return stats; // its cgroup is gone
  const auto statistics = read_statistics(services.hierarchy, container.cgroup_path);
  if (!statistics) {
    if (statistics.error().code == Code::not_found) return stats; // it ended this moment
    return Fail(statistics.error());
  }
  if (statistics->cpu) {
    const auto used = static_cast<std::uint64_t>(statistics->cpu->usage.count());
    stats.mutable_cpu()->set_timestamp(now);
    stats.mutable_cpu()->mutable_usage_core_nano_seconds()->set_value(used);
    stats.mutable_cpu()->mutable_usage_nano_cores()->set_value(
        cpu_rate(container.cgroup_path, used, services.clock.now()));
    add_pressure(statistics->cpu->pressure, *stats.mutable_cpu());
  }
  if (statistics->memory) {
    fill_memory(*statistics->memory, now, *stats.mutable_memory());
    stats.mutable_swap()->set_timestamp(now);
    stats.mutable_swap()->mutable_swap_usage_bytes()->set_value(statistics->memory->swap);
  }
  if (statistics->io && statistics->io->pressure) {
    stats.mutable_io()->set_timestamp(now);
    add_pressure(statistics->io->pressure, *stats.mutable_io());
  }
  return stats;
}

Result<v1::PodSandboxStats> Runtime::State::sandbox_stats(const Sandbox& sandbox) {
  const WallTime wall = services.clock.wall_now();
  const std::int64_t now = unix_nanos(wall);
  v1::PodSandboxStats stats;
  stats.mutable_attributes()->set_id(sandbox.id);
  *stats.mutable_attributes()->mutable_metadata() = sandbox.config.metadata();
  *stats.mutable_attributes()->mutable_labels() = sandbox.config.labels();
  *stats.mutable_attributes()->mutable_annotations() = sandbox.config.annotations();
  v1::LinuxPodSandboxStats& linux_stats = *stats.mutable_linux();
  for (const auto& container : containers_of(sandbox.id)) {
    TRY_ASSIGN(*linux_stats.add_containers(), container_stats(*container));
  }
  if (const auto statistics = read_statistics(services.hierarchy, sandbox.cgroup_parent)) {
    if (statistics->cpu) {
      const auto used = static_cast<std::uint64_t>(statistics->cpu->usage.count());
      linux_stats.mutable_cpu()->set_timestamp(now);
      linux_stats.mutable_cpu()->mutable_usage_core_nano_seconds()->set_value(used);
      linux_stats.mutable_cpu()->mutable_usage_nano_cores()->set_value(
          cpu_rate(sandbox.cgroup_parent, used, services.clock.now()));
      add_pressure(statistics->cpu->pressure, *linux_stats.mutable_cpu());
    }
    if (statistics->memory) fill_memory(*statistics->memory, now, *linux_stats.mutable_memory());
    if (statistics->pids) {
      linux_stats.mutable_process()->set_timestamp(now);
      linux_stats.mutable_process()->mutable_process_count()->set_value(statistics->pids->current);
    }
  }
  if (sandbox.host_network() || sandbox.current_phase() != SandboxPhase::ready) return stats;
  TRY_ASSIGN(const UniqueFd net, netns::open_pinned_namespace(paths.namespaces(sandbox.id), netns::NamespaceKind::net));
  TRY_ASSIGN(const auto interfaces, netns::read_interface_stats(net.get()));
  v1::NetworkUsage& network = *linux_stats.mutable_network();
  network.set_timestamp(now);
  for (const netns::InterfaceStats& interface : interfaces) {
    const bool is_default = interface.name == netns::kPodInterface;
    fill_interface(interface, is_default ? *network.mutable_default_interface() : *network.add_interfaces());
  }
  return stats;
}

} // namespace keelson::cri
