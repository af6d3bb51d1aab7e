#include "qos/explain.hpp"

#include "qos/tier_names.hpp"

namespace keelson::qos {

namespace {

Result<ExplainedGroup> explain_group(std::string title, const std::string& path, const SourcedKnobs& values,
                                     cgroups::Version version) {
  ExplainedGroup group;
  group.title = std::move(title);
  group.path = path;
  TRY_ASSIGN(const cgroups::WritePlan plan, cgroups::plan_writes(version, values.knobs));
  for (const cgroups::Write& write : plan.writes) {
    group.writes.push_back({path + "/" + write.file, std::string(token_of(write.controller, version)), write.file,
                            write.value, values.source_of(write)});
  }
  for (const cgroups::Dropped& dropped : plan.dropped) {
    group.dropped.push_back(fmt::format("{}: {}", to_string(dropped.knob), dropped.reason));
  }
  return group;
}

Result<ExplainedGroup> explain_tier(const api::Pod& pod, const ExplainOptions& options, QosClass qos_class) {
  TRY_ASSIGN(const cgroups::GroupName tier, tier_name(options.parent, qos_class));
  const std::string path = tier.cgroupfs_path();
  const cgroups::Version version = options.values.version;
  switch (qos_class) {
  case QosClass::guaranteed:
    return explain_group("tier guaranteed", path, root_tier_values(options.node), version);
  case QosClass::burstable:
    return explain_group("tier burstable, with this pod alone", path, burstable_tier_values(cpu_request_of(pod), 1),
                         version);
  case QosClass::best_effort:
  case QosClass::unset:
    break;
  }
  return explain_group("tier besteffort", path, best_effort_tier_values(), version);
}

Result<> explain_containers(const api::Pod& pod, const ExplainOptions& options, const std::string& pod_path,
                            Explanation& out) {
  for (const auto* containers : {&pod.spec.init_containers, &pod.spec.containers}) {
    const bool init = containers == &pod.spec.init_containers;
    for (const api::Container& container : *containers) {
      const ContainerValues values = container_values(pod, container, options.node, options.values);
      const std::string kind = !init ? "container" : api::is_sidecar(container) ? "sidecar" : "init container";
      TRY_ASSIGN(ExplainedGroup group,
                 explain_group(kind + " " + container.name, pod_path + "/<" + container.name + ">", values.knobs,
                               options.values.version));
      out.groups.push_back(std::move(group));
      out.oom_scores.push_back({container.name, values.oom});
    }
  }
  return {};
}

json::value to_json(const ExplainedGroup& group) {
  json::array writes;
  for (const ExplainedWrite& write : group.writes) {
    writes.push_back({{"path", write.path},
                      {"controller", write.controller},
                      {"file", write.file},
                      {"value", write.value},
                      {"source", write.source}});
  }
  json::array dropped;
  for (const std::string& reason : group.dropped) dropped.emplace_back(reason);
  return {{"title", group.title}, {"path", group.path}, {"writes", std::move(writes)}, {"dropped", std::move(dropped)}};
}

} // namespace

Result<Explanation> explain(const api::Pod& pod, const ExplainOptions& options) {
  Explanation out;
  out.pod = full_name(pod);
  out.version = options.values.version;
  out.decision = classify(pod);
  const QosClass qos_class = out.decision.qos_class;
  TRY_ASSIGN(ExplainedGroup tier, explain_tier(pod, options, qos_class));
  out.groups.push_back(std::move(tier));
  const std::string uid = pod.metadata.uid.empty() ? "<uid>" : pod.metadata.uid;
  TRY_ASSIGN(const cgroups::GroupName name, pod_name(options.parent, qos_class, uid));
  const std::string path = name.cgroupfs_path();
  TRY_ASSIGN(ExplainedGroup group,
             explain_group("pod", path, pod_values(pod, options.node, options.values), options.values.version));
  out.groups.push_back(std::move(group));
  TRY(explain_containers(pod, options, path, out));
  return out;
}

json::value to_json(const Explanation& explanation) {
  json::array groups;
  for (const ExplainedGroup& group : explanation.groups) groups.push_back(to_json(group));
  json::array scores;
  for (const ExplainedScore& score : explanation.oom_scores) {
    scores.push_back(
        {{"container", score.container}, {"oomScoreAdj", score.score.value}, {"source", score.score.source}});
  }
  return {{"pod", explanation.pod},
          {"version", to_string(explanation.version)},
          {"qosClass", to_string(explanation.decision.qos_class)},
          {"field", explanation.decision.field},
          {"reason", explanation.decision.reason},
          {"groups", std::move(groups)},
          {"oomScores", std::move(scores)}};
}

} // namespace keelson::qos
