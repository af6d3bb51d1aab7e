// The directories and files of pods on the node:
//
//   <root>/pods/<uid>/volumes/kubernetes.io~empty-dir/<name>     also ~downward-api, ~projected
//                     volume-subpaths/<volume>/<container>/<n>   bind mounts of what subPath names
//                     containers/<name>/<random>                 termination messages
//                     etc-hosts
#pragma once

#include "api/pod.hpp"
#include "base/error.hpp"
#include "daemon/pods/container_config.hpp"

#include <string>
#include <utility>
#include <vector>

namespace keelson::daemon {

// Blocks; any thread, one call per pod at a time. Needs root for memory volumes and subPath.
class PodVolumes {
 public:
  explicit PodVolumes(std::string root)
      : root_(std::move(root)) {}

  // Makes what the pod's volumes need; repeating it leaves what is there. The error is kubelet's FailedMount.
  Result<> set_up(const api::Pod& pod, const api::ResourceList& allocatable) const;

  // The container's mounts, with what its subPaths name bound to a place that the pod cannot change.
  Result<std::vector<PreparedMount>>
  mounts_of(const api::Pod& pod, const api::Container& container,
            const std::vector<std::pair<std::string, std::string>>& environment) const;

  // The pod's /etc/hosts; gives its path. `addresses` are the pod's.
  Result<std::string> write_hosts(const api::Pod& pod, const std::vector<std::string>& addresses) const;
  Result<std::string> make_termination_file(const std::string& uid, const std::string& container) const;

  // Unmounts and removes the volumes; with everything, the files of the pod as well. Succeeds if there is nothing.
  enum class Extent { volumes, everything };
  Result<> tear_down(const std::string& uid, Extent extent) const;

  std::vector<std::string> known_uids() const; // pods that have a directory

 private:
  std::string pod_dir(const std::string& uid) const { return root_ + "/pods/" + uid; }

  std::string root_;
};

// Binds what path names below the directory `base` to `target`, which is made as a file or directory to fit. The path
// must not lead out of base, by ".." or by symlink, also if it is changed meanwhile (CVE-2021-25741): it is walked with
// openat2(RESOLVE_BENEATH) and bound through the descriptor. A directory is made if nothing is there.
Result<> bind_sub_path(const std::string& base, const std::string& path, const std::string& target);

} // namespace keelson::daemon
