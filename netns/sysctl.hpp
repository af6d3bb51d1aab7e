// Kernel parameters of a pod: which may be set at all, and which are safe. Pure, except apply_sysctl.
#pragma once

#include "base/error.hpp"

#include <string>
#include <string_view>

namespace keelson::netns {

// Name in dotted form ("net.ipv4.tcp_syncookies"; an interface name's dots appear as slashes, as sysctl(8) has it).
struct Sysctl {
  std::string name;
  std::string value;
  bool operator==(const Sysctl&) const = default;
};

// Which namespace a parameter belongs to.
enum class SysctlScope { ipc, net };

// Checks one parameter of a pod and returns it in dotted form. Both separators of sysctl.d(5) are taken: the first
// of '.' and '/' that appears is the separator. Only namespaced names pass: kernel.shm*, kernel.msg*, kernel.sem and
// fs.mqueue.* (needs an IPC namespace of the pod's own), net.* (needs a network namespace of its own). One key, one
// value: a value with '=', '+', a control character, or over 256 bytes is invalid_argument (CVE-2022-0811). A name that
// the kernel does not keep per namespace is invalid_argument, one that the pod shares with the host is too.
Result<Sysctl> validate_sysctl(std::string_view name, std::string_view value, bool host_net, bool host_ipc);

// The scope of a validated name.
SysctlScope sysctl_scope(std::string_view dotted_name);

// Whether kubelet lets every pod set it without --allowed-unsafe-sysctls (the published "safe" set).
bool is_safe_sysctl(std::string_view name);

// The path below /proc/sys of a dotted name: "net.ipv4.conf.eth0/1.forwarding" is net/ipv4/conf/eth0.1/forwarding.
std::string sysctl_path(std::string_view dotted_name);

// Writes a validated parameter in the namespaces of the calling thread. The error names parameter and value.
Result<> apply_sysctl(const Sysctl& sysctl);

} // namespace keelson::netns
