// How one process of a container is confined: the same values go into config.json for its first process and to native
// exec for every later one, so that an exec is never less confined. Plain data without JSON or protobuf.
#pragma once

#include "cri/oci/seccomp_profile.hpp"

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace keelson::cri {

// Bit n is capability number n of linux/capability.h, as in CapEff of /proc/PID/status.
struct CapabilitySets {
  std::uint64_t bounding = 0;
  std::uint64_t permitted = 0;
  std::uint64_t effective = 0;
  std::uint64_t inheritable = 0;
  std::uint64_t ambient = 0;
  bool operator==(const CapabilitySets&) const = default;
};

struct Rlimit {
  std::string type; // "RLIMIT_NOFILE"
  std::uint64_t soft = 0;
  std::uint64_t hard = 0;
  bool operator==(const Rlimit&) const = default;
};

// Number of RLIMIT_NOFILE and the like for setrlimit(2); invalid_argument if the name is unknown.
Result<int> rlimit_number(const std::string& type);

struct ProcessSpec {
  std::vector<std::string> args;
  std::vector<std::string> env; // "NAME=value"
  std::string cwd;
  bool tty = false;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> additional_gids;
  CapabilitySets capabilities;
  std::vector<Rlimit> rlimits;
  bool no_new_privs = false;
  std::string apparmor_profile;         // empty: none
  std::optional<int> oom_score_adj;     // already clamped to what this node may write
  std::optional<SeccompFilter> seccomp; // nothing: unconfined. SeccompCompiler makes it a BPF program
};

} // namespace keelson::cri
