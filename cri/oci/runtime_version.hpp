// What the installed OCI runtime says of itself. Pure parsers and the shell that asks it.
#pragma once

#include "base/error.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace keelson::cri {

struct RuntimeVersion {
  std::string name;    // "runc", "crun"
  std::string text;    // "1.1.5+ds1"
  std::string package; // distribution's own version where it is told: "1.1.5+ds1-1+deb12u1"
  unsigned major = 0;
  unsigned minor = 0;
  unsigned patch = 0;
  bool prerelease = false; // "1.1.0-rc.1"
};

// Output of `runc --version`, `crun --version` and look-alikes.
Result<RuntimeVersion> parse_runtime_version(std::string_view output);
bool at_least(const RuntimeVersion& version, unsigned major, unsigned minor, unsigned patch);

// Published flaws that this version has, one line each ("CVE-2025-31133: ..., fixed in 1.2.8"), for the log and Status.
// Distributions backport fixes without a new upstream number; those that the package version proves are left out.
std::vector<std::string> known_flaws(const RuntimeVersion& version);

// From `runc features` (runtime-spec, features.md). All false where the runtime has no such command.
struct RuntimeFeatures {
  bool recursive_read_only = false; // mount option rro
  bool known = false;               // the runtime told
};
Result<RuntimeFeatures> parse_runtime_features(std::string_view json);

struct RuntimeInfo {
  RuntimeVersion version;
  RuntimeFeatures features;
};
// Runs `<path> --version` and `<path> features`; at most 10 s. The error says what is missing and how to install it.
Result<RuntimeInfo> probe_runtime(const std::string& path);

} // namespace keelson::cri
