// Texts of the files that the runtime gives every pod: /etc/hosts, /etc/hostname, /etc/resolv.conf. Pure. Values that
// could add a line are refused (CVE-2022-4318 and its bypass): real control characters, not their escaped spellings.
#pragma once

#include "base/error.hpp"

#include <string>
#include <vector>

namespace runtime::v1 {
class DNSConfig;
} // namespace runtime::v1

namespace keelson::cri {

// invalid_argument unless it is a DNS name of at most 64 bytes (sethostname(2)), case kept.
Result<> check_hostname(const std::string& hostname);

Result<std::string> hostname_text(const std::string& hostname);

// Loopback names, and the pod's own name for each of its addresses. kubelet mounts its own file over this one.
Result<std::string> hosts_text(const std::string& hostname, const std::vector<std::string>& addresses);

// nameserver, search and options lines (resolv.conf(5)).
Result<std::string> resolv_conf_text(const runtime::v1::DNSConfig& dns);

} // namespace keelson::cri
