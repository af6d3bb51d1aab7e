// Starts monitors in a cgroup of their own, outside of the daemon's: a service manager that stops the daemon must not
// end the pods.
//
// No process is moved: that waits for an RCU grace period, 10 ms and more (cgroup_attach_lock() in the kernel). In v1
// hierarchies a child is born in the cgroup of the thread that makes it, so a thread of the daemon stands in theirs;
// into the v2 hierarchy clone3(2) puts it (CLONE_INTO_CGROUP).
#pragma once

#include "base/process.hpp"
#include "base/worker_pool.hpp"
#include "cgroups/group.hpp"

#include <memory>
#include <string>

namespace keelson::cri {

class MonitorLauncher {
 public:
  // Makes the group if need be.
  static Result<std::unique_ptr<MonitorLauncher>> open(const cgroups::Hierarchy& hierarchy, const std::string& path);

  // keelson::spawn() into the group. Any thread; one child at a time is made.
  Result<Child> spawn(const SpawnOptions& options);

 private:
  explicit MonitorLauncher(cgroups::Group group)
      : group_(std::move(group)) {}

  cgroups::Group group_;
  WorkerPool thread_{"monitor-start", 1}; // in the group until it ends, with this object
};

} // namespace keelson::cri
