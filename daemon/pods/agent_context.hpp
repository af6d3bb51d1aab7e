// What all workers of the pod agent share.
#pragma once

#include "base/loop.hpp"
#include "base/worker_pool.hpp"
#include "daemon/pods/event_log.hpp"
#include "daemon/pods/pod_agent.hpp"
#include "daemon/pods/pod_runtime.hpp"
#include "daemon/pods/pod_volumes.hpp"
#include "health/probe_runner.hpp"
#include "qos/values.hpp"

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace keelson::daemon {

class PodWorker;

struct AgentContext {
  AgentContext(PodAgentOptions the_options, PodAgentServices services);

  const PodAgentOptions options;
  PodRuntime& runtime;
  qos::TierTree* const tiers;
  Loop& loop;
  Clock& clock;
  health::Prober& prober;
  qos::Node node;
  api::ResourceList allocatable;
  qos::ValueOptions values;

  EventLog events;
  PodVolumes volumes;
  std::atomic<bool> ending{false};
  std::atomic<bool> told_of_dns{false};

  std::mutex probed_mutex;                                    // guards the two maps
  std::map<std::string, std::weak_ptr<PodWorker>> probed;     // by container id
  std::map<std::string, health::ProbeCheckpoint> checkpoints; // of an earlier agent, until taken
  std::unique_ptr<health::ProbeRunner> probes;

  // Reset one by one when the agent ends, in the order of PodAgent's close().
  std::optional<WorkerPool> exec_probes;
  std::optional<WorkerPool> pulls;
  std::optional<WorkerPool> slow;    // stops and hooks: they wait for containers
  std::optional<WorkerPool> workers; // one thread at a time for each pod

  void add_event(const api::Pod& pod, EventType type, std::string reason, std::string message,
                 const std::string& container = {});
};

} // namespace keelson::daemon
