// Everything that an exec has started, so that nothing of it outlives its timeout.
//
// A descendant whose parent ended belongs to the container's init: parentage does not find it. A child cgroup of the
// container's does: on v2 (no controller is enabled in it, so it may hold processes beside its parent's), or in the v1
// freezer hierarchy. It limits and accounts nothing of its own.
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace keelson::cri::monitor {

class TrackingCgroup {
 public:
  // Makes DIR/keelson-exec-N below the container's cgroup directory.
  static Result<TrackingCgroup> make(const std::string& container_dir, std::uint64_t number);

  bool is_v2() const { return v2_; }
  const std::string& path() const { return path_; }
  std::string procs_path() const { return path_ + "/cgroup.procs"; }

  // SIGKILL to everything inside; v2 by cgroup.kill, v1 frozen meanwhile so that no fork escapes.
  void kill() const;
  // Moves what is left to the container's own cgroup and removes the directory. False: it is still busy, call again.
  bool remove() const;

 private:
  std::string parent_;
  std::string path_;
  bool v2_ = false;
};

// Moves the calling process, which must have one thread, into the cgroup of that cgroup.procs file.
Result<> join_cgroup(const std::string& procs_path);

// Without a cgroup: SIGKILL to the process, its descendants and its session, as long as /proc shows any.
void kill_descendants(pid_t root);

} // namespace keelson::cri::monitor
