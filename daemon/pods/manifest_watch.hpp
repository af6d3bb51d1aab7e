// Watches the directory of manifests with inotify(7) and tells which pods should run.
#pragma once

#include "base/loop.hpp"
#include "base/worker_pool.hpp"
#include "daemon/pods/manifest_set.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace keelson::daemon {

// Files whose names begin with '.' or end in '~', and directories, are ignored. A directory that is moved away or
// removed ends no pod; it is watched again when it is back.
class ManifestWatch {
 public:
  struct Listener {
    // On a worker's thread, one call at a time.
    std::function<void(std::vector<Manifest>)> on_pods;
    std::function<void(const ManifestProblem&)> on_problem;
  };

  // Makes the directory if it is absent, and reports its pods before it returns. Loop and pool must outlive it.
  static Result<std::unique_ptr<ManifestWatch>> start(std::string dir, std::string node_name, Loop& loop,
                                                      WorkerPool& pool, Listener listener);
  ~ManifestWatch(); // no listener is called after it

 private:
  struct State;
  explicit ManifestWatch(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

} // namespace keelson::daemon
