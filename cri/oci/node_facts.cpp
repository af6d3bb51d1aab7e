#include "cri/oci/node_facts.hpp"

#include "base/file.hpp"
#include "base/text.hpp"
#include "cri/oci/process_spec.hpp"

#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include <algorithm>

namespace keelson::cri {
namespace {

std::uint64_t status_mask(std::string_view status, std::string_view key, std::uint64_t fallback) {
  for (const std::string_view line : split(status, '\n')) {
    const auto words = split_words(line);
    if (words.size() != 2 || words[0] != key) continue;
    const auto mask = parse_int<std::uint64_t>(words[1], 16);
    return mask ? *mask : fallback;
  }
  return fallback;
}

KernelVersion kernel_version() {
  utsname name{};
  if (::uname(&name) != 0) return {};
  const auto parts = split(name.release, '.');
  if (parts.size() < 2) return {};
  const std::string_view minor = parts[1].substr(0, parts[1].find_first_not_of("0123456789"));
  return {parse_int<unsigned>(parts[0]).value_or(0), parse_int<unsigned>(minor).value_or(0)};
}

std::vector<NodeFacts::HardLimit> own_hard_limits() {
  std::vector<NodeFacts::HardLimit> limits;
  for (const char* type : {"RLIMIT_AS", "RLIMIT_CORE", "RLIMIT_CPU", "RLIMIT_DATA", "RLIMIT_FSIZE", "RLIMIT_LOCKS",
                           "RLIMIT_MEMLOCK", "RLIMIT_MSGQUEUE", "RLIMIT_NICE", "RLIMIT_NOFILE", "RLIMIT_NPROC",
                           "RLIMIT_RSS", "RLIMIT_RTPRIO", "RLIMIT_RTTIME", "RLIMIT_SIGPENDING", "RLIMIT_STACK"}) {
    const auto number = rlimit_number(type);
    rlimit limit{};
    if (number && ::getrlimit(static_cast<__rlimit_resource>(*number), &limit) == 0)
      limits.push_back({type, limit.rlim_max});
  }
  return limits;
}

// The file of swap limits is missing in the root cgroup of v2: look into the first child that has memory control.
bool has_swap_accounting(bool cgroup_v2) {
  const std::string root = "/sys/fs/cgroup";
  if (!cgroup_v2) return exists(root + "/memory/memory.memsw.limit_in_bytes");
  const auto names = list_dir(root);
  if (!names) return false;
  return std::any_of(names->begin(), names->end(),
                     [&](const std::string& name) { return exists(root + "/" + name + "/memory.swap.max"); });
}

bool has_hugetlb(bool cgroup_v2) {
  if (!cgroup_v2) return exists("/sys/fs/cgroup/hugetlb");
  const auto controllers = read_file("/sys/fs/cgroup/cgroup.controllers");
  if (!controllers) return false;
  const auto words = split_words(*controllers);
  return std::find(words.begin(), words.end(), "hugetlb") != words.end();
}

} // namespace

NodeFacts detect_node_facts(bool cgroup_v2) {
  NodeFacts facts;
  facts.cgroup_v2 = cgroup_v2;
  facts.swap_accounting = has_swap_accounting(cgroup_v2);
  facts.hugetlb = has_hugetlb(cgroup_v2);
  facts.seccomp = exists("/proc/sys/kernel/seccomp/actions_avail");
  facts.selinux = exists("/sys/fs/selinux/enforce");
  const auto apparmor = read_file("/sys/module/apparmor/parameters/enabled");
  facts.apparmor = apparmor && trim(*apparmor) == "Y";
  const std::string status = read_file("/proc/self/status").value_or("");
  facts.bounding =
      status_mask(status, "CapBnd:", ~std::uint64_t{0}) & status_mask(status, "CapPrm:", ~std::uint64_t{0});
  facts.cap_sys_resource = (status_mask(status, "CapEff:", 0) >> CAP_SYS_RESOURCE & 1) != 0;
  const auto score = read_file("/proc/self/oom_score_adj");
  facts.min_oom_score_adj = score ? parse_int<int>(trim(*score)).value_or(0) : 0;
  if (facts.cap_sys_resource) facts.min_oom_score_adj = -1000;
  facts.kernel = kernel_version();
  facts.hard_limits = own_hard_limits();
  return facts;
}

} // namespace keelson::cri
