// The cgroup mounts of this machine, looked up once at start. Everything else asks the Hierarchy where a controller is.
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "cgroups/controller.hpp"

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace keelson::cgroups {

// One mounted hierarchy: all of v2, or a v1 mount with its controllers, or a named v1 mount without any (name=systemd).
struct HierarchyMount {
  Version version = Version::v2;
  std::vector<Controller> controllers; // v2: those of the root's cgroup.controllers
  std::string name;                    // of a named v1 hierarchy: "systemd"
  std::string mount_point;             // as it is reached: with the detection's root in front
  std::string root;                    // the cgroup that is mounted: "/" or, in a container, its own
  bool has(Controller controller) const;
};

struct DetectOptions {
  std::string root;                               // put before every path; tests point it at a made-up tree
  std::string mountinfo = "/proc/self/mountinfo"; // below root
};

// Owns a descriptor of every mount's directory. Immutable, so any thread may use it; it must outlive its Groups.
class Hierarchy {
 public:
  // Blocks shortly on files of procfs and cgroupfs; no privileges needed. not_found if no cgroup file system is
  // mounted.
  static Result<Hierarchy> detect(const DetectOptions& options = {});

  Mode mode() const { return mode_; }
  const ControllerLayout& layout() const { return layout_; }
  const std::vector<HierarchyMount>& mounts() const { return mounts_; }
  int mount_fd(std::size_t mount) const { return fds_[mount].get(); }
  // Index into mounts(). Controller::core is the v2 mount.
  std::optional<std::size_t> mount_of(Controller controller) const;
  std::optional<std::size_t> unified_mount() const { return mount_of(Controller::core); }

  // "hybrid: cpu, cpuacct, cpuset, memory, devices, freezer, blkio, pids on v1; hugetlb on v2"
  std::string describe() const;

  // The group of a process in one mount, as a path from the mount's directory ("/a/b"). not_found if the process is
  // gone, failed_precondition if its group lies outside of what is mounted here.
  Result<std::string> group_of(pid_t pid, std::size_t mount) const;

 private:
  Hierarchy() = default;
  Mode mode_ = Mode::v2;
  ControllerLayout layout_;
  std::vector<HierarchyMount> mounts_;
  std::vector<UniqueFd> fds_;
  std::string proc_;
};

// Pure part of group_of: the place of a process' group below a mount that shows `mount_root`. Both may hold ".." in
// front when cgroup namespaces are nested (cgroup_namespaces(7)).
Result<std::string> path_below_mount(std::string_view mount_root, std::string_view group);

} // namespace keelson::cgroups
