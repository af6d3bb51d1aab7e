#include "netns/sysctl.hpp"

#include "base/file.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <array>

namespace keelson::netns {
namespace {

constexpr std::size_t kMaxName = 253; // as Kubernetes limits it
constexpr std::size_t kMaxValue = 256;

bool is_label_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

// Segments of a-z, 0-9, - and _, that begin and end with a letter or digit: no "..", no empty segment, no absolute
// path.
bool has_name_form(std::string_view name) {
  if (name.empty() || name.size() > kMaxName) return false;
  bool at_edge = true;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    const bool separator = c == '.' || c == '/';
    const bool last = i + 1 == name.size() || name[i + 1] == '.' || name[i + 1] == '/';
    if (separator) {
      if (at_edge || i + 1 == name.size()) return false;
      at_edge = true;
      continue;
    }
    if (!is_label_char(c) && (at_edge || last || (c != '-' && c != '_'))) return false;
    at_edge = false;
  }
  return true;
}

std::string to_dotted(std::string_view name) {
  std::string dotted(name);
  const std::size_t first = name.find_first_of("./");
  if (first == std::string_view::npos || name[first] == '.') return dotted;
  for (char& c : dotted) c = c == '/' ? '.' : c == '.' ? '/' : c;
  return dotted;
}

bool is_ipc_name(std::string_view name) {
  return name.starts_with("kernel.shm") || name.starts_with("kernel.msg") || name == "kernel.sem" ||
         name.starts_with("fs.mqueue.");
}

Result<> check_value(std::string_view name, std::string_view value) {
  if (value.empty()) return fail(Code::invalid_argument, "sysctl {}: the value is empty", name);
  if (value.size() > kMaxValue)
    return fail(Code::invalid_argument, "sysctl {}: the value is longer than {} bytes", name, kMaxValue);
  const auto is_bad = [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f || c == '=' || c == '+';
  };
  if (std::any_of(value.begin(), value.end(), is_bad))
    return fail(Code::invalid_argument, "sysctl {}: the value \"{}\" has a control character, '=' or '+' in it", name,
                printable(value));
  return {};
}

} // namespace

Result<Sysctl> validate_sysctl(std::string_view name, std::string_view value, bool host_net, bool host_ipc) {
  if (!has_name_form(name)) return fail(Code::invalid_argument, "\"{}\" is not the name of a sysctl", printable(name));
  std::string dotted = to_dotted(name);
  const bool ipc = is_ipc_name(dotted);
  if (!ipc && !dotted.starts_with("net."))
    return fail(Code::invalid_argument,
                "sysctl {} is not kept per namespace, it would change the node: only net.*, kernel.shm*, kernel.msg*, "
                "kernel.sem and fs.mqueue.* can be set for a pod",
                dotted);
  if (ipc && host_ipc)
    return fail(Code::invalid_argument, "sysctl {} cannot be set for a pod that uses the node's IPC namespace", dotted);
  if (!ipc && host_net)
    return fail(Code::invalid_argument, "sysctl {} cannot be set for a pod that uses the node's network", dotted);
  TRY(check_value(dotted, value));
  return Sysctl{std::move(dotted), std::string(value)};
}

SysctlScope sysctl_scope(std::string_view dotted_name) {
  return is_ipc_name(dotted_name) ? SysctlScope::ipc : SysctlScope::net;
}

// Kubernetes 1.32, "Using sysctls in a Kubernetes Cluster", section on safe and unsafe sysctls.
bool is_safe_sysctl(std::string_view name) {
  static constexpr std::array<std::string_view, 12> kSafe = {
      "kernel.shm_rmid_forced",
      "net.ipv4.ip_local_port_range",
      "net.ipv4.tcp_syncookies",
      "net.ipv4.ping_group_range",
      "net.ipv4.ip_unprivileged_port_start",
      "net.ipv4.ip_local_reserved_ports",
      "net.ipv4.tcp_keepalive_time",
      "net.ipv4.tcp_fin_timeout",
      "net.ipv4.tcp_keepalive_intvl",
      "net.ipv4.tcp_keepalive_probes",
      "net.ipv4.tcp_rmem",
      "net.ipv4.tcp_wmem",
  };
  return std::find(kSafe.begin(), kSafe.end(), to_dotted(name)) != kSafe.end();
}

std::string sysctl_path(std::string_view dotted_name) {
  std::string path(dotted_name);
  for (char& c : path) c = c == '/' ? '.' : c == '.' ? '/' : c;
  return path;
}

Result<> apply_sysctl(const Sysctl& sysctl) {
  const std::string path = "/proc/sys/" + sysctl_path(sysctl.name);
  if (auto written = write_kernel_file(path, sysctl.value); !written) {
    Error error = std::move(written).error();
    if (error.sys_errno == ENOENT)
      return fail(Code::invalid_argument, "sysctl {}: this kernel does not have it in the pod's namespaces",
                  sysctl.name);
    return Fail(std::move(error).context(fmt::format("sysctl {}", sysctl.name)));
  }
  return {};
}

} // namespace keelson::netns
