#include "cri/oci/capabilities.hpp"

#include "base/text.hpp"

#include <linux/capability.h>

#include <algorithm>
#include <array>

namespace keelson::cri {
namespace {

// In the order of their numbers, linux/capability.h up to Linux 5.9; none was added since.
constexpr std::array<std::string_view, 41> kNames = {
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
};

constexpr std::uint64_t bit(unsigned number) {
  return std::uint64_t{1} << number;
}
constexpr std::uint64_t kAll = bit(kNames.size()) - 1;

bool is_all(std::string_view name) {
  return to_lower(name) == "all";
}

Result<std::uint64_t> mask_of(const std::vector<std::string>& names, std::string_view field) {
  std::uint64_t mask = 0;
  for (const std::string& name : names) {
    if (is_all(name)) continue;
    const auto number = capability_number(name);
    if (!number)
      return fail(Code::invalid_argument, "capabilities.{}: \"{}\" is no Linux capability; write names like NET_ADMIN",
                  field, printable(name, 64));
    mask |= bit(*number);
  }
  return mask;
}

bool has_all(const std::vector<std::string>& names) {
  return std::any_of(names.begin(), names.end(), is_all);
}

} // namespace

std::optional<unsigned> capability_number(std::string_view name) {
  const std::string lower = to_lower(name);
  std::string_view bare = lower;
  if (bare.substr(0, 4) == "cap_") bare.remove_prefix(4);
  for (unsigned i = 0; i < kNames.size(); ++i)
    if (to_lower(kNames[i]) == bare) return i;
  return std::nullopt;
}

std::string capability_name(unsigned number) {
  return number < kNames.size() ? "CAP_" + std::string(kNames[number]) : "CAP_" + std::to_string(number);
}

std::vector<std::string> capability_names(std::uint64_t mask) {
  std::vector<std::string> names;
  for (unsigned i = 0; i < kNames.size(); ++i)
    if ((mask & bit(i)) != 0) names.push_back(capability_name(i));
  return names;
}

std::uint64_t default_capabilities() {
  return bit(CAP_CHOWN) | bit(CAP_DAC_OVERRIDE) | bit(CAP_FSETID) | bit(CAP_FOWNER) | bit(CAP_MKNOD) |
         bit(CAP_NET_RAW) | bit(CAP_SETGID) | bit(CAP_SETUID) | bit(CAP_SETFCAP) | bit(CAP_SETPCAP) |
         bit(CAP_NET_BIND_SERVICE) | bit(CAP_SYS_CHROOT) | bit(CAP_KILL) | bit(CAP_AUDIT_WRITE);
}

Result<CapabilityGrant> grant_capabilities(const CapabilityRequest& request, std::uint64_t node_bounding) {
  TRY_ASSIGN(const std::uint64_t add, mask_of(request.add, "add_capabilities"));
  TRY_ASSIGN(const std::uint64_t drop, mask_of(request.drop, "drop_capabilities"));
  TRY_ASSIGN(std::uint64_t ambient, mask_of(request.ambient, "add_ambient_capabilities"));

  std::uint64_t wanted = default_capabilities();
  std::uint64_t named = add; // asked for by name: worth a word if this node has them not
  if (request.privileged) {
    wanted = kAll;
    named = 0;
  } else {
    if (has_all(request.add)) wanted = kAll;
    if (has_all(request.drop)) wanted = 0;
    wanted = (wanted | add) & ~drop;
    named &= wanted;
  }
  if (has_all(request.ambient)) ambient = wanted;
  if ((ambient & ~wanted) != 0)
    return fail(Code::invalid_argument,
                "capabilities.add_ambient_capabilities: {} is not among the container's capabilities; add it to "
                "add_capabilities as well",
                join(capability_names(ambient & ~wanted), ", "));

  CapabilityGrant grant;
  grant.missing = capability_names(named & ~node_bounding);
  const std::uint64_t given = wanted & node_bounding;
  grant.sets = {given, given, given, ambient & given, ambient & given};
  return grant;
}

} // namespace keelson::cri
