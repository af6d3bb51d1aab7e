// What the verbs of Runtime share. Internal to cri/server/.
#pragma once

#include "base/rollback.hpp"
#include "cri/images/rootfs_store.hpp"
#include "cri/monitor/monitor_client.hpp"
#include "cri/oci/node_facts.hpp"
#include "cri/oci/process_spec.hpp"
#include "cri/oci/seccomp_compiler.hpp"
#include "cri/oci/seccomp_store.hpp"
#include "cri/server/container.hpp"
#include "cri/server/monitor_launcher.hpp"
#include "cri/server/object_store.hpp"
#include "cri/server/runtime.hpp"
#include "cri/server/sandbox.hpp"
#include "cri/server/state_paths.hpp"

#include <atomic>
#include <map>
#include <optional>
#include <unordered_map>

namespace keelson::cri {

inline constexpr std::string_view kRuntimeName = "keelson";
inline constexpr std::string_view kApiVersion = "v1";

// For kernel and monitor work that normally takes milliseconds: long enough for a machine under load.
inline constexpr std::chrono::seconds kShortWork{10};
// From SIGKILL to the end of the process; longer only for one in uninterruptible sleep.
inline constexpr std::chrono::seconds kKillPatience{30};

struct Runtime::State {
  State(RuntimeOptions o, RuntimeServices s);
  ~State(); // waits for callbacks on the loop, which find nothing to do from then on
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  RuntimeOptions options;
  RuntimeServices services;
  StatePaths paths;
  NodeFacts node;
  std::map<std::string, OciRuntime> handlers;
  std::string default_handler;
  std::unique_ptr<ImageStore> images;
  std::unique_ptr<RootfsStore> rootfs;
  SeccompStore seccomp_store;
  SeccompCompiler seccomp_compiler;
  std::optional<MonitorBinary> monitor_binary;
  std::unique_ptr<MonitorLauncher> launcher;

  ObjectStore<Sandbox> sandboxes{"sandbox"};
  ObjectStore<Container> containers{"container"};
  KeyedMutex locks; // by sandbox key, sandbox id, container id; taken in this order
  EventBus events;
  std::mutex publish_mutex; // held from an event's time to its place in the queues

  std::mutex cpu_samples_mutex; // guards cpu_samples
  struct CpuSample {
    SteadyTime at{};
    std::uint64_t usage_nanos = 0;
    std::uint64_t rate_nano_cores = 0;
  };
  std::unordered_map<std::string, CpuSample> cpu_samples; // by cgroup path, for rates

  std::mutex process_specs_mutex;                                                    // guards process_specs
  std::unordered_map<std::string, std::shared_ptr<const ProcessSpec>> process_specs; // by container id

  std::shared_ptr<std::atomic<bool>> ended = std::make_shared<std::atomic<bool>>(false);

  // Declared last: it is destroyed first, which finishes the work that uses all of the above.
  WorkerPool workers{"runtime", 8};

  // runtime_state.cpp
  Result<const OciRuntime*> handler(const std::string& name) const; // "" is the default one
  Result<> save(const Sandbox& sandbox) const;
  Result<> save(const Container& container) const;
  std::vector<std::shared_ptr<Container>> containers_of(const std::string& sandbox_id) const;
  std::vector<std::string> cgroup_files(const std::string& cgroup_path, const std::string& file) const; // all mounts
  std::string memory_events_path(const std::string& cgroup_path) const;
  std::string monitor_cgroup() const;
  Result<> open_stores();

  // monitor_events.cpp
  MonitorClient::Events monitor_events(const std::string& sandbox_id);
  void container_exited(const std::string& id, const monitor::ExitRecord& record);
  void infra_exited(const std::string& sandbox_id);
  void monitor_died(const std::string& sandbox_id);
  bool reconnect_monitor(Sandbox& sandbox); // false: it is dead, or does not answer

  // messages.cpp
  v1::PodSandboxStatus sandbox_status(const Sandbox& sandbox) const;
  v1::ContainerStatus container_status(const Container& container) const;
  void publish(const Sandbox& sandbox, const std::string& subject_id, v1::ContainerEventType type);
  void publish(const Container& container, v1::ContainerEventType type);

  // container_teardown.cpp
  Result<> kill_container(const std::shared_ptr<Container>& container, Deadline deadline);
  Result<> release_exited(const std::shared_ptr<Container>& container); // what a stopped container need not keep
  void save_or_log(const Container& container) const; // where a full disk must not keep a pod from ending
  // Ends a container whose monitor is gone: nobody reaps it and records its end, which is code 255 then.
  Result<> end_lost_container(const std::shared_ptr<Container>& container);
  Result<> destroy_container(const std::shared_ptr<Container>& container, bool monitor_alive);
  Result<> unmount_images(const std::string& id);
  static std::string image_hold(const std::string& id, const std::string& number) { return id + "-" + number; }
  Result<> destroy_container_files(const std::string& id, const std::string& handler_name,
                                   const std::string& cgroup_path);

  // sandbox_teardown.cpp
  Result<> stop_sandbox(const std::shared_ptr<Sandbox>& sandbox);
  Result<> destroy_sandbox(const std::shared_ptr<Sandbox>& sandbox);
  Result<> release_sandbox(const Sandbox& sandbox); // network, namespaces, mounts
  void stop_monitor(const Sandbox& sandbox);
  Result<ProcessId> monitor_process(const std::string& sandbox_id) const; // by its pid file

  // recovery.cpp
  Result<> recover();

  // exec_spec.cpp
  Result<std::shared_ptr<const ProcessSpec>> process_spec(const Container& container);
  Result<monitor::ExecRequest> exec_request(const Container& container, const std::vector<std::string>& argv,
                                            std::chrono::milliseconds timeout);

  // statistics.cpp
  Result<v1::ContainerStats> container_stats(const Container& container);
  Result<v1::PodSandboxStats> sandbox_stats(const Sandbox& sandbox);
  void forget_cpu(const std::string& cgroup_path);
  std::uint64_t cpu_rate(const std::string& cgroup_path, std::uint64_t usage_nanos, SteadyTime now);
};

} // namespace keelson::cri
