#include "qos/values.hpp"

#include "api/pod_resources.hpp"
#include "cgroups/hugetlb_values.hpp"
#include "qos/qos_class.hpp"

#include <unistd.h>

#include <algorithm>

namespace keelson::qos {

namespace {

using api::Quantity;
using api::ResourceList;
using cgroups::Knob;

// Sets knobs together with their sources.
class Setter {
 public:
  explicit Setter(SourcedKnobs& out)
      : out_(out) {}

  void shares(MilliCpu cpu, std::string source) {
    out_.knobs.cpu_shares = shares_of(cpu);
    note(Knob::cpu_shares, std::move(source));
  }
  void quota(MilliCpu cpu, const ValueOptions& options, const std::string& source) {
    out_.knobs.cpu_period = options.cpu_period;
    note(Knob::cpu_period, "configuration");
    out_.knobs.cpu_quota = options.cpu_quota ? quota_of(cpu, options.cpu_period) : std::chrono::microseconds{-1};
    note(Knob::cpu_quota, options.cpu_quota ? source : "configuration: quota is off");
  }
  void memory(Bytes limit, std::string source) {
    out_.knobs.memory_limit = limit;
    note(Knob::memory_limit, std::move(source));
  }
  void no_swap() {
    out_.knobs.swap_limit = Bytes{0};
    note(Knob::swap_limit, "configuration: no swap");
  }
  void unified(const std::string& file, std::string value, std::string source) {
    out_.knobs.unified[file] = std::move(value);
    out_.sources["unified." + file] = std::move(source);
  }
  // Every page size that the node has: what was not asked for is not allowed.
  void huge_pages(const ResourceList& limits, const Node& node, const std::string& path) {
    for (const std::string& size : node.huge_page_sizes) {
      out_.knobs.hugetlb_limits[size] = Bytes{0};
      out_.sources["hugetlb_limits." + size] = "none asked for";
    }
    for (const auto& [name, quantity] : limits) {
      constexpr std::string_view kPrefix = "hugepages-";
      if (!name.starts_with(kPrefix)) continue;
      const auto bytes = Quantity::parse(name.substr(kPrefix.size()));
      if (!bytes) continue; // validation has refused it
      const auto size = cgroups::huge_page_name(bytes->bytes());
      if (!size) continue;
      out_.knobs.hugetlb_limits[*size] = quantity.bytes();
      out_.sources["hugetlb_limits." + *size] = path + "." + name;
    }
  }

 private:
  void note(Knob knob, std::string source) { out_.sources[std::string(to_string(knob))] = std::move(source); }
  SourcedKnobs& out_;
};

bool is_set(const ResourceList& list, const char* resource) {
  return api::amount_of(list, resource).sign() > 0;
}

// Where a pod's value comes from: the pod-level field, or the fields that were added up.
std::string pod_source(const api::Pod& pod, const char* list_name, const char* resource) {
  const bool limits = std::string_view(list_name) == "limits";
  const auto list_of = [&](const api::ResourceRequirements& resources) -> const ResourceList& {
    return limits ? resources.limits : resources.requests;
  };
  const std::string overhead =
      pod.spec.overhead.contains(resource) ? fmt::format(" + spec.overhead.{}", resource) : std::string();
  if (pod.spec.resources && list_of(*pod.spec.resources).contains(resource)) {
    return fmt::format("spec.resources.{}.{}{}", list_name, resource, overhead);
  }
  std::vector<std::string> fields;
  const auto collect = [&](const std::vector<api::Container>& containers, std::string_view name) {
    for (std::size_t i = 0; i < containers.size(); ++i) {
      if (!is_set(list_of(containers[i].resources), resource)) continue;
      fields.push_back(fmt::format("spec.{}[{}].resources.{}.{}", name, i, list_name, resource));
    }
  };
  collect(pod.spec.containers, "containers");
  const std::size_t regular = fields.size();
  collect(pod.spec.init_containers, "initContainers");
  if (fields.empty()) return fmt::format("no {} {}{}", resource, limits ? "limit" : "request", overhead);
  if (fields.size() == 1) return fields.front() + overhead;
  const std::string sum = fmt::format("{}", fmt::join(fields, " + "));
  return (regular == fields.size() ? sum : "larger of running and starting: " + sum) + overhead;
}

bool every_container_limits(const api::Pod& pod, const char* resource) {
  if (pod.spec.resources && is_set(pod.spec.resources->limits, resource)) return true;
  const auto limited = [&](const api::Container& container) { return is_set(container.resources.limits, resource); };
  return std::all_of(pod.spec.containers.begin(), pod.spec.containers.end(), limited) &&
         std::all_of(pod.spec.init_containers.begin(), pod.spec.init_containers.end(), limited);
}

std::string container_path(const api::Pod& pod, const api::Container& container) {
  const auto search = [&](const std::vector<api::Container>& containers, std::string_view list) -> std::string {
    for (std::size_t i = 0; i < containers.size(); ++i) {
      if (containers[i].name == container.name) return fmt::format("spec.{}[{}].resources", list, i);
    }
    return {};
  };
  for (const auto& [containers, list] :
       {std::pair(&pod.spec.containers, "containers"), std::pair(&pod.spec.init_containers, "initContainers")}) {
    if (std::string path = search(*containers, list); !path.empty()) return path;
  }
  return "container " + container.name;
}

struct Amount {
  Quantity quantity; // zero: none
  std::string source;
};

// A container without a limit of its own is bounded by the pod's (KEP-2837).
Amount container_limit(const api::Pod& pod, const api::Container& container, const char* resource,
                       const std::string& path) {
  if (is_set(container.resources.limits, resource)) {
    return {api::amount_of(container.resources.limits, resource), fmt::format("{}.limits.{}", path, resource)};
  }
  if (pod.spec.resources && is_set(pod.spec.resources->limits, resource)) {
    return {api::amount_of(pod.spec.resources->limits, resource), fmt::format("spec.resources.limits.{}", resource)};
  }
  return {};
}

void set_container_cpu(Setter& set, const api::Pod& pod, const api::Container& container, const std::string& path,
                       const ValueOptions& options) {
  const Amount limit = container_limit(pod, container, "cpu", path);
  const bool requested = container.resources.requests.contains("cpu");
  if (!requested && limit.quantity.sign() > 0) {
    set.shares(limit.quantity.milli_cpu(), limit.source);
  } else {
    set.shares(api::amount_of(container.resources.requests, "cpu").milli_cpu(),
               requested ? path + ".requests.cpu" : "no cpu request");
  }
  if (limit.quantity.sign() > 0) set.quota(limit.quantity.milli_cpu(), options, limit.source);
}

// KEP-2570: requests are protected, and reclaim begins between request and limit.
void set_container_memory_qos(Setter& set, const api::Pod& pod, const api::Container& container, const Node& node,
                              const ValueOptions& options) {
  const std::int64_t request = api::amount_of(container.resources.requests, "memory").value();
  const std::string path = container_path(pod, container);
  if (request > 0) set.unified("memory.min", fmt::format("{}", request), path + ".requests.memory");
  if (class_of(pod) == QosClass::guaranteed) return;
  const Amount limit = container_limit(pod, container, "memory", path);
  const std::int64_t bound = limit.quantity.sign() > 0 ? limit.quantity.value() : node.memory.value;
  const double throttled = static_cast<double>(request) +
                           options.memory_throttling * static_cast<double>(std::max<std::int64_t>(bound - request, 0));
  const std::int64_t page = ::sysconf(_SC_PAGESIZE);
  const std::int64_t high = static_cast<std::int64_t>(throttled) / page * page;
  if (high > request) {
    set.unified("memory.high", fmt::format("{}", high),
                limit.source.empty() ? "node memory and memory throttling" : limit.source + " and memory throttling");
  }
}

} // namespace

std::string SourcedKnobs::source_of(const cgroups::Write& write) const {
  std::string key(to_string(write.knob));
  if (write.knob == Knob::unified) key += "." + write.file;
  if (write.knob == Knob::hugetlb_limits) { // hugetlb.2MB.limit_in_bytes
    const std::size_t start = write.file.find('.');
    const std::size_t end = write.file.find('.', start + 1);
    if (start != std::string::npos && end != std::string::npos) key += write.file.substr(start, end - start);
  }
  const auto found = sources.find(key);
  if (found != sources.end()) return found->second;
  // One file holds quota and period on v2.
  const auto quota = sources.find(std::string(to_string(Knob::cpu_quota)));
  return write.knob == Knob::cpu_period && quota != sources.end() ? quota->second : std::string();
}

SourcedKnobs pod_values(const api::Pod& pod, const Node& node, const ValueOptions& options) {
  SourcedKnobs out;
  Setter set(out);
  const QosClass qos_class = class_of(pod);
  const ResourceList requests = api::pod_requests(pod);
  const ResourceList limits = api::pod_limits(pod);
  if (qos_class == QosClass::best_effort) {
    set.shares(MilliCpu{0}, "class BestEffort");
  } else {
    set.shares(api::amount_of(requests, "cpu").milli_cpu(), pod_source(pod, "requests", "cpu"));
    if (every_container_limits(pod, "cpu")) {
      set.quota(api::amount_of(limits, "cpu").milli_cpu(), options, pod_source(pod, "limits", "cpu"));
    }
    if (every_container_limits(pod, "memory")) {
      set.memory(api::amount_of(limits, "memory").bytes(), pod_source(pod, "limits", "memory"));
    }
  }
  set.huge_pages(requests, node, "pod requests");
  const Bytes protected_memory = api::amount_of(requests, "memory").bytes();
  if (options.memory_qos && options.version == cgroups::Version::v2 && protected_memory.value > 0) {
    set.unified("memory.min", fmt::format("{}", protected_memory.value), pod_source(pod, "requests", "memory"));
  }
  return out;
}

ContainerValues container_values(const api::Pod& pod, const api::Container& container, const Node& node,
                                 const ValueOptions& options) {
  ContainerValues out;
  Setter set(out.knobs);
  const std::string path = container_path(pod, container);
  set_container_cpu(set, pod, container, path, options);
  const Amount memory = container_limit(pod, container, "memory", path);
  if (memory.quantity.sign() > 0) {
    set.memory(memory.quantity.bytes(), memory.source);
    if (!options.swap) set.no_swap();
  }
  set.huge_pages(container.resources.limits, node, path + ".limits");
  if (options.version == cgroups::Version::v2) {
    if (options.oom_kills_group) set.unified("memory.oom.group", "1", "configuration: an OOM kill takes the container");
    if (options.memory_qos) set_container_memory_qos(set, pod, container, node, options);
  }
  out.oom = oom_score(pod, container, node.memory);
  return out;
}

CriResources cri_resources(const ContainerValues& values) {
  const cgroups::Knobs& knobs = values.knobs.knobs;
  CriResources out;
  out.cpu_shares = static_cast<std::int64_t>(knobs.cpu_shares.value_or(0));
  out.cpu_period = knobs.cpu_period.value_or(std::chrono::microseconds{0}).count();
  out.cpu_quota = knobs.cpu_quota.value_or(std::chrono::microseconds{0}).count();
  out.memory_limit_in_bytes = knobs.memory_limit.value_or(Bytes{0}).value;
  if (knobs.memory_limit && knobs.swap_limit) {
    out.memory_swap_limit_in_bytes = knobs.memory_limit->value + knobs.swap_limit->value;
  }
  out.oom_score_adj = values.oom.value;
  for (const auto& [size, limit] : knobs.hugetlb_limits) {
    out.hugepage_limits[size] = static_cast<std::uint64_t>(std::max<std::int64_t>(limit.value, 0));
  }
  out.unified = knobs.unified;
  return out;
}

MilliCpu cpu_request_of(const api::Pod& pod) {
  return api::amount_of(api::pod_requests(pod), "cpu").milli_cpu();
}

SourcedKnobs burstable_tier_values(MilliCpu requested, std::size_t pods) {
  SourcedKnobs out;
  Setter(out).shares(requested, fmt::format("cpu requests of {} burstable pod{}", pods, pods == 1 ? "" : "s"));
  return out;
}

SourcedKnobs best_effort_tier_values() {
  SourcedKnobs out;
  Setter(out).shares(MilliCpu{0}, "tier besteffort");
  return out;
}

SourcedKnobs root_tier_values(const Node& allocatable) {
  SourcedKnobs out;
  Setter set(out);
  if (allocatable.cpu.value > 0) set.shares(allocatable.cpu, "node allocatable cpu");
  if (allocatable.memory.value > 0) set.memory(allocatable.memory, "node allocatable memory");
  return out;
}

} // namespace keelson::qos
