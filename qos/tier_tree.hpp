// The groups of all pods of a node: makes them, gives them their values, removes them, and compares them with the
// kernel.
#pragma once

#include "base/json.hpp"
#include "cgroups/driver.hpp"
#include "qos/tier_names.hpp"
#include "qos/values.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace keelson::qos {

struct TierTreeOptions {
  cgroups::GroupName parent; // "/kubepods"
  Node allocatable;          // limits of the parent group; zeros: none
  Node capacity;             // for oom_score_adj and huge pages
  ValueOptions values;
};

// One file of one group.
struct KnobReport {
  std::string controller;
  std::string file;
  std::string intended;
  std::string actual; // "missing" or "unreadable: ..." if there is none
  std::string source;
  bool matches = false;
};

struct GroupReport {
  std::string title; // "tier burstable", "pod default/web", "container web"
  std::string path;
  bool exists = false;
  std::vector<KnobReport> knobs;
  std::vector<std::string> dropped;
};

// Any thread; calls block on kernel files, one at a time. Needs root or a delegated subtree. The driver and the
// hierarchy must outlive it.
class TierTree {
 public:
  TierTree(const cgroups::Driver& driver, const cgroups::Hierarchy& hierarchy, TierTreeOptions options);
  ~TierTree();

  Result<> ensure_tiers(); // makes the parent and both tiers and gives them their values

  // Makes the pod's group, applies its values and updates the burstable tier. Repeating it applies the values again. A
  // pod whose class or uid has changed is another pod. On failure nothing is left. Gives the group's name.
  Result<cgroups::GroupName> add_pod(const api::Pod& pod);
  // Removes the group in every tier; succeeds if it is absent. Does not kill processes.
  Result<> remove_pod(const std::string& uid, Deadline deadline);

  Result<cgroups::GroupName> name_of(const api::Pod& pod) const;
  // Intended values of a container that the runtime has made, for reports. The group is a child of its pod's.
  void note_container(const std::string& pod_uid, const std::string& container_id, const std::string& name,
                      const SourcedKnobs& values);
  void forget_container(const std::string& pod_uid, const std::string& container_id);

  // Uids of pod groups that exist but were never added: what a start after a crash has to adopt or destroy.
  Result<std::vector<std::string>> unknown_pods() const;

  std::vector<GroupReport> report() const; // parents before children
  static bool verified(const std::vector<GroupReport>& report);
  static json::value to_json(const std::vector<GroupReport>& report);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

} // namespace keelson::qos
