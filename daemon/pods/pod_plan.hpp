// What to do next for a pod: a pure function of the manifest, of what the runtime shows, and of what is under way. It
// is asked again after every action and event, so each answer needs to hold only until the next one.
//
//   no sandbox --create_sandbox--> init containers one by one (sidecars stay) --> containers, restarted as the policy
//   says --> all ended for good: sidecars stopped, sandbox stopped, finish.   Terminating: containers stopped, then
//   sidecars in reverse order, then sandboxes removed, then finish.
//
// Rules: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/, init-containers/ and sidecar-containers/
// (KEP-753). The back-off is carried by the container's own record, so that it survives the agent.
#pragma once

#include "api/pod.hpp"
#include "daemon/pods/pod_agent.hpp"
#include "daemon/pods/pod_runtime.hpp"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace keelson::daemon {

// Something that failed and is tried again later.
struct FailedAttempt {
  std::string reason; // "ImagePullBackOff", "CreateContainerConfigError"
  std::string message;
  WallTime retry_at{};
  std::chrono::seconds delay{0};
};

struct KillOrder {
  std::string id;      // of the instance that has to go
  std::string message; // of the event
  std::optional<std::chrono::seconds> grace;
};

// What the agent knows of a container beyond the records.
struct ContainerMemory {
  bool busy = false;              // pulled for, started or stopped at this moment
  bool hook_running = false;      // its postStart hook; nothing else is started meanwhile
  std::string running_id;         // of the instance that runs
  bool started = false;           // the running instance has passed its startup probe
  std::uint32_t next_attempt = 0; // of the next instance, if the records do not tell a higher one
  std::optional<FailedAttempt> failure;
  std::optional<KillOrder> kill;
};

struct PlanInput {
  const api::Pod& pod;
  const PodRecord& record;
  const std::map<std::string, ContainerMemory>& memory; // by container name
  std::optional<FailedAttempt> sandbox_failure;         // also of volumes and of the pod's cgroup
  BackOffTimes restart;
  WallTime now{};
  bool terminating = false;
  WallTime seen_at{}; // spec.activeDeadlineSeconds counts from here
};

struct Action {
  enum class Kind {
    create_sandbox, // attempt
    stop_sandbox,   // id
    remove_sandbox, // id
    start,          // container, attempt, back_off (of the new instance)
    stop,           // container, id, message, grace
    remove,         // container, id
    finish,         // nothing runs any more: release cgroup and volumes
  };
  Kind kind = Kind::finish;
  std::string container = {};
  std::string id = {};
  std::uint32_t attempt = 0;
  std::chrono::seconds back_off{0};
  std::optional<std::chrono::seconds> grace = {}; // nullopt: the pod's
  std::string message = {};
  bool operator==(const Action&) const = default;
};

struct Waiting {
  std::string reason;
  std::string message;
};

struct Plan {
  std::vector<Action> actions;
  std::map<std::string, Waiting> waiting; // why containers that should run do not
  std::optional<WallTime> wake_at;        // when to ask again without an event
  bool initialized = false;
  bool finished = false; // every container has ended for good
  bool expired = false;  // the pod's active deadline has passed
};

Plan plan_pod(const PlanInput& input);

// Time to wait after the end of this instance, and the time that the next one will have to wait after its own.
std::chrono::seconds restart_delay(const ContainerRecord& record, const BackOffTimes& times);
std::chrono::seconds next_back_off(const ContainerRecord& record, const BackOffTimes& times);

// Whether a container that ended like this is started again.
bool is_restarted(const api::Pod& pod, const api::Container& container, const ContainerRecord& record);

} // namespace keelson::daemon
