// What a test could leave on the machine, taken down before it and compared after it: mounts, network links of the
// calling thread's namespace, cgroups, descendant processes, files, and this process' descriptors.
#pragma once

#include <chrono>
#include <set>
#include <string>
#include <vector>

namespace keelson::test {

struct LeakScope {
  std::vector<std::string> paths;   // files and mounts below these are watched; none: every mount, no files
  std::vector<std::string> cgroups; // directories below which every cgroup counts
  bool links = true;
  bool descriptors = false;
  // Makes this process the reaper of its descendants' orphans (PR_SET_CHILD_SUBREAPER): a daemonised process is then
  // still a descendant, and seen.
  bool adopt_orphans = true;
};

// One thread. The constructor takes the snapshot.
class LeakCheck {
 public:
  explicit LeakCheck(LeakScope scope = {});

  // What is there now and was not before, one line each; asks again until nothing is left or the patience is over,
  // because the kernel finishes some removals late. Zombies that this process adopted are reaped, not reported.
  std::vector<std::string> leaks(std::chrono::milliseconds patience = std::chrono::seconds(3)) const;

 private:
  std::set<std::string> snapshot() const;

  LeakScope scope_;
  std::set<std::string> before_;
};

} // namespace keelson::test
