// Which seccomp profile a container gets: Keelson's default, none, or a file of the node.
#pragma once

#include "cri/oci/seccomp_profile.hpp"

#include <memory>
#include <string>

namespace runtime::v1 {
class LinuxContainerSecurityContext;
} // namespace runtime::v1

namespace keelson::cri {

// Reads profile files on each call (they may change), checks them with libseccomp, and fails rather than leave a
// container unconfined (CVE-2023-2431). Any thread; blocks on the file system.
class SeccompStore {
 public:
  // localhost_root: the directory of relative localhost references, such as /var/lib/kubelet/seccomp.
  explicit SeccompStore(std::string localhost_root)
      : root_(std::move(localhost_root)) {}

  // Null: unconfined. CRI's rules: the field absent is unconfined (kubelet always sets it), RuntimeDefault on a
  // privileged container is unconfined, Localhost applies to privileged ones too. A relative reference cannot leave the
  // root; an absolute one is what CRI prescribes (kubelet has joined it) and must be a clean path of a regular file.
  Result<std::shared_ptr<const SeccompProfile>> choose(const runtime::v1::LinuxContainerSecurityContext& context) const;

  Result<std::shared_ptr<const SeccompProfile>> load(const std::string& reference) const;

 private:
  std::string root_;
};

} // namespace keelson::cri
