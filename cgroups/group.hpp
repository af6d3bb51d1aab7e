// One group: a directory descriptor in every hierarchy, and *at() calls below them.
#pragma once

#include "base/error.hpp"
#include "base/time.hpp"
#include "base/unique_fd.hpp"
#include "cgroups/hierarchy.hpp"
#include "cgroups/knobs.hpp"
#include "cgroups/statistics.hpp"
#include "cgroups/write_plan.hpp"

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace keelson::cgroups {

struct Applied {
  std::vector<Write> written;
  std::vector<Write> skipped; // optional ones whose files this kernel lacks
  std::vector<Dropped> dropped;
};

// Holds one descriptor per hierarchy (ten on a v1 machine): open it for the work at hand, do not keep hundreds. Any
// thread may use a Group; calls do not change it. All calls block on kernel files; those that wait for processes take a
// Deadline. Writing needs root or a delegated subtree. Once the group is removed, calls answer not_found (errno ENODEV
// or ENOENT).
class Group {
 public:
  // `path` is from the mounts' directories: "/kubepods/burstable". Parents are made too: on v2 every controller that
  // the machine has is enabled along the way, on v1 an empty cpuset takes over its parent's. Succeeds if the group
  // exists. If it fails, directories that it made are removed again.
  static Result<Group> create(const Hierarchy& hierarchy, const std::string& path);
  // not_found if no hierarchy has it. Others may have it in some hierarchies only (a runtime that died half-way): those
  // that are there are used.
  static Result<Group> open(const Hierarchy& hierarchy, const std::string& path);
  static bool exists(const Hierarchy& hierarchy, const std::string& path); // in any hierarchy
  // Removes the group and all below it in every hierarchy, bottom up. Succeeds if it is absent. Does not kill: while
  // processes remain it retries, and at the deadline the error names them (deadline_exceeded).
  static Result<> remove(const Hierarchy& hierarchy, const std::string& path, Deadline deadline);

  const std::string& path() const { return path_; }
  const Hierarchy& hierarchy() const { return *hierarchy_; }
  // The directory's descriptor, -1 if the controller is absent or the group is missing there. The group keeps it.
  int dir_of(Controller controller) const;
  std::string full_path(Controller controller, std::string_view file = {}) const; // for messages and other programs

  Result<std::vector<std::string>> children() const; // names, of all hierarchies together
  Result<std::vector<pid_t>> processes() const;      // in the group and below it, of all hierarchies together
  Result<std::vector<pid_t>> own_processes() const;  // in the group itself
  Result<bool> populated() const;

  Result<> attach(pid_t pid) const; // in every hierarchy
  // Moves the calling thread, without the rest of its process, into the v1 groups, which alone take single threads: its
  // children are born there. They are born in the v2 group with SpawnOptions::cgroup_dir.
  Result<> attach_calling_thread() const;
  int v2_dir() const; // the directory's descriptor, -1 without a v2 hierarchy. The group keeps it
  // What a process must write "0" into to join the group by itself: cgroup.procs of every hierarchy, full paths.
  std::vector<std::string> join_files() const;

  // Stops at the first value that the kernel refuses, with file, value and errno in the error; what was written before
  // it stays.
  Result<Applied> apply(const Knobs& knobs, WeightFormula formula = WeightFormula::linear) const;
  Result<> write(const Write& write) const;
  Result<std::string> read_actual(const Write& write) const; // without the last newline
  Result<std::string> read(Controller controller, const std::string& file) const;
  Result<CurrentLimits> current_limits() const;

  Result<> freeze(Deadline deadline) const; // returns when all processes stand still
  Result<> thaw(Deadline deadline) const;
  Result<bool> frozen() const;

  // SIGKILL to every process in the group and below it, forks included, and waits until none is left. Thaws what is
  // frozen. Refuses the root and a group that holds the caller.
  Result<> kill_all(Deadline deadline) const;

  Result<Statistics> statistics() const;
  // Processes killed by the OOM killer in the group and below it; v1 forgets those of groups that are removed.
  // unimplemented without a memory controller.
  Result<std::uint64_t> oom_kill_count() const;

 private:
  Group(const Hierarchy& hierarchy, std::string path)
      : hierarchy_(&hierarchy)
      , path_(std::move(path)) {}
  Result<std::string> describe_processes() const; // for messages
  std::string mount_path(std::size_t mount, std::string_view file) const;
  // Directories that hold processes to look at: each hierarchy's, without -1.
  std::vector<int> present_dirs() const;

  const Hierarchy* hierarchy_;
  std::string path_;
  std::vector<UniqueFd> dirs_; // one per mount of the hierarchy; empty where the group is missing
};

} // namespace keelson::cgroups
