// One CRI socket under measurement: the calls of a pod's life, each timed.
#pragma once

#include "base/error.hpp"

#include <chrono>
#include <memory>
#include <string>

namespace keelson::bench {

using Duration = std::chrono::duration<double, std::milli>;

struct PodTimes {
  Duration run_sandbox{};
  Duration create_container{};
  Duration start_container{};
  Duration stop_sandbox{};
  Duration remove_sandbox{};
};

struct Pod {
  std::string sandbox_id;
  std::string container_id;
  PodTimes times;
};

struct Workload {
  std::string image;
  std::string log_root; // directory; each pod logs in one of its own below
  std::string cgroup_parent;
};

// Any thread.
class CriTarget {
 public:
  static Result<std::unique_ptr<CriTarget>> connect(std::string name, const std::string& socket);
  ~CriTarget();

  const std::string& name() const { return name_; }
  Result<> pull(const std::string& image);
  Result<Pod> start_pod(const Workload& workload, const std::string& pod_name);
  Result<> end_pod(Pod& pod); // StopPodSandbox with the container running, then RemovePodSandbox
  Result<std::string> version();
  Result<std::string> runtime_spec(const std::string& container_id); // config.json of verbose ContainerStatus

 private:
  struct State;
  CriTarget(std::string name, std::unique_ptr<State> state);
  std::string name_;
  std::unique_ptr<State> state_;
};

} // namespace keelson::bench
