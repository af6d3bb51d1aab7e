// The pod agent: runs the pods of a directory of manifests through the container runtime, as kubelet runs its static
// pods. It keeps no records of its own: after a restart everything is learned again from the manifests and from the
// labels and annotations that the runtime kept (probe results excepted, see health/probe_checkpoint.hpp).
#pragma once

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/loop.hpp"
#include "base/time.hpp"
#include "daemon/pods/event_log.hpp"
#include "qos/values.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace keelson::health {
class Prober;
} // namespace keelson::health
namespace keelson::qos {
class TierTree;
} // namespace keelson::qos

namespace keelson::daemon {

class PodRuntime;

// Waiting times of what failed: the first, doubled each time up to the longest.
struct BackOffTimes {
  std::chrono::seconds first{10};
  std::chrono::seconds longest{300};
  std::chrono::seconds reset_after{600}; // of running without a crash
};

struct PodAgentOptions {
  std::string node_name;
  std::string manifest_dir;                // watched; made if it is absent
  std::string log_dir = "/var/log/pods";   // <namespace>_<name>_<uid>/<container>/<attempt>.log
  std::string root = "/var/lib/keelson";   // pods/<uid>/ of volumes and files, node/ of checkpoints
  std::vector<std::string> host_addresses; // of the node; empty: found out
  std::size_t max_pods = 110;
  unsigned parallel_pulls = 2;
  bool seccomp_default = false; // the runtime's profile for containers that name none; else unconfined, as kubelet
  BackOffTimes restart;
  BackOffTimes pull;
  qos::Node capacity;       // zeros: found out
  qos::ValueOptions values; // as those of the tier tree
};

// All of it must outlive the agent.
struct PodAgentServices {
  PodRuntime& runtime;  // make_pod_runtime() of daemon/pods/cri_pod_runtime.hpp
  qos::TierTree* tiers; // null: pods get the runtime's own cgroups
  Loop& loop;           // running on another thread
  Clock& clock;
  health::Prober& prober;
};

// Any thread may call it.
class PodAgent {
 public:
  // Adopts the pods that run, ends those whose manifests are gone, starts the others. Returns before they run.
  static Result<std::unique_ptr<PodAgent>> start(PodAgentOptions options, PodAgentServices services);
  ~PodAgent(); // pods run on; a container that is being stopped is waited for

  // v1 Pod objects with their status, sorted by namespace and name.
  json::value pods() const;
  Result<json::value> pod(const std::string& name) const; // "namespace/name", "name" of namespace default, or a uid

  EventLog& events();

 private:
  struct State;
  explicit PodAgent(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

json::value to_json(const Event& event);

} // namespace keelson::daemon
