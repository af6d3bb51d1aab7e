#include "daemon/pods/agent_context.hpp"

#include "base/log.hpp"

#include <unistd.h>

#include <algorithm>

namespace keelson::daemon {

namespace {

constexpr unsigned kExecProbes = 32;
constexpr unsigned kStops = 128;
constexpr unsigned kWorkers = 16;

qos::Node complete(qos::Node node) {
  if (node.cpu.value == 0) node.cpu.value = std::max(::sysconf(_SC_NPROCESSORS_ONLN), 1L) * 1000;
  if (node.memory.value == 0) node.memory.value = ::sysconf(_SC_PHYS_PAGES) * ::sysconf(_SC_PAGE_SIZE);
  return node;
}

bool is_init(const api::Pod& pod, const std::string& container) {
  return std::any_of(pod.spec.init_containers.begin(), pod.spec.init_containers.end(),
                     [&](const api::Container& init) { return init.name == container; });
}

} // namespace

AgentContext::AgentContext(PodAgentOptions the_options, PodAgentServices services)
    : options(std::move(the_options))
    , runtime(services.runtime)
    , tiers(services.tiers)
    , loop(services.loop)
    , clock(services.clock)
    , prober(services.prober)
    , node(complete(options.capacity))
    , values(options.values)
    , events(services.clock)
    , volumes(options.root) {
  exec_probes.emplace("exec-probes", kExecProbes);
  pulls.emplace("image-pulls", std::max(options.parallel_pulls, 1U));
  slow.emplace("pod-stops", kStops);
  workers.emplace("pod-workers", kWorkers);
  allocatable["cpu"] = api::Quantity::from_milli(node.cpu.value);
  allocatable["memory"] = api::Quantity::from_value(node.memory.value, api::Quantity::Format::binary_si);
}

void AgentContext::add_event(const api::Pod& pod, EventType type, std::string reason, std::string message,
                             const std::string& container) {
  Event event;
  event.type = type;
  event.reason = std::move(reason);
  event.object = "pod/" + full_name(pod);
  event.uid = pod.metadata.uid;
  event.message = std::move(message);
  if (!container.empty())
    event.field_path =
        fmt::format("spec.{}{{{}}}", is_init(pod, container) ? "initContainers" : "containers", container);
  if (type == EventType::warning)
    log::warning("{}: {}: {}", event.object, event.reason, event.message);
  else
    log::debug("{}: {}: {}", event.object, event.reason, event.message);
  events.add(std::move(event));
}

} // namespace keelson::daemon
