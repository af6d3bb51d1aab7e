// Runs single probes. Network probes (HTTP, HTTPS, TCP, gRPC) are all driven by one thread with non-blocking sockets,
// so that a peer which never answers costs a descriptor and some kilobytes until its timeout, never a thread. Exec
// probes block and belong on a WorkerPool.
#pragma once

#include "base/error.hpp"
#include "health/probe_state.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace keelson::health {

// Body and output that are looked at; what is beyond is not read. kubelet's limit.
inline constexpr std::size_t kMaxProbeOutput = std::size_t{10} << 10;

struct ProberOptions {
  std::string user_agent = "kube-probe/1.37"; // firewalls and access logs know kubelet's "kube-probe/<major>.<minor>"
  unsigned name_lookups = 4; // host names that are looked up at the same time; addresses need no look-up
};

// Owns the thread. Probes leave from the network namespace of the thread that constructed it. Any thread may call it.
class Prober {
 public:
  using Done = std::function<void(ProbeOutcome)>;
  using Cancel = std::function<void()>;

  explicit Prober(ProberOptions options = {});
  // Abandons the probes under way: their Done is not called.
  ~Prober();
  Prober(const Prober&) = delete;
  Prober& operator=(const Prober&) = delete;

  // Starts a network probe. Done is called once, on a thread of the prober or of gRPC, at the latest when the timeout
  // ends; it must not block. Cancel may be called at any time, also after the end or the prober's death: Done will not
  // be called after it, unless it is running at that moment. An ExecAction gives Verdict::error.
  Cancel start(const ProbeAction& action, std::chrono::nanoseconds timeout, Done done);

  // The same, and waits for the outcome.
  ProbeOutcome run(const ProbeAction& action, std::chrono::nanoseconds timeout);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

struct ExecOutcome {
  int exit_code = 0;
  bool timed_out = false; // the command and all that it started have been killed
  std::string output;     // standard output and error together
};

// Runs a command in a container. Blocks until it has ended, at most for the timeout and the time to kill its process
// tree. deadline_exceeded is taken as timed_out; another error means that the command could not be run.
using ExecFn =
    std::function<Result<ExecOutcome>(const std::vector<std::string>& argv, std::chrono::nanoseconds timeout)>;

ProbeOutcome run_exec_probe(const ExecAction& action, std::chrono::nanoseconds timeout, const ExecFn& exec);

} // namespace keelson::health
