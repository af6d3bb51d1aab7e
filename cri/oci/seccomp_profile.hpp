// Seccomp profiles as values: parsed from JSON in the OCI form (runtime-spec, config-linux.md) and in the form with
// archMap, includes and excludes that Docker and Kubernetes users write, resolved to a filter, and printed in the OCI
// form. Pure; the check with libseccomp and the compilation to BPF are in seccomp_compiler.hpp.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::cri {

struct SeccompArg {
  unsigned index = 0; // of the system call's argument, 0 to 5
  std::uint64_t value = 0;
  std::uint64_t value_two = 0;
  std::string op; // "SCMP_CMP_EQ" ...
  bool operator==(const SeccompArg&) const = default;
};

// All names are decided alike. Arguments are combined with AND.
struct SeccompRule {
  std::vector<std::string> names;
  std::string action; // "SCMP_ACT_ALLOW" ...
  std::optional<unsigned> errno_ret;
  std::vector<SeccompArg> args;
  bool operator==(const SeccompRule&) const = default;
};

// What the kernel gets: no conditions left. Printable as the linux.seccomp object of config.json.
struct SeccompFilter {
  std::string default_action;
  std::optional<unsigned> default_errno;
  std::vector<std::string> architectures; // "SCMP_ARCH_X86_64" ...; empty: the native one
  std::vector<std::string> flags;         // "SECCOMP_FILTER_FLAG_LOG" ...
  std::vector<SeccompRule> rules;
  bool operator==(const SeccompFilter&) const = default;
};

struct KernelVersion {
  unsigned major = 0;
  unsigned minor = 0;
  auto operator<=>(const KernelVersion&) const = default;
};

// A rule that counts only on some nodes or for some containers. Every included capability must be held and one of the
// included architectures must be native; no excluded one may be.
struct SeccompConditions {
  std::vector<std::string> include_caps; // "CAP_SYS_ADMIN"
  std::vector<std::string> exclude_caps;
  std::vector<std::string> include_arches; // "amd64", as Go names them
  std::vector<std::string> exclude_arches;
  std::optional<KernelVersion> min_kernel;
};

struct ConditionalSeccompRule {
  SeccompRule rule;
  SeccompConditions when;
};

struct SeccompArchMap {
  std::string architecture;
  std::vector<std::string> sub_architectures;
};

struct SeccompProfile {
  std::string default_action;
  std::optional<unsigned> default_errno;
  std::vector<std::string> architectures;
  std::vector<SeccompArchMap> arch_map; // used instead of architectures if not empty
  std::vector<std::string> flags;
  std::vector<ConditionalSeccompRule> rules;
};

// invalid_argument names the key that is wrong. An empty document, an unknown action, operator or architecture, and
// listener (notify) profiles are refused: a profile that cannot be applied must never mean an unconfined container.
Result<SeccompProfile> parse_seccomp_profile(std::string_view json);

// The facts that conditions ask for.
struct SeccompContext {
  std::string native_arch = "SCMP_ARCH_X86_64";
  std::uint64_t capabilities = 0; // the container's bounding set
  KernelVersion kernel;
};

std::string native_seccomp_arch(); // of this build
SeccompFilter resolve_seccomp(const SeccompProfile& profile, const SeccompContext& context);

// The OCI form as JSON text. Equal filters give equal texts: usable as a key.
std::string seccomp_filter_json(const SeccompFilter& filter);
Result<SeccompFilter> parse_seccomp_filter(std::string_view oci_json);

// Keelson's own RuntimeDefault: see seccomp_default.cpp for what it allows and why.
const SeccompProfile& default_seccomp_profile();

} // namespace keelson::cri
