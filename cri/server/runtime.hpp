// The container runtime: every CRI call as a function on messages, without gRPC. The gRPC server and the pod agent of
// the daemon call the same functions.
//
// Every method may be called from any thread and blocks. Calls for one sandbox or container are serialised by a lock of
// its id; calls for different ones run side by side. Errors carry the gRPC code that the caller sees.
#pragma once

#include "base/loop.hpp"
#include "base/time.hpp"
#include "base/worker_pool.hpp"
#include "cgroups/driver.hpp"
#include "cgroups/hierarchy.hpp"
#include "cri/images/image_store.hpp"
#include "cri/proto/runtime_v1.pb.h"
#include "cri/server/event_bus.hpp"
#include "cri/server/oci_runtime.hpp"
#include "netns/pod_network.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace keelson::cri {

namespace v1 = ::runtime::v1;

struct RuntimeOptions {
  std::string root;                            // "/var/lib/keelson"
  std::string state;                           // "/run/keelson"
  std::string monitor_path;                    // of keelson-monitor
  std::string cgroup_parent = "/kubepods";     // of pods whose request names none; "<it>-monitors" holds the monitors
  std::vector<RuntimeHandlerOptions> handlers; // the first one is the default
  std::string seccomp_profile_root = "/var/lib/kubelet/seccomp";
  std::int64_t log_max_size = std::int64_t{10} << 20; // bytes of one container log file
  unsigned log_max_files = 5;
  std::int64_t pids_limit = 0;                                        // of each container; 0: none
  std::chrono::milliseconds create_timeout = std::chrono::minutes(2); // of one call of the OCI runtime
  std::uint64_t shm_size = std::uint64_t{64} << 20;                   // of a pod's /dev/shm, bytes
  ImageStoreOptions images;
};

// What the runtime stands on; all of it outlives the runtime.
struct RuntimeServices {
  Loop& loop;
  Clock& clock;
  const cgroups::Hierarchy& hierarchy;
  const cgroups::Driver& driver;
  netns::PodNetwork& network;
};

class Runtime {
 public:
  // Probes the handlers, opens the stores, adopts what an earlier daemon left running and undoes what it left half
  // done. The loop must be running on another thread.
  static Result<std::unique_ptr<Runtime>> start(RuntimeOptions options, RuntimeServices services);
  ~Runtime();

  Result<v1::VersionResponse> version(const v1::VersionRequest& request);
  Result<v1::StatusResponse> status(const v1::StatusRequest& request);
  Result<v1::RuntimeConfigResponse> runtime_config(const v1::RuntimeConfigRequest& request);

  Result<v1::RunPodSandboxResponse> run_pod_sandbox(const v1::RunPodSandboxRequest& request);
  Result<v1::StopPodSandboxResponse> stop_pod_sandbox(const v1::StopPodSandboxRequest& request);
  Result<v1::RemovePodSandboxResponse> remove_pod_sandbox(const v1::RemovePodSandboxRequest& request);
  Result<v1::PodSandboxStatusResponse> pod_sandbox_status(const v1::PodSandboxStatusRequest& request);
  Result<v1::ListPodSandboxResponse> list_pod_sandbox(const v1::ListPodSandboxRequest& request);

  Result<v1::CreateContainerResponse> create_container(const v1::CreateContainerRequest& request);
  Result<v1::StartContainerResponse> start_container(const v1::StartContainerRequest& request);
  Result<v1::StopContainerResponse> stop_container(const v1::StopContainerRequest& request);
  Result<v1::RemoveContainerResponse> remove_container(const v1::RemoveContainerRequest& request);
  Result<v1::ContainerStatusResponse> container_status(const v1::ContainerStatusRequest& request);
  Result<v1::ListContainersResponse> list_containers(const v1::ListContainersRequest& request);
  Result<v1::UpdateContainerResourcesResponse>
  update_container_resources(const v1::UpdateContainerResourcesRequest& request);
  Result<v1::ReopenContainerLogResponse> reopen_container_log(const v1::ReopenContainerLogRequest& request);

  Result<v1::ExecSyncResponse> exec_sync(const v1::ExecSyncRequest& request);
  // The same with a time-out finer than the seconds of CRI; zero: none. A time-out is deadline_exceeded. Of each stream
  // no more than max_output bytes are kept.
  Result<v1::ExecSyncResponse> exec_sync(const std::string& container_id, const std::vector<std::string>& argv,
                                         std::chrono::milliseconds timeout,
                                         std::size_t max_output = std::size_t{16} << 20);

  Result<v1::ContainerStatsResponse> container_stats(const v1::ContainerStatsRequest& request);
  Result<v1::ListContainerStatsResponse> list_container_stats(const v1::ListContainerStatsRequest& request);
  Result<v1::PodSandboxStatsResponse> pod_sandbox_stats(const v1::PodSandboxStatsRequest& request);
  Result<v1::ListPodSandboxStatsResponse> list_pod_sandbox_stats(const v1::ListPodSandboxStatsRequest& request);

  Result<v1::ListImagesResponse> list_images(const v1::ListImagesRequest& request);
  Result<v1::ImageStatusResponse> image_status(const v1::ImageStatusRequest& request);
  // progress may be empty; see PullProgress for its threads.
  Result<v1::PullImageResponse> pull_image(const v1::PullImageRequest& request,
                                           const PullProgressHandler& progress = {}, std::stop_token cancel = {});
  Result<v1::RemoveImageResponse> remove_image(const v1::RemoveImageRequest& request);
  Result<v1::ImageFsInfoResponse> image_fs_info(const v1::ImageFsInfoRequest& request);

  EventBus& events();
  ImageStore& images();

  // What CRI does not tell, for the daemon's own commands.
  struct ContainerPlace {
    std::string cgroup_path; // below the mounts
    pid_t pid = 0;           // 0 unless it runs
    std::string log_path;
  };
  Result<ContainerPlace> container_place(const std::string& container_id);
  Result<std::string> sandbox_cgroup(const std::string& sandbox_id);

  struct State; // internal to cri/server/

 private:
  explicit Runtime(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

} // namespace keelson::cri
