#include "qos/tier_tree.hpp"

#include "base/rollback.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace keelson::qos {

namespace {

using cgroups::GroupName;

constexpr std::array<QosClass, 3> kClasses = {QosClass::guaranteed, QosClass::burstable, QosClass::best_effort};

// A group of the tree with what it should hold.
struct Intended {
  std::string title;
  GroupName name;
  SourcedKnobs values;
};

struct ContainerEntry {
  std::string name;
  SourcedKnobs values;
};

struct PodEntry {
  QosClass qos_class = QosClass::best_effort;
  MilliCpu cpu_request{0};
  Intended group;
  std::map<std::string, ContainerEntry> containers; // by id
};

std::string tier_title(QosClass qos_class) {
  switch (qos_class) {
  case QosClass::guaranteed:
    return "tier guaranteed";
  case QosClass::burstable:
    return "tier burstable";
  case QosClass::best_effort:
  case QosClass::unset:
    break;
  }
  return "tier besteffort";
}

KnobReport report_of(const cgroups::Group* group, const cgroups::Write& write, const SourcedKnobs& values,
                     cgroups::Version version) {
  KnobReport out{
      std::string(token_of(write.controller, version)), write.file, write.value, {}, values.source_of(write), false};
  if (group == nullptr) {
    out.actual = "missing: no such group";
    return out;
  }
  const auto actual = group->read_actual(write);
  if (!actual && write.optional && actual.error().code == Code::not_found) {
    out.actual = "not offered by this kernel";
    out.matches = true;
    return out;
  }
  out.matches = actual && cgroups::matches(write, *actual);
  if (actual)
    out.actual = *actual;
  else
    out.actual = actual.error().code == Code::not_found ? "missing" : "unreadable: " + actual.error().message;
  return out;
}

} // namespace

struct TierTree::State {
  const cgroups::Driver& driver;
  const cgroups::Hierarchy& hierarchy;
  const TierTreeOptions options;
  mutable std::mutex mutex;             // guards pods, and keeps changes of the tree apart
  std::map<std::string, PodEntry> pods; // by uid

  Result<> apply(const Intended& intended) const {
    TRY_ASSIGN(const cgroups::Group group, driver.create(intended.name));
    TRY_CONTEXT(group.apply(intended.values.knobs), "{} ({})", intended.title, group.path());
    return {};
  }

  SourcedKnobs tier_values(QosClass qos_class) const {
    if (qos_class == QosClass::guaranteed) return root_tier_values(options.allocatable);
    if (qos_class != QosClass::burstable) return best_effort_tier_values();
    MilliCpu sum{0};
    std::size_t count = 0;
    for (const auto& [uid, pod] : pods) {
      if (pod.qos_class != QosClass::burstable) continue;
      sum.value += pod.cpu_request.value;
      ++count;
    }
    return burstable_tier_values(sum, count);
  }

  Result<Intended> tier(QosClass qos_class) const {
    TRY_ASSIGN(GroupName name, tier_name(options.parent, qos_class));
    return Intended{tier_title(qos_class), std::move(name), tier_values(qos_class)};
  }

  Result<> apply_tier(QosClass qos_class) const {
    TRY_ASSIGN(const Intended intended, tier(qos_class));
    return apply(intended);
  }

  GroupReport report(const Intended& intended) const;
  void report_pod(const PodEntry& pod, std::vector<GroupReport>& out) const;
  Result<std::vector<std::string>> children_of(const GroupName& name) const;
};

TierTree::TierTree(const cgroups::Driver& driver, const cgroups::Hierarchy& hierarchy, TierTreeOptions options)
    : state_(new State{driver, hierarchy, std::move(options), {}, {}}) {}

TierTree::~TierTree() = default;

Result<> TierTree::ensure_tiers() {
  const std::lock_guard lock(state_->mutex);
  for (const QosClass qos_class : kClasses) TRY(state_->apply_tier(qos_class));
  return {};
}

Result<GroupName> TierTree::name_of(const api::Pod& pod) const {
  return pod_name(state_->options.parent, class_of(pod), pod.metadata.uid);
}

Result<GroupName> TierTree::add_pod(const api::Pod& pod) {
  TRY_ASSIGN(GroupName name, name_of(pod));
  const std::string& uid = pod.metadata.uid;
  PodEntry entry;
  entry.qos_class = class_of(pod);
  entry.cpu_request = cpu_request_of(pod);
  entry.group = {"pod " + full_name(pod), name, pod_values(pod, state_->options.capacity, state_->options.values)};

  const std::lock_guard lock(state_->mutex);
  const auto known = state_->pods.find(uid);
  if (known != state_->pods.end() && known->second.qos_class != entry.qos_class) {
    return fail(Code::failed_precondition, "pod {}: its class changed from {} to {}: a running pod keeps its class",
                full_name(pod), to_string(known->second.qos_class), to_string(entry.qos_class));
  }
  const bool is_new = known == state_->pods.end();
  TRY_ASSIGN(const bool existed, state_->driver.exists(name));
  Rollback rollback;
  if (!existed) {
    rollback.add("remove the pod's group",
                 [this, name] { return state_->driver.remove(name, Deadline::after(std::chrono::seconds(5))); });
  }
  TRY(state_->apply(entry.group));
  if (!is_new) entry.containers = std::move(known->second.containers);
  const PodEntry before = is_new ? PodEntry{} : std::move(known->second);
  const bool burstable = entry.qos_class == QosClass::burstable;
  state_->pods[uid] = std::move(entry);
  if (burstable) {
    if (auto applied = state_->apply_tier(QosClass::burstable); !applied) {
      if (is_new) state_->pods.erase(uid);
      return Fail(std::move(applied).error());
    }
  }
  rollback.commit();
  return name;
}

Result<> TierTree::remove_pod(const std::string& uid, Deadline deadline) {
  const std::lock_guard lock(state_->mutex);
  for (const QosClass qos_class : kClasses) {
    TRY_ASSIGN(const GroupName name, pod_name(state_->options.parent, qos_class, uid));
    TRY_CONTEXT(state_->driver.remove(name, deadline), "pod {}", uid);
  }
  const auto known = state_->pods.find(uid);
  if (known == state_->pods.end()) return {};
  const bool burstable = known->second.qos_class == QosClass::burstable;
  state_->pods.erase(known);
  return burstable ? state_->apply_tier(QosClass::burstable) : Result<>{};
}

void TierTree::note_container(const std::string& pod_uid, const std::string& container_id, const std::string& name,
                              const SourcedKnobs& values) {
  const std::lock_guard lock(state_->mutex);
  const auto known = state_->pods.find(pod_uid);
  if (known != state_->pods.end()) known->second.containers[container_id] = {name, values};
}

void TierTree::forget_container(const std::string& pod_uid, const std::string& container_id) {
  const std::lock_guard lock(state_->mutex);
  const auto known = state_->pods.find(pod_uid);
  if (known != state_->pods.end()) known->second.containers.erase(container_id);
}

Result<std::vector<std::string>> TierTree::State::children_of(const GroupName& name) const {
  TRY_ASSIGN(const std::string path, driver.path_of(name));
  auto group = cgroups::Group::open(hierarchy, path);
  if (!group && group.error().code == Code::not_found) return std::vector<std::string>();
  if (!group) return Fail(std::move(group).error());
  return group->children();
}

Result<std::vector<std::string>> TierTree::unknown_pods() const {
  const std::lock_guard lock(state_->mutex);
  std::vector<std::string> unknown;
  for (const QosClass qos_class : kClasses) {
    TRY_ASSIGN(const GroupName tier, tier_name(state_->options.parent, qos_class));
    TRY_ASSIGN(const std::vector<std::string> children, state_->children_of(tier));
    for (const std::string& child : children) {
      const auto uid = uid_of_group(child);
      if (uid && !state_->pods.contains(*uid)) unknown.push_back(*uid);
    }
  }
  std::sort(unknown.begin(), unknown.end());
  unknown.erase(std::unique(unknown.begin(), unknown.end()), unknown.end());
  return unknown;
}

GroupReport TierTree::State::report(const Intended& intended) const {
  GroupReport out;
  out.title = intended.title;
  const auto path = driver.path_of(intended.name);
  out.path = path ? *path : intended.name.cgroupfs_path();
  const auto group = cgroups::Group::open(hierarchy, out.path);
  out.exists = group.has_value();
  const auto plan = cgroups::plan_writes(hierarchy.layout(), intended.values.knobs);
  if (!plan) {
    out.dropped.push_back(plan.error().message);
    return out;
  }
  for (const cgroups::Write& write : plan->writes) {
    const auto version = hierarchy.layout().version_of(write.controller).value_or(cgroups::Version::v2);
    out.knobs.push_back(report_of(group ? &*group : nullptr, write, intended.values, version));
  }
  for (const cgroups::Dropped& dropped : plan->dropped) {
    out.dropped.push_back(fmt::format("{}: {}", to_string(dropped.knob), dropped.reason));
  }
  return out;
}

void TierTree::State::report_pod(const PodEntry& pod, std::vector<GroupReport>& out) const {
  out.push_back(report(pod.group));
  for (const auto& [id, container] : pod.containers) {
    const auto path = driver.container_path(pod.group.name, id);
    const auto name = path ? GroupName::parse(*path) : Result<GroupName>(pod.group.name);
    if (!name) continue;
    out.push_back(report({"container " + container.name, *name, container.values}));
  }
}

std::vector<GroupReport> TierTree::report() const {
  const std::lock_guard lock(state_->mutex);
  std::vector<GroupReport> out;
  for (const QosClass qos_class : kClasses) {
    const auto intended = state_->tier(qos_class);
    if (intended) out.push_back(state_->report(*intended));
    for (const auto& [uid, pod] : state_->pods) {
      if (pod.qos_class == qos_class) state_->report_pod(pod, out);
    }
  }
  return out;
}

bool TierTree::verified(const std::vector<GroupReport>& report) {
  return std::all_of(report.begin(), report.end(), [](const GroupReport& group) {
    return group.exists &&
           std::all_of(group.knobs.begin(), group.knobs.end(), [](const KnobReport& knob) { return knob.matches; });
  });
}

json::value TierTree::to_json(const std::vector<GroupReport>& report) {
  json::array groups;
  for (const GroupReport& group : report) {
    json::array knobs;
    for (const KnobReport& knob : group.knobs) {
      knobs.push_back({{"controller", knob.controller},
                       {"file", knob.file},
                       {"intended", knob.intended},
                       {"actual", knob.actual},
                       {"source", knob.source},
                       {"matches", knob.matches}});
    }
    json::array dropped;
    for (const std::string& reason : group.dropped) dropped.emplace_back(reason);
    groups.push_back({{"title", group.title},
                      {"path", group.path},
                      {"exists", group.exists},
                      {"knobs", std::move(knobs)},
                      {"dropped", std::move(dropped)}});
  }
  return {{"verified", verified(report)}, {"groups", std::move(groups)}};
}

} // namespace keelson::qos
