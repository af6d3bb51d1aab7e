#include "qos/eviction.hpp"
#include "qos/explain.hpp"
#include "tests/qos/pod_builder.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace keelson::qos {
namespace {

ExplainOptions options_for(cgroups::Version version) {
  ExplainOptions options;
  options.parent = *cgroups::GroupName::parse("kubepods");
  options.node = {MilliCpu{4000}, Bytes{std::int64_t{8} << 30}, {}};
  options.values.version = version;
  return options;
}

// "path=value (source)" of every write, sorted.
std::vector<std::string> lines_of(const Explanation& explanation) {
  std::vector<std::string> lines;
  for (const ExplainedGroup& group : explanation.groups) {
    for (const ExplainedWrite& write : group.writes) {
      lines.push_back(write.path + "=" + write.value + " (" + write.source + ")");
    }
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

const std::string kContainer = container("web", "requests: {cpu: 100m}, limits: {cpu: 500m, memory: 64Mi}");

TEST(Explain, ListsTheWritesOfV1) {
  const auto explanation = explain(pod_with(kContainer), options_for(cgroups::Version::v1));
  ASSERT_TRUE(explanation.has_value()) << explanation.error().message;
  EXPECT_EQ(explanation->decision.qos_class, QosClass::burstable);
  const std::string cpu = " (spec.containers[0].resources.limits.cpu)";
  const std::string request = " (spec.containers[0].resources.requests.cpu)";
  const std::string memory = " (spec.containers[0].resources.limits.memory)";
  const std::string config = " (configuration)";
  const std::string pod = "/kubepods/burstable/podu1/";
  std::vector<std::string> expected = {
      "/kubepods/burstable/cpu.shares=102 (cpu requests of 1 burstable pod)",
      pod + "cpu.shares=102" + request,
      pod + "cpu.cfs_period_us=100000" + config,
      pod + "cpu.cfs_quota_us=50000" + cpu,
      pod + "memory.limit_in_bytes=67108864" + memory,
      pod + "<web>/cpu.shares=102" + request,
      pod + "<web>/cpu.cfs_period_us=100000" + config,
      pod + "<web>/cpu.cfs_quota_us=50000" + cpu,
      pod + "<web>/memory.limit_in_bytes=67108864" + memory,
      pod + "<web>/memory.memsw.limit_in_bytes=67108864 (configuration: no swap)",
  };
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(lines_of(*explanation), expected);
}

TEST(Explain, ListsTheWritesOfV2) {
  const auto explanation = explain(pod_with(kContainer), options_for(cgroups::Version::v2));
  ASSERT_TRUE(explanation.has_value()) << explanation.error().message;
  const auto lines = lines_of(*explanation);
  const auto has = [&](const std::string& line) { return std::find(lines.begin(), lines.end(), line) != lines.end(); };
  const std::string pod = "/kubepods/burstable/podu1/";
  EXPECT_TRUE(has(pod + "cpu.weight=4 (spec.containers[0].resources.requests.cpu)")) << testing::PrintToString(lines);
  EXPECT_TRUE(has(pod + "cpu.max=50000 100000 (spec.containers[0].resources.limits.cpu)"));
  EXPECT_TRUE(has(pod + "memory.max=67108864 (spec.containers[0].resources.limits.memory)"));
  EXPECT_TRUE(has(pod + "<web>/memory.swap.max=0 (configuration: no swap)"));
  EXPECT_TRUE(has(pod + "<web>/memory.oom.group=1 (configuration: an OOM kill takes the container)"));
}

TEST(Explain, EveryWriteHasASource) {
  for (const auto version : {cgroups::Version::v1, cgroups::Version::v2}) {
    ExplainOptions options = options_for(version);
    options.node.huge_page_sizes = {"2MB", "1GB"};
    options.values.memory_qos = true;
    for (const std::string& resources :
         {std::string(), std::string("limits: {cpu: 1, memory: 1Gi, hugepages-2Mi: 2Mi}"),
          std::string("requests: {memory: 1Gi}")}) {
      const auto explanation = explain(pod_with(container("a", resources), "", container("i", "")), options);
      ASSERT_TRUE(explanation.has_value()) << explanation.error().message;
      for (const ExplainedGroup& group : explanation->groups) {
        for (const ExplainedWrite& write : group.writes) EXPECT_NE(write.source, "") << write.path;
      }
    }
  }
}

TEST(Explain, HasAJsonForm) {
  api::Pod pod = pod_with(kContainer);
  pod.metadata.uid.clear();
  const auto explanation = explain(pod, options_for(cgroups::Version::v1));
  ASSERT_TRUE(explanation.has_value());
  const json::value v = to_json(*explanation);
  const json::object& object = v.get_object();
  EXPECT_EQ(*json::get_string(object, "qosClass"), "Burstable");
  EXPECT_EQ(*json::get_string(object, "version"), "v1");
  EXPECT_EQ(*json::get_string(object, "field"), "spec.containers[0].resources.requests.cpu");
  EXPECT_EQ(json::find_array(object, "groups")->size(), 3U);
  EXPECT_EQ(*json::get_string(json::find_array(object, "groups")->at(1).get_object(), "path"),
            "/kubepods/burstable/pod<uid>");
  EXPECT_EQ(json::find_array(object, "oomScores")->size(), 1U);
}

EvictionCandidate candidate(std::string uid, QosClass qos_class, std::int64_t usage, std::int64_t request,
                            std::int32_t priority = 0) {
  return {std::move(uid), qos_class, priority, false, Bytes{usage}, Bytes{request}};
}

TEST(Eviction, OrdersByExcessPriorityAndClass) {
  std::vector<EvictionCandidate> candidates = {
      candidate("within", QosClass::burstable, 10, 20),
      candidate("guaranteed", QosClass::guaranteed, 50, 50),
      candidate("important", QosClass::best_effort, 500, 0, 9),
      candidate("small", QosClass::best_effort, 5, 0),
      candidate("large", QosClass::burstable, 60, 20),
      candidate("critical", QosClass::best_effort, 900, 0),
      candidate("tie-burstable", QosClass::burstable, 15, 10),
      candidate("tie-besteffort", QosClass::best_effort, 5, 0),
  };
  candidates[5].critical = true;
  std::vector<std::string> order;
  for (const auto& c : eviction_order(candidates)) order.push_back(c.uid);
  EXPECT_EQ(order, (std::vector<std::string>{"large", "small", "tie-besteffort", "tie-burstable", "important",
                                             "guaranteed", "within"}));
}

TEST(Eviction, TakesCandidatesFromPods) {
  api::Pod pod = pod_with(container("a", "requests: {memory: 1Mi}"));
  const EvictionCandidate c = eviction_candidate(pod, Bytes{5});
  EXPECT_EQ(c.request, Bytes{1 << 20});
  EXPECT_EQ(c.qos_class, QosClass::burstable);
  EXPECT_FALSE(c.critical);
  pod.metadata.annotations[api::kConfigSourceAnnotation] = "file";
  EXPECT_TRUE(eviction_candidate(pod, Bytes{5}).critical);
}

} // namespace
} // namespace keelson::qos
