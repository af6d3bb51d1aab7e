#include "cri/monitor/credentials.hpp"

#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <vector>

namespace keelson::cri::monitor {
namespace {

constexpr int kCapabilityBits = 64;
constexpr std::uint64_t kMaxId =
    std::numeric_limits<std::uint32_t>::max() - 1; // all ones means "unchanged" to the kernel

bool has(std::uint64_t mask, int capability) {
  return ((mask >> capability) & 1) != 0;
}

Result<> set_capabilities(std::uint64_t effective, std::uint64_t permitted, std::uint64_t inheritable) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  for (unsigned half = 0; half < 2; ++half) {
    data[half].effective = static_cast<std::uint32_t>(effective >> (32 * half));
    data[half].permitted = static_cast<std::uint32_t>(permitted >> (32 * half));
    data[half].inheritable = static_cast<std::uint32_t>(inheritable >> (32 * half));
  }
  if (::syscall(SYS_capset, &header, data) != 0) return fail_errno(errno, "set capabilities");
  return {};
}

Result<std::uint64_t> permitted_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  if (::syscall(SYS_capget, &header, data) != 0) return fail_errno(errno, "read capabilities");
  return (std::uint64_t{data[1].permitted} << 32) | data[0].permitted;
}

Result<> drop_bounding(std::uint64_t kept) {
  for (int capability = 0; capability < kCapabilityBits; ++capability) {
    if (has(kept, capability)) continue;
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0) continue;
    if (errno == EINVAL) break; // beyond the last one that this kernel knows
    return fail_errno(errno, "drop capability {} from the bounding set", capability);
  }
  return {};
}

Result<> set_user(const ExecRequest& request) {
  if (::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return fail_errno(errno, "keep capabilities");
  std::vector<gid_t> groups;
  for (const std::uint64_t group : request.groups) groups.push_back(static_cast<gid_t>(group));
  // A user namespace that forbids setgroups(2) has no supplementary groups to drop.
  if (::setgroups(groups.size(), groups.data()) != 0 && !(errno == EPERM && groups.empty()))
    return fail_errno(errno, "set supplementary groups");
  const auto gid = static_cast<gid_t>(request.gid);
  const auto uid = static_cast<uid_t>(request.uid);
  if (::setresgid(gid, gid, gid) != 0) return fail_errno(errno, "become group {}", gid);
  if (::setresuid(uid, uid, uid) != 0) return fail_errno(errno, "become user {}", uid);
  return {};
}

Result<> raise_ambient(std::uint64_t mask) {
  if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0)
    return fail_errno(errno, "clear ambient capabilities");
  for (int capability = 0; capability < kCapabilityBits; ++capability)
    if (has(mask, capability) && ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) != 0)
      return fail_errno(errno, "raise ambient capability {}", capability);
  return {};
}

Result<> load_seccomp(const ExecRequest& request) {
  if (request.seccomp.empty()) return {};
  std::vector<sock_filter> filter(request.seccomp.size() / sizeof(sock_filter));
  request.seccomp.copy(reinterpret_cast<char*>(filter.data()), request.seccomp.size());
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, request.seccomp_flags, &program) != 0)
    return fail_errno(errno, "load the seccomp filter");
  return {};
}

} // namespace

Result<> apply_credentials(const ExecRequest& request) {
  const CapabilityMasks& wanted = request.capabilities;
  TRY_ASSIGN(const std::uint64_t all, permitted_capabilities());
  TRY(drop_bounding(wanted.bounding));
  TRY(set_user(request));
  if (!request.no_new_privileges && !request.seccomp.empty()) {
    TRY(set_capabilities(all, all, 0)); // changing the user has emptied the effective set
    TRY(load_seccomp(request));
  }
  // What the monitor itself does not have cannot be given.
  TRY(set_capabilities(wanted.effective & all, wanted.permitted & all, wanted.inheritable & wanted.bounding & all));
  TRY(raise_ambient(wanted.ambient & wanted.permitted & wanted.inheritable & wanted.bounding & all));
  if (::prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) != 0) return fail_errno(errno, "stop keeping capabilities");
  if (!request.no_new_privileges) return {};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return fail_errno(errno, "set no_new_privs");
  return load_seccomp(request);
}

Result<> check_exec_request(const ExecRequest& request) {
  if (request.argv.empty() || request.argv.front().empty()) return fail(Code::invalid_argument, "exec: empty command");
  if (request.uid > kMaxId || request.gid > kMaxId)
    return fail(Code::invalid_argument, "exec: user or group out of range");
  for (const std::uint64_t group : request.groups)
    if (group > kMaxId) return fail(Code::invalid_argument, "exec: supplementary group {} is out of range", group);
  for (const ResourceLimit& limit : request.rlimits)
    if (limit.resource >= RLIM_NLIMITS)
      return fail(Code::invalid_argument, "exec: no resource limit {}", limit.resource);
  if (request.seccomp.size() % sizeof(sock_filter) != 0 || request.seccomp.size() / sizeof(sock_filter) > BPF_MAXINSNS)
    return fail(Code::invalid_argument, "exec: the seccomp filter is malformed");
  const auto has_nul = [](const std::string& text) { return text.find('\0') != std::string::npos; };
  for (const auto* list : {&request.argv, &request.env})
    for (const std::string& text : *list)
      if (has_nul(text)) return fail(Code::invalid_argument, "exec: a NUL byte in arguments or environment");
  if (has_nul(request.cwd)) return fail(Code::invalid_argument, "exec: a NUL byte in the working directory");
  return {};
}

} // namespace keelson::cri::monitor
