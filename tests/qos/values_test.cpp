#include "qos/qos_class.hpp"
#include "qos/tier_names.hpp"
#include "qos/values.hpp"
#include "tests/qos/pod_builder.hpp"

#include <gtest/gtest.h>

namespace keelson::qos {
namespace {

using std::chrono::microseconds;

const Node kNode{MilliCpu{4000}, Bytes{std::int64_t{8} << 30}, {"2MB"}};

TEST(CpuValues, SharesFollowTheKernelsRange) {
  const std::pair<std::int64_t, std::uint64_t> cases[] = {{-5, 2},
                                                          {0, 2},
                                                          {1, 2},
                                                          {2, 2},
                                                          {3, 3},
                                                          {10, 10},
                                                          {100, 102},
                                                          {250, 256},
                                                          {1000, 1024},
                                                          {1500, 1536},
                                                          {255'999, 262142},
                                                          {256'000, 262144},
                                                          {1'000'000, 262144},
                                                          {INT64_MAX, 262144}};
  for (const auto& [milli, shares] : cases) EXPECT_EQ(shares_of(MilliCpu{milli}), shares) << milli;
}

TEST(CpuValues, QuotaHasAFloorOfAMillisecond) {
  const std::pair<std::int64_t, std::int64_t> cases[] = {
      {-1, 0},    {0, 0},        {1, 1000},       {9, 1000},       {10, 1000},
      {11, 1100}, {500, 50'000}, {1000, 100'000}, {1500, 150'000}, {8000, 800'000}};
  for (const auto& [milli, quota] : cases) EXPECT_EQ(quota_of(MilliCpu{milli}), microseconds{quota}) << milli;
  EXPECT_EQ(quota_of(MilliCpu{500}, microseconds{10'000}), microseconds{5000});
  EXPECT_GT(quota_of(MilliCpu{INT64_MAX}), microseconds{0});
}

TEST(TierNames, GuaranteedPodsAreBesideTheTiers) {
  const auto parent = cgroups::GroupName::parse("/kubepods");
  EXPECT_EQ(pod_name(*parent, QosClass::guaranteed, "u")->cgroupfs_path(), "/kubepods/podu");
  EXPECT_EQ(pod_name(*parent, QosClass::burstable, "u")->cgroupfs_path(), "/kubepods/burstable/podu");
  EXPECT_EQ(pod_name(*parent, QosClass::best_effort, "u")->cgroupfs_path(), "/kubepods/besteffort/podu");
  EXPECT_FALSE(pod_name(*parent, QosClass::burstable, "").has_value());
  EXPECT_FALSE(pod_name(*parent, QosClass::burstable, "../x").has_value());
  EXPECT_EQ(uid_of_group("podabc"), "abc");
  EXPECT_FALSE(uid_of_group("burstable") || uid_of_group("pod"));
}

TEST(PodValues, OfAGuaranteedPod) {
  const auto [knobs, sources] = pod_values(pod_with(container("a", "limits: {cpu: 500m, memory: 64Mi}"),
                                                    container("b", "limits: {cpu: 250m, memory: 32Mi}")),
                                           kNode, {});
  EXPECT_EQ(knobs.cpu_shares, 768U);
  EXPECT_EQ(knobs.cpu_quota, microseconds{75'000});
  EXPECT_EQ(knobs.cpu_period, microseconds{100'000});
  EXPECT_EQ(knobs.memory_limit, Bytes{96 << 20});
  EXPECT_EQ(knobs.hugetlb_limits.at("2MB"), Bytes{0});
  EXPECT_TRUE(knobs.unified.empty());
  EXPECT_EQ(sources.at("memory_limit"),
            "spec.containers[0].resources.limits.memory + spec.containers[1].resources.limits.memory");
}

TEST(PodValues, BurstableLimitsNeedEveryContainer) {
  const auto one_bare = pod_values(pod_with(container("a", "requests: {cpu: 100m}, limits: {cpu: 1, memory: 64Mi}"),
                                            container("b", "limits: {cpu: 1}")),
                                   kNode, {})
                            .knobs;
  EXPECT_EQ(one_bare.cpu_shares, 1126U); // 100m + 1000m
  EXPECT_EQ(one_bare.cpu_quota, microseconds{200'000});
  EXPECT_FALSE(one_bare.memory_limit.has_value());
  const auto init_bare = pod_values(pod_with(container("a", "requests: {cpu: 1m}, limits: {cpu: 1, memory: 1Gi}"), "",
                                             container("i", "requests: {cpu: 1m}")),
                                    kNode, {})
                             .knobs;
  EXPECT_FALSE(init_bare.cpu_quota.has_value() || init_bare.memory_limit.has_value());
}

TEST(PodValues, BestEffortHasTheLeastSharesAndNoLimits) {
  const auto knobs = pod_values(pod_with(container("a", "")), kNode, {}).knobs;
  EXPECT_EQ(knobs.cpu_shares, 2U);
  EXPECT_FALSE(knobs.cpu_quota || knobs.memory_limit);
}

TEST(PodValues, InitContainersSidecarsAndOverhead) {
  const auto [knobs, sources] =
      pod_values(pod_with(container("a", "limits: {cpu: 200m, memory: 100Mi}"), "",
                          container("s", "limits: {cpu: 100m, memory: 10Mi}", "restartPolicy: Always") + "," +
                              container("i", "limits: {cpu: 900m, memory: 20Mi}"),
                          "overhead: {cpu: 250m, memory: 6Mi}"),
                 kNode, {});
  EXPECT_EQ(knobs.cpu_shares, 1280U); // 900m + 100m + 250m
  EXPECT_EQ(knobs.cpu_quota, microseconds{125'000});
  EXPECT_EQ(knobs.memory_limit, Bytes{116 << 20}); // 100 + 10 + 6
  EXPECT_NE(sources.at("cpu_quota").find("spec.overhead.cpu"), std::string::npos);
}

TEST(PodValues, PodLevelResourcesReplaceSums) {
  const auto [knobs, sources] =
      pod_values(pod_with(container("a", "requests: {cpu: 100m}"), container("b", ""), "",
                          "resources: {requests: {cpu: 500m}, limits: {cpu: 2, memory: 1Gi}}"),
                 kNode, {});
  EXPECT_EQ(knobs.cpu_shares, 512U);
  EXPECT_EQ(knobs.cpu_quota, microseconds{200'000});
  EXPECT_EQ(knobs.memory_limit, Bytes{1 << 30});
  EXPECT_EQ(sources.at("memory_limit"), "spec.resources.limits.memory");
}

TEST(PodValues, QuotaCanBeOffAndHugePagesAreLimited) {
  ValueOptions options;
  options.cpu_quota = false;
  const auto [knobs, sources] =
      pod_values(pod_with(container("a", "limits: {cpu: 1, memory: 1Gi, hugepages-2Mi: 4Mi}")), kNode, options);
  EXPECT_LT(knobs.cpu_quota->count(), 0);
  EXPECT_EQ(knobs.hugetlb_limits.at("2MB"), Bytes{4 << 20});
}

TEST(ContainerValues, ComeFromTheContainersFields) {
  const api::Pod pod = pod_with(container("a", "requests: {cpu: 100m}, limits: {cpu: 500m, memory: 64Mi}"));
  const ContainerValues values = container_values(pod, pod.spec.containers[0], kNode, {});
  EXPECT_EQ(values.knobs.knobs.cpu_shares, 102U);
  EXPECT_EQ(values.knobs.sources.at("memory_limit"), "spec.containers[0].resources.limits.memory");
  EXPECT_EQ(values.knobs.sources.at("cpu_shares"), "spec.containers[0].resources.requests.cpu");
  CriResources expected;
  expected.cpu_period = 100'000;
  expected.cpu_quota = 50'000;
  expected.cpu_shares = 102;
  expected.memory_limit_in_bytes = 64 << 20;
  expected.memory_swap_limit_in_bytes = 64 << 20; // no swap
  expected.oom_score_adj = values.oom.value;
  expected.hugepage_limits = {{"2MB", 0}};
  EXPECT_EQ(cri_resources(values), expected);
}

TEST(ContainerValues, WithoutLimitsNothingIsLimited) {
  const api::Pod pod = pod_with(container("a", ""));
  const CriResources resources = cri_resources(container_values(pod, pod.spec.containers[0], kNode, {}));
  EXPECT_EQ(resources.cpu_shares, 2);
  EXPECT_EQ(resources.cpu_quota, 0);
  EXPECT_EQ(resources.memory_limit_in_bytes, 0);
  EXPECT_EQ(resources.memory_swap_limit_in_bytes, 0);
  EXPECT_EQ(resources.oom_score_adj, 1000);
}

TEST(ContainerValues, MemoryQosIsOffByDefaultAndForV2Only) {
  const api::Pod pod = pod_with(container("a", "requests: {memory: 100Mi}, limits: {memory: 200Mi}"));
  ValueOptions options;
  options.memory_qos = true;
  EXPECT_TRUE(container_values(pod, pod.spec.containers[0], kNode, options).knobs.knobs.unified.empty());
  options.version = cgroups::Version::v2;
  const auto unified = container_values(pod, pod.spec.containers[0], kNode, options).knobs.knobs.unified;
  EXPECT_EQ(unified.at("memory.min"), "104857600");
  EXPECT_EQ(unified.at("memory.high"), "199229440"); // 100Mi + 0.9 * 100Mi = 190Mi, whole pages
  EXPECT_EQ(unified.at("memory.oom.group"), "1");
  EXPECT_EQ(pod_values(pod, kNode, options).knobs.unified.at("memory.min"), "104857600");
  options.memory_qos = false;
  EXPECT_EQ(container_values(pod, pod.spec.containers[0], kNode, options).knobs.knobs.unified.size(), 1U);
}

int score(const api::Pod& pod, std::size_t index = 0) {
  return oom_score(pod, pod.spec.containers[index], kNode.memory).value;
}

TEST(OomScore, ByClassAndRequest) {
  EXPECT_EQ(score(pod_with(container("a", "limits: {cpu: 1, memory: 1Gi}"))), -997);
  EXPECT_EQ(score(pod_with(container("a", ""))), 1000);
  EXPECT_EQ(score(pod_with(container("a", "requests: {memory: 2Gi}"))), 750); // a quarter of the node
  EXPECT_EQ(score(pod_with(container("a", "requests: {cpu: 1}"))), 999);      // never that of BestEffort
  EXPECT_EQ(score(pod_with(container("a", "requests: {memory: 8Gi}"))), 3);   // never that of Guaranteed
  EXPECT_EQ(score(pod_with(container("a", "requests: {memory: 80Gi}"))), 3);
  EXPECT_EQ(score(pod_with(container("a", "requests: {memory: 1}"))), 999);
  EXPECT_EQ(oom_score(pod_with(container("a", "requests: {memory: 1Gi}")),
                      pod_with(container("a", "")).spec.containers[0], Bytes{0})
                .value,
            999); // unknown capacity
}

TEST(OomScore, NodeCriticalPodsAreProtected) {
  api::Pod pod = pod_with(container("a", ""), "", "", "priorityClassName: system-node-critical, priority: 2000001000");
  EXPECT_EQ(score(pod), -997);
  pod.spec.priority = 5;
  EXPECT_EQ(score(pod), 1000);
  pod.metadata.annotations[api::kConfigSourceAnnotation] = "file";
  EXPECT_EQ(score(pod), -997);
}

TEST(OomScore, SidecarsAreNotKilledBeforeTheirContainers) {
  const api::Pod pod = pod_with(container("a", "requests: {memory: 4Gi}"), container("b", "requests: {memory: 2Gi}"),
                                container("small", "requests: {memory: 1Mi}", "restartPolicy: Always") + "," +
                                    container("big", "requests: {memory: 6Gi}", "restartPolicy: Always") + "," +
                                    container("init", "requests: {memory: 1Mi}"));
  const auto init_score = [&](std::size_t i) {
    return oom_score(pod, pod.spec.init_containers[i], kNode.memory).value;
  };
  EXPECT_EQ(init_score(0), 750); // as container b
  EXPECT_EQ(init_score(1), 250);
  EXPECT_EQ(init_score(2), 999);
}

TEST(OomScore, PodLevelRequestIsShared) {
  const api::Pod pod = pod_with(container("a", "requests: {memory: 1Gi}"), container("b", ""), "",
                                "resources: {requests: {memory: 5Gi}}");
  EXPECT_EQ(score(pod, 0), 1000 - 1000 * 3 / 8); // 1Gi + (5Gi - 1Gi) / 2
  EXPECT_EQ(score(pod, 1), 750);
}

TEST(TierValues, AreSumsMinimaAndAllocatable) {
  EXPECT_EQ(burstable_tier_values(MilliCpu{1500}, 3).knobs.cpu_shares, 1536U);
  EXPECT_EQ(burstable_tier_values(MilliCpu{0}, 0).knobs.cpu_shares, 2U);
  EXPECT_EQ(best_effort_tier_values().knobs.cpu_shares, 2U);
  EXPECT_EQ(root_tier_values(kNode).knobs.cpu_shares, 4096U);
  EXPECT_EQ(root_tier_values(kNode).knobs.memory_limit, kNode.memory);
  EXPECT_FALSE(root_tier_values({}).knobs.cpu_shares.has_value());
}

} // namespace
} // namespace keelson::qos
