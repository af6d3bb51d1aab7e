// What a node would do with a pod: its class, the reason, and every write into a cgroup file, for one cgroup version.
// Pure: needs no root and no cgroups.
#pragma once

#include "base/json.hpp"
#include "cgroups/group_name.hpp"
#include "qos/qos_class.hpp"
#include "qos/values.hpp"

#include <string>
#include <vector>

namespace keelson::qos {

struct ExplainedWrite {
  std::string path; // of the file below the controller's mount on v1, below the cgroup2 mount on v2
  std::string controller;
  std::string file;
  std::string value;
  std::string source;
};

struct ExplainedGroup {
  std::string title; // "pod", "container web", "init container setup", "tier burstable"
  std::string path;
  std::vector<ExplainedWrite> writes;
  std::vector<std::string> dropped; // "memory_min: cgroup v1 has no such limit"
};

struct ExplainedScore {
  std::string container;
  OomScore score;
};

struct Explanation {
  std::string pod; // namespace/name
  cgroups::Version version = cgroups::Version::v1;
  ClassDecision decision;
  std::vector<ExplainedGroup> groups; // tier, pod, containers
  std::vector<ExplainedScore> oom_scores;
};

struct ExplainOptions {
  cgroups::GroupName parent; // root: "kubepods"
  Node node;
  ValueOptions values; // values.version chooses the version
};

// The pod with defaults applied; a pod without uid is shown as pod<uid>.
Result<Explanation> explain(const api::Pod& pod, const ExplainOptions& options);
json::value to_json(const Explanation& explanation);

} // namespace keelson::qos
