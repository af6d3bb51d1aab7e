// One pod sandbox: what was asked for, and what it has become. Its record on disk is what a restarted daemon knows.
//
//   creating --(all steps done)--> ready --(StopPodSandbox, or its monitor died)--> stopped --> gone
//      \--(failed, or the daemon died)--> gone, or unknown if the undo failed: StopPodSandbox finishes it
#pragma once

#include "base/error.hpp"
#include "base/process.hpp"
#include "base/time.hpp"
#include "cri/proto/runtime_v1.pb.h"

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::cri {

namespace v1 = ::runtime::v1;

class MonitorClient;

enum class SandboxPhase { creating, ready, stopped, unknown };
std::string_view to_string(SandboxPhase phase);

struct Sandbox {
  // Set before the object is shared, never changed.
  std::string id;
  v1::PodSandboxConfig config;
  std::string handler; // of the OCI runtime; never empty
  WallTime created_at{};
  std::string cgroup_parent; // path below the mounts
  bool owns_cgroup = false;  // cgroup_parent is ours to remove: the request named none

  mutable std::mutex mutex; // guards what follows
  SandboxPhase phase = SandboxPhase::creating;
  std::vector<std::string> ips;
  std::optional<ProcessId> infra; // of a shared PID namespace
  std::shared_ptr<MonitorClient> monitor;

  std::string key() const;  // the identity of the request's metadata
  std::string name() const; // "namespace/name", for messages
  SandboxPhase current_phase() const {
    const std::lock_guard lock(mutex);
    return phase;
  }
  std::shared_ptr<MonitorClient> current_monitor() const {
    const std::lock_guard lock(mutex);
    return monitor;
  }

  bool host_network() const;
  bool host_ipc() const;
  bool shared_pid() const;
};

Result<std::string> format_record(const Sandbox& sandbox); // locks it
Result<std::shared_ptr<Sandbox>> parse_sandbox_record(std::string_view text);

// The identity of sandbox metadata: equal for two requests that mean the same sandbox.
std::string sandbox_key(const v1::PodSandboxMetadata& metadata);

} // namespace keelson::cri
