// What the pod agent needs of a container runtime, and what it reads back from it. The agent declares it; the adapter
// over cri::Runtime is cri_pod_runtime.hpp, tests bring their own.
#pragma once

#include "base/error.hpp"
#include "base/time.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace runtime::v1 {
class ContainerConfig;
class PodSandboxConfig;
} // namespace runtime::v1

namespace keelson::daemon {

enum class ContainerKind { regular, init, sidecar };
std::string_view to_string(ContainerKind kind);

enum class RecordState { created, running, exited, unknown };

// One instance of a container of a pod.
struct ContainerRecord {
  std::string id;
  std::string sandbox_id;
  std::string name;
  ContainerKind kind = ContainerKind::regular;
  std::uint32_t attempt = 0; // how often it was restarted before
  RecordState state = RecordState::created;
  WallTime created_at{};
  WallTime started_at{};
  WallTime finished_at{};
  int exit_code = 0;
  std::string reason; // "Completed", "Error", "OOMKilled"
  std::string message;
  std::string image;
  std::string image_id;
  std::string log_path;
  std::string termination_file;     // on the host; empty: none
  std::chrono::seconds back_off{0}; // to wait after its end before it is restarted
  std::chrono::seconds grace_period{30};
  std::string pre_stop; // lifecycle.preStop as JSON; empty: none
  bool fall_back_to_logs = false;
};

struct SandboxRecord {
  std::string id;
  std::uint32_t attempt = 0;
  bool ready = false;
  WallTime created_at{};
  WallTime pod_seen_at{}; // when the agent first saw the pod
  std::vector<std::string> ips;
};

// All that the runtime knows of one pod, newest first.
struct PodRecord {
  std::string uid;
  std::string name;
  std::string namespace_;
  std::string manifest_hash;
  std::vector<SandboxRecord> sandboxes;
  std::vector<ContainerRecord> containers;

  const ContainerRecord* newest(std::string_view container) const;
};

struct ExecAnswer {
  int exit_code = 0;
  std::string output; // standard output and error
};

struct ImageFacts {
  std::string id;
  std::optional<std::int64_t> uid; // of the image's user, if it is a number
  std::string username;
};

// Keys of labels and annotations, as kubelet's; those of io.keelson are ours.
namespace keys {
inline constexpr const char* kPodName = "io.kubernetes.pod.name";
inline constexpr const char* kPodNamespace = "io.kubernetes.pod.namespace";
inline constexpr const char* kPodUid = "io.kubernetes.pod.uid";
inline constexpr const char* kContainerName = "io.kubernetes.container.name";
inline constexpr const char* kContainerHash = "io.kubernetes.container.hash";
inline constexpr const char* kRestartCount = "io.kubernetes.container.restartCount";
inline constexpr const char* kMessagePath = "io.kubernetes.container.terminationMessagePath";
inline constexpr const char* kMessagePolicy = "io.kubernetes.container.terminationMessagePolicy";
inline constexpr const char* kGracePeriod = "io.kubernetes.pod.terminationGracePeriod";
inline constexpr const char* kPreStop = "io.kubernetes.container.preStopHandler";
inline constexpr const char* kPorts = "io.kubernetes.container.ports";
inline constexpr const char* kAgent = "io.keelson.agent";    // the node's name: this agent made it
inline constexpr const char* kSeenAt = "io.keelson.seen-at"; // nanoseconds since the epoch
inline constexpr const char* kManifestHash = "io.keelson.manifest-hash";
inline constexpr const char* kKind = "io.keelson.container.kind";
inline constexpr const char* kBackOff = "io.keelson.container.back-off"; // seconds
} // namespace keys

// Every method blocks and may be called from any thread. Stop and remove succeed for what is gone.
class PodRuntime {
 public:
  virtual ~PodRuntime() = default;

  virtual Result<PodRecord> observe(const std::string& uid) = 0;
  virtual Result<std::vector<PodRecord>> list(const std::string& agent) = 0; // pods with this value of kAgent

  // The pod uids, and ids, of all sandboxes, whoever made them: names of pod groups that are in use.
  virtual Result<std::vector<std::string>> sandbox_uids() = 0;

  virtual Result<std::string> run_sandbox(const ::runtime::v1::PodSandboxConfig& config,
                                          const std::string& handler) = 0;
  virtual Result<> stop_sandbox(const std::string& id) = 0;
  virtual Result<> remove_sandbox(const std::string& id) = 0;

  virtual Result<std::string> create_container(const std::string& sandbox_id,
                                               const ::runtime::v1::ContainerConfig& config) = 0;
  virtual Result<> start_container(const std::string& id) = 0;
  virtual Result<> stop_container(const std::string& id, std::chrono::seconds grace) = 0;
  virtual Result<> remove_container(const std::string& id) = 0;
  // deadline_exceeded: it was killed at the time-out. Zero: none.
  virtual Result<ExecAnswer> exec(const std::string& id, const std::vector<std::string>& argv,
                                  std::chrono::milliseconds timeout) = 0;

  virtual Result<std::optional<ImageFacts>> image(const std::string& reference) = 0; // nullopt: not on this node
  virtual Result<> pull(const std::string& reference, std::stop_token cancel) = 0;

  // Calls back with the uid of every pod to which something happened, on a thread that must not be blocked. An empty
  // function ends it: no call is under way when this returns.
  virtual void listen(std::function<void(const std::string& uid)> on_change) = 0;
};

} // namespace keelson::daemon
