// Probes all containers of a node: timers on the base Loop, network probes on the Prober's one thread, exec probes on a
// WorkerPool. There is no thread per probe.
//
// A slow container does not starve another one. Network probes never wait for each other. Exec probes take one of
// `exec_slots` places; a container whose last exec probe timed out may use only half of them (the suspects' half), so
// that containers which answer always find a place. An exec that outlives its timeout by `exec_kill_grace` is recorded
// as a failure without waiting for it, and no further one is started in that container until it has come back: hung
// processes do not pile up.
#pragma once

#include "base/loop.hpp"
#include "base/worker_pool.hpp"
#include "health/prober.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace keelson::health {

// One running container instance.
struct ProbeTarget {
  std::string container_id;
  std::string name; // in its pod, for messages
  ContainerProbes probes;
  ExecFn exec;                            // runs in this container; needed if a probe has an ExecAction
  std::chrono::nanoseconds running_for{}; // how long ago it started
};

struct ProbeStatus {
  bool started = true;
  bool ready = true;
  ProbeResult liveness = ProbeResult::unknown;
  ProbeResult readiness = ProbeResult::unknown;
  ProbeResult startup = ProbeResult::unknown;
};

struct ProbeCounts { // for prober_probe_total
  std::uint64_t successful = 0;
  std::uint64_t failed = 0;
  std::uint64_t unknown = 0;
};

struct ProbeRunnerOptions {
  // Places for exec probes under way. The pool needs as many threads, and should be used for nothing else; it starts
  // them only when they are needed. 32 places let 16 containers hang with a timeout of 1 s and a period of 1 s while
  // 220 others are probed each second if their commands take less than 70 ms.
  unsigned exec_slots = 32;
  std::chrono::nanoseconds exec_kill_grace = std::chrono::seconds(2); // for the ExecFn to kill a process tree
  std::function<double()> fraction; // random in [0, 1) for the spread at the agent's start; empty: the default source
};

// Any thread may call it, and nothing blocks. Loop, pool and prober must outlive it. Destroy it from outside of a
// callback: a callback that is running is waited for. Exec probes under way are not: they end on the pool's threads
// without being reported, so what an ExecFn uses must outlive the pool.
class ProbeRunner {
 public:
  // Called on the loop's thread for every notable report; it may call the runner, and must not block. After remove() or
  // reset() returns, no report about the old instance is delivered, except one that is running at that moment.
  using OnReport = std::function<void(const std::string& container_id, const ProbeReport& report)>;

  ProbeRunner(Loop& loop, WorkerPool& exec_pool, Prober& prober, OnReport on_report, ProbeRunnerOptions options = {});
  ~ProbeRunner();
  ProbeRunner(const ProbeRunner&) = delete;
  ProbeRunner& operator=(const ProbeRunner&) = delete;

  // Begins to probe a container that runs. With the checkpoint of the same container id its results are carried on. A
  // container that is known already is replaced. Without any probe it only answers status().
  void add(ProbeTarget target, const std::optional<ProbeCheckpoint>& checkpoint = std::nullopt);
  void remove(const std::string& container_id);          // unknown ids are ignored
  void reset(const std::string& container_id);           // the same id has started anew, just now
  void set_terminating(const std::string& container_id); // liveness and startup end, readiness goes on

  std::optional<ProbeStatus> status(const std::string& container_id) const;
  std::optional<ProbeCounts> counts(const std::string& container_id, ProbeKind kind) const;
  std::vector<ProbeCheckpoint> checkpoints() const; // of all containers; write them after each report with transition()

 private:
  struct State;
  std::shared_ptr<State> state_;
};

} // namespace keelson::health
