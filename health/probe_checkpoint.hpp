// What survives a restart of the agent: the confirmed results of a container's probes, so that a container that was
// ready stays ready and a failing one is not shown healthy. Value types with their JSON form; no system calls.
#pragma once

#include "base/error.hpp"
#include "health/probe_config.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::health {

enum class ProbeResult { unknown, success, failure };
std::string_view to_string(ProbeResult result); // "unknown", "success", "failure"

struct ProbeCheckpoint {
  struct Entry {
    ProbeResult result = ProbeResult::unknown; // confirmed by its threshold
    ProbeResult last = ProbeResult::unknown;   // of the last probe
    int run = 0;                               // how many in a row were like the last
    bool operator==(const Entry&) const = default;
  };

  std::string container_id; // of this instance: a restarted container has another id and takes nothing over
  std::optional<Entry> liveness;
  std::optional<Entry> readiness;
  std::optional<Entry> startup;

  std::optional<Entry>& of(ProbeKind kind) {
    return kind == ProbeKind::liveness ? liveness : kind == ProbeKind::readiness ? readiness : startup;
  }
  const std::optional<Entry>& of(ProbeKind kind) const {
    return kind == ProbeKind::liveness ? liveness : kind == ProbeKind::readiness ? readiness : startup;
  }
  bool operator==(const ProbeCheckpoint&) const = default;
};

// {"version":1,"containers":{"<id>":{"liveness":{"result":"success","last":"failure","run":2},...},...}}
std::string format_checkpoints(const std::vector<ProbeCheckpoint>& checkpoints);

// invalid_argument names what is wrong. Members that it does not know are ignored, so that an older agent can read on.
Result<std::vector<ProbeCheckpoint>> parse_checkpoints(std::string_view text);

} // namespace keelson::health
