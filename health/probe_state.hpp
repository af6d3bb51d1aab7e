// The state machine of one container's liveness, readiness and startup probes. Pure: time comes in as an argument,
// probes are run elsewhere and their outcomes are recorded here. One thread at a time.
//
//              begin()                 record(): run of equal results reaches its threshold
//   [waiting] --------> [in flight] ---------------------------------------------------------> confirmed result changes
//       ^  next_due()        |                                                                        |
//       '--------------------'  below the threshold, or the prober erred: nothing changes              v
//                                                             liveness or startup confirmed failure: [on hold], restart
//
// Before a confirmed result, liveness counts as success, readiness as failure, startup as unknown. A startup probe that
// has not succeeded yet gates the two others; after its success it is not run again until the container is replaced.
#pragma once

#include "base/time.hpp"
#include "health/probe_checkpoint.hpp"
#include "health/probe_config.hpp"

#include <optional>
#include <string>

namespace keelson::health {

// What one execution of a probe said. warning counts as success but is shown (a redirect to another host). error means
// that the probe could not be executed: it says nothing about the container and changes nothing.
enum class Verdict { success, warning, failure, error };

struct ProbeOutcome {
  Verdict verdict = Verdict::error;
  std::string message;   // untrusted: it carries the output of the container
  bool answered = false; // an HTTP answer came, whatever it said
};

// What the recording of one outcome led to.
struct ProbeReport {
  ProbeKind kind = ProbeKind::liveness;
  Verdict verdict = Verdict::success;
  ProbeResult before = ProbeResult::unknown; // the confirmed result
  ProbeResult after = ProbeResult::unknown;
  bool ready_changed = false;
  bool started_changed = false;
  std::string event;          // "Liveness probe failed: HTTP probe failed with statuscode: 503"; empty after a success
  std::string event_reason;   // "Unhealthy", "ProbeWarning"; empty after a success
  bool restart = false;       // the container has to be killed, and restarted if the restart policy says so
  std::string restart_reason; // "Container web failed liveness probe, will be restarted"
  std::optional<std::chrono::seconds> termination_grace_period; // of the probe that failed, if it has one

  bool transition() const { return before != after || ready_changed || started_changed; }
  // True if somebody wants to hear of it: a transition, or anything but a success.
  bool notable() const { return transition() || restart || verdict != Verdict::success; }
};

// When the container started, and when this agent did. An agent that has just started spreads the first probes of its
// containers over their periods, so that they do not all run at once: fraction is random in [0, 1).
struct ProbeStart {
  SteadyTime now;
  SteadyTime container_started;
  SteadyTime agent_started;
  double fraction = 0;
};

SteadyTime first_due(const ProbeTiming& timing, const ProbeStart& start);

class ContainerProbeState {
 public:
  // name is the container's name in its pod, for messages.
  ContainerProbeState(std::string name, const ContainerProbes& probes, const ProbeStart& start);

  // Takes over what an earlier agent knew of this same container, so that nothing flips. Probes that the checkpoint
  // does not know keep their initial results. Call it before the first begin().
  void restore(const ProbeCheckpoint& checkpoint);
  ProbeCheckpoint checkpoint(std::string container_id) const;

  // The container was replaced by a new instance: everything starts anew.
  void reset(const ProbeStart& start);

  // The pod is being deleted: liveness and startup are not probed any more, readiness is.
  void set_terminating();

  // When the probe has to run next; nullopt if it does not: not configured, in flight, gated or on hold.
  std::optional<SteadyTime> next_due(ProbeKind kind) const;
  void begin(ProbeKind kind, SteadyTime now);
  // The outcome of the probe that began last. Once, and only after begin().
  ProbeReport record(ProbeKind kind, const ProbeOutcome& outcome, SteadyTime now);

  ProbeResult result(ProbeKind kind) const { return slot(kind).result; }
  bool started() const; // no startup probe, or it has succeeded
  bool ready() const;   // started, and no readiness probe or it has succeeded

 private:
  struct Slot {
    std::optional<ProbeTiming> timing;
    std::optional<std::chrono::seconds> grace;
    SteadyTime due{};
    bool in_flight = false;
    bool on_hold = false;
    ProbeResult result = ProbeResult::unknown; // confirmed
    ProbeResult last = ProbeResult::unknown;   // of the last probe
    int run = 0;                               // how many in a row were like the last
  };

  Slot& slot(ProbeKind kind) { return slots_[static_cast<std::size_t>(kind)]; }
  const Slot& slot(ProbeKind kind) const { return slots_[static_cast<std::size_t>(kind)]; }
  bool gated(ProbeKind kind) const { return kind != ProbeKind::startup && !started(); }
  void count(Slot& slot, ProbeResult result);
  void release_gated(SteadyTime now);

  std::string name_;
  Slot slots_[3];
};

} // namespace keelson::health
