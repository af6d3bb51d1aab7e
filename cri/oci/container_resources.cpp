#include "cri/oci/container_resources.hpp"

#include "base/text.hpp"
#include "cri/proto/runtime_v1.pb.h"

#include <boost/json.hpp>

#include <algorithm>
#include <array>

namespace keelson::cri {
namespace {

using boost::json::array;
using boost::json::object;
using runtime::v1::LinuxContainerResources;

Result<> check_not_negative(std::int64_t value, std::string_view field) {
  if (value < 0) return fail(Code::invalid_argument, "resources.{} is {}; it cannot be negative", field, value);
  return {};
}

// "0-3,7": numbers, commas and hyphens; the kernel checks the rest.
Result<> check_cpu_list(const std::string& list, std::string_view field) {
  if (list.size() > 4096 || list.find_first_not_of("0123456789,-") != std::string::npos)
    return fail(Code::invalid_argument, "resources.{} \"{}\" is not a list like 0-3,7", field, printable(list, 64));
  return {};
}

Result<object> build_cpu(const LinuxContainerResources& resources) {
  TRY(check_not_negative(resources.cpu_shares(), "cpu_shares"));
  TRY(check_not_negative(resources.cpu_period(), "cpu_period"));
  TRY(check_cpu_list(resources.cpuset_cpus(), "cpuset_cpus"));
  TRY(check_cpu_list(resources.cpuset_mems(), "cpuset_mems"));
  object cpu;
  if (resources.cpu_shares() != 0) cpu["shares"] = resources.cpu_shares();
  if (resources.cpu_quota() != 0) cpu["quota"] = resources.cpu_quota();
  if (resources.cpu_period() != 0) cpu["period"] = resources.cpu_period();
  if (!resources.cpuset_cpus().empty()) cpu["cpus"] = resources.cpuset_cpus();
  if (!resources.cpuset_mems().empty()) cpu["mems"] = resources.cpuset_mems();
  return cpu;
}

Result<object> build_memory(const LinuxContainerResources& resources, const NodeFacts& node,
                            std::vector<std::string>& warnings) {
  TRY(check_not_negative(resources.memory_limit_in_bytes(), "memory_limit_in_bytes"));
  const std::int64_t limit = resources.memory_limit_in_bytes();
  const std::int64_t swap = resources.memory_swap_limit_in_bytes();
  if (swap < -1)
    return fail(Code::invalid_argument, "resources.memory_swap_limit_in_bytes is {}; the least is -1", swap);
  if (swap > 0 && swap < limit)
    return fail(Code::invalid_argument,
                "resources.memory_swap_limit_in_bytes {} is below memory_limit_in_bytes {}; it counts memory and swap",
                swap, limit);
  object memory;
  if (limit != 0) memory["limit"] = limit;
  if (node.swap_accounting) {
    // The sum of memory and swap. A container with a memory limit gets no swap unless it asks for some.
    if (swap != 0)
      memory["swap"] = swap;
    else if (limit != 0)
      memory["swap"] = limit;
  } else if (swap > limit) {
    warnings.emplace_back("memory_swap_limit_in_bytes is ignored: this kernel does not account swap");
  }
  return memory;
}

bool valid_page_size(std::string_view size) {
  const std::size_t digits = size.find_first_not_of("0123456789");
  if (digits == 0 || digits == std::string_view::npos || size.front() == '0') return false;
  const std::string_view unit = size.substr(digits);
  return unit == "KB" || unit == "MB" || unit == "GB";
}

Result<array> build_hugepages(const LinuxContainerResources& resources, const NodeFacts& node,
                              std::vector<std::string>& warnings) {
  array limits;
  for (const auto& limit : resources.hugepage_limits()) {
    if (!valid_page_size(limit.page_size()))
      return fail(Code::invalid_argument, "resources.hugepage_limits: page size \"{}\" is not like 2MB",
                  printable(limit.page_size(), 32));
    limits.push_back(object{{"pageSize", limit.page_size()}, {"limit", limit.limit()}});
  }
  if (node.hugetlb || limits.empty()) return limits;
  const bool real = std::any_of(resources.hugepage_limits().begin(), resources.hugepage_limits().end(),
                                [](const auto& limit) { return limit.limit() != 0; });
  if (real) warnings.emplace_back("hugepage_limits are ignored: this node has no hugetlb cgroup controller");
  return array();
}

// Interface files of a controller (Documentation/admin-guide/cgroup-v2.rst): "memory.high". cgroup.* would move
// processes or change the tree, and a slash would leave the directory.
bool valid_unified_key(std::string_view key) {
  static constexpr std::array<std::string_view, 9> kControllers = {"cpu",     "cpuset", "io",   "memory", "pids",
                                                                   "hugetlb", "rdma",   "misc", "dmem"};
  const std::size_t dot = key.find('.');
  if (dot == std::string_view::npos || dot + 1 == key.size()) return false;
  if (std::find(kControllers.begin(), kControllers.end(), key.substr(0, dot)) == kControllers.end()) return false;
  return key.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.") ==
         std::string_view::npos;
}

Result<object> build_unified(const LinuxContainerResources& resources, const NodeFacts& node) {
  object unified;
  if (resources.unified().empty()) return unified;
  if (!node.cgroup_v2) return fail(Code::failed_precondition, "resources.unified needs cgroup v2; this node has v1");
  // A protobuf map has no order; config.json has one, so that equal input gives equal text.
  std::vector<std::pair<std::string, std::string>> entries(resources.unified().begin(), resources.unified().end());
  std::sort(entries.begin(), entries.end());
  for (const auto& [key, value] : entries) {
    if (!valid_unified_key(key))
      return fail(Code::invalid_argument, "resources.unified: \"{}\" is not a controller's file such as memory.high",
                  printable(key, 64));
    if (!is_valid_utf8(value) || std::any_of(value.begin(), value.end(), [](unsigned char c) { return c < ' '; }))
      return fail(Code::invalid_argument, "resources.unified: the value of {} has control characters", key);
    unified[key] = value;
  }
  return unified;
}

object device_rule(const HostDevice& device) {
  return {{"allow", true},
          {"type", std::string(1, device.type)},
          {"major", device.major},
          {"minor", device.minor},
          {"access", device.permissions}};
}

array build_device_rules(const SpecInput& input) {
  array rules;
  if (input.container.linux().security_context().privileged()) {
    rules.push_back(object{{"allow", true}, {"access", "rwm"}});
    return rules;
  }
  rules.push_back(object{{"allow", false}, {"access", "rwm"}});
  // null, zero, full, random, urandom, tty, console, ptmx and every pts: Documentation/admin-guide/devices.txt.
  struct Number {
    unsigned major, minor;
  };
  for (const Number& number :
       {Number{1, 3}, Number{1, 5}, Number{1, 7}, Number{1, 8}, Number{1, 9}, Number{5, 0}, Number{5, 1}, Number{5, 2}})
    rules.push_back(
        object{{"allow", true}, {"type", "c"}, {"major", number.major}, {"minor", number.minor}, {"access", "rwm"}});
  rules.push_back(object{{"allow", true}, {"type", "c"}, {"major", 136}, {"access", "rwm"}});
  for (const HostDevice& device : input.devices) rules.push_back(device_rule(device));
  return rules;
}

} // namespace

Result<object> build_resources(const SpecInput& input, std::vector<std::string>& warnings) {
  const LinuxContainerResources& asked = input.container.linux().resources();
  object resources;
  resources["devices"] = build_device_rules(input);
  TRY_ASSIGN(object cpu, build_cpu(asked));
  TRY_ASSIGN(object memory, build_memory(asked, input.node, warnings));
  TRY_ASSIGN(array hugepages, build_hugepages(asked, input.node, warnings));
  TRY_ASSIGN(object unified, build_unified(asked, input.node));
  if (!cpu.empty()) resources["cpu"] = std::move(cpu);
  if (!memory.empty()) resources["memory"] = std::move(memory);
  if (input.pids_limit > 0) resources["pids"] = object{{"limit", input.pids_limit}};
  if (!hugepages.empty()) resources["hugepageLimits"] = std::move(hugepages);
  if (!unified.empty()) resources["unified"] = std::move(unified);
  return resources;
}

} // namespace keelson::cri
