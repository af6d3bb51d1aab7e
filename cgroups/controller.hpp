// Names of the cgroup world: versions, modes and controllers. Pure: no system calls.
#pragma once

#include "base/error.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::cgroups {

enum class Version { v1, v2 };

// What a machine has mounted. hybrid: v1 hierarchies and a cgroup2 mount side by side, each controller on one of them.
enum class Mode { v1, v2, hybrid };

// One name for both versions: io is called blkio on v1. core stands for the files that cgroup v2 itself has in every
// group (cgroup.kill, cgroup.freeze, ...). freezer, devices and the like exist as controllers on v1 only.
enum class Controller {
  cpu,
  cpuacct,
  cpuset,
  memory,
  io,
  hugetlb,
  pids,
  devices,
  freezer,
  net_cls,
  net_prio,
  perf_event,
  rdma,
  misc,
  core,
};
inline constexpr std::size_t kControllerCount = static_cast<std::size_t>(Controller::core) + 1;

std::string_view to_string(Version version);
std::string_view to_string(Mode mode);
// The kernel's token: "blkio" or "io" for Controller::io, "cgroup" for core.
std::string_view token_of(Controller controller, Version version);
// The whole token, never a part of it: "cpu" is not found in "cpuset". Empty if it is no controller known here.
std::optional<Controller> controller_from_token(std::string_view token);
// Controllers among the tokens of a list, in the list's order; unknown tokens ("rw", "name=systemd") are skipped.
std::vector<Controller> controllers_in(std::string_view list, char separator);
// The controller that owns a file: memory for "memory.max", core for "cgroup.kill". Empty if the prefix is none.
std::optional<Controller> controller_of_file(std::string_view file);

// Where each controller lives. What plans of writes depend on; Hierarchy finds it out, tests and dry runs make it up.
class ControllerLayout {
 public:
  static ControllerLayout all(Version version); // every controller that kubelet's knobs need, on this version
  void set(Controller controller, Version version) { versions_[index(controller)] = version; }
  void clear(Controller controller) { versions_[index(controller)].reset(); }
  std::optional<Version> version_of(Controller controller) const { return versions_[index(controller)]; }
  bool operator==(const ControllerLayout&) const = default;

 private:
  static std::size_t index(Controller controller) { return static_cast<std::size_t>(controller); }
  std::array<std::optional<Version>, kControllerCount> versions_;
};

} // namespace keelson::cgroups
