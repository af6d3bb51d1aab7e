// One container: what was asked for, and what it has become.
//
//   creating --> created --(StartContainer)--> running --(its first process ended)--> exited --> gone
//      \--(failed, or the daemon died)--> gone       \--(its monitor died)--> exited with code 255, or unknown
#pragma once

#include "base/error.hpp"
#include "base/process.hpp"
#include "base/time.hpp"
#include "cri/proto/runtime_v1.pb.h"

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::cri {

namespace v1 = ::runtime::v1;

enum class ContainerPhase { creating, created, running, exited, unknown };
std::string_view to_string(ContainerPhase phase);

struct ContainerUserIds {
  std::int64_t uid = 0;
  std::int64_t gid = 0;
  std::vector<std::int64_t> supplemental_gids;
};

// What is known of the end of a container's first process.
struct ContainerExit {
  int code = 0;
  std::string reason; // "Completed", "Error", "OOMKilled", "StartError"
  std::string message;
  WallTime finished_at{};
};

struct Container {
  // Set before the object is shared, never changed.
  std::string id;
  std::string sandbox_id;
  v1::ContainerConfig config;
  std::string handler;
  std::string image_id;     // "sha256:..."
  std::string image_digest; // a repository digest of the image, or its id
  std::string image_name;   // as a person knows it: what was asked for, or the image's tag if that was an id
  std::vector<std::string> volume_images; // ids of the images that are mounted, by index of the mount; empty: none
  std::string stop_signal;                // name or number; empty: SIGTERM
  WallTime created_at{};
  std::string log_path;    // absolute; empty: the log is dropped
  std::string cgroup_path; // below the mounts
  ContainerUserIds user;

  mutable std::mutex mutex; // guards what follows
  mutable std::condition_variable changed;
  ContainerPhase phase = ContainerPhase::creating;
  ProcessId init;
  WallTime started_at{};
  std::optional<ContainerExit> exit;
  v1::LinuxContainerResources resources; // as created, then as updated
  bool kill_requested = false;           // we sent SIGKILL: an OOM kill is then not the reason of the end
  std::string start_error;               // why the OCI runtime could not start it: the end that follows is told so

  std::string key() const; // sandbox id, name and attempt
  ContainerPhase current_phase() const {
    const std::lock_guard lock(mutex);
    return phase;
  }
  // True once it has exited (or is unknown); false at the deadline.
  bool wait_for_exit(Deadline deadline) const;
};

Result<std::string> format_record(const Container& container); // locks it
Result<std::shared_ptr<Container>> parse_container_record(std::string_view text);

std::string container_key(const std::string& sandbox_id, const v1::ContainerMetadata& metadata);

} // namespace keelson::cri
