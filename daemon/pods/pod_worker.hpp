// Brings one pod to what its manifest says, and keeps it there: looks, plans (pod_plan.hpp), acts, until nothing is
// left to do; then sleeps until an event, a timer or somebody wakes it. What takes long (pulls, stops, hooks) runs on
// other threads and wakes it when done.
#pragma once

#include "daemon/pods/agent_context.hpp"
#include "daemon/pods/container_config.hpp"
#include "daemon/pods/manifest_set.hpp"
#include "daemon/pods/pod_plan.hpp"
#include "daemon/pods/pod_status.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>

namespace keelson::daemon {

class PodWorker : public std::enable_shared_from_this<PodWorker> {
 public:
  // on_gone is called once, on a worker's thread, when a pod that had to go is gone with all that was its.
  PodWorker(AgentContext& context, Manifest manifest, WallTime seen_at, std::function<void()> on_gone);

  // Any thread; nothing blocks.
  void wake();
  void terminate();
  void on_probe(const std::string& container_id, const health::ProbeReport& report);
  api::Pod snapshot() const; // with its status
  const Manifest& manifest() const { return manifest_; }
  bool is_terminating() const;
  void detach(); // the agent ends: no wake-up any more

 private:
  // Of one container, beyond what the plan needs to know.
  struct Local {
    bool pulled = false; // for the start that comes next
    std::chrono::seconds pull_delay{0};
    std::string announced_crash; // id of the instance whose back-off was told
  };

  void run();
  bool sync_or_retry();
  bool sync(); // whether to look again at once
  void set_timer(std::optional<WallTime> at);
  void retry_later(const Error& error);

  const api::Container* find_spec(const std::string& name) const;
  ContainerKind kind_of(const std::string& name) const;
  api::Pod pod_with_status(const PodRecord& record) const;

  // pod_observation.cpp: what the records say to memory, probes, reports
  void absorb(const PodRecord& record);
  void watch_container(const ContainerRecord& record, const PodRecord& pod);
  void unwatch_ended(const std::set<std::string>& running);
  void read_end_messages(const PodRecord& record);
  void announce_back_offs(const Plan& plan, const PodRecord& record);
  void publish(const PodRecord& record, const Plan& plan);

  // pod_actions.cpp
  Result<> act(const Action& action, const PodRecord& record);
  Result<> create_sandbox(const Action& action);
  Result<> adopt();
  Result<> remove_container(const Action& action, const PodRecord& record);
  Result<> finish();
  void stop_container(const Action& action, const PodRecord& record);
  std::chrono::seconds begin_stop(const Action& action); // the grace period that is left
  void stop_now(const Action& action, std::chrono::seconds grace, const std::string& address);
  void fail_sandbox(std::string reason, const Error& error, const std::string& prefix);

  // container_start.cpp
  void start_container(const Action& action, const PodRecord& record);
  Result<bool> prepare_image(const api::Container& container, ImageFacts& facts); // false: not yet
  void pull(const api::Container& container);
  void pull_ended(const api::Container& container, Result<> result, std::chrono::nanoseconds took);
  Result<ContainerInput> container_input(const Action& action, const api::Pod& pod, const api::Container& container);
  Result<> launch(const Action& action, const PodRecord& record, const api::Container& container,
                  const ImageFacts& image);
  void post_start(const api::Container& container, const std::string& id, const PodRecord& record);
  void fail_container(const std::string& name, std::string reason, std::string message);

  // lifecycle_hook.cpp
  Result<> run_hook(const api::Container& container, const api::LifecycleHandler& hook, const std::string& id,
                    const std::string& address, std::chrono::nanoseconds timeout);

  AgentContext& context_;
  const Manifest manifest_;
  const api::Pod& pod_; // of the manifest
  const std::function<void()> on_gone_;

  mutable std::mutex mutex_; // guards what follows
  bool scheduled_ = false;
  bool again_ = false;
  bool ended_ = false;
  Loop::Id timer_ = 0;
  std::optional<WallTime> terminating_since_;
  WallTime seen_at_;
  std::map<std::string, ContainerMemory> memory_; // by container name
  std::stop_source pull_stop_;
  std::map<std::string, Local> local_;              // by container name
  std::map<std::string, std::string> end_messages_; // by container id
  std::optional<FailedAttempt> sandbox_failure_;
  api::PodStatus status_;

  // Of the worker's own thread only.
  bool adopted_ = false;
  bool finished_ = false;
  std::chrono::seconds retry_delay_{0};
  std::set<std::string> watched_; // container ids with probes
};

// A pod that the runtime still has and whose manifest is gone, made of what its labels and annotations tell: enough to
// end it as it wanted.
Manifest manifest_of_orphan(const PodRecord& record);

} // namespace keelson::daemon
