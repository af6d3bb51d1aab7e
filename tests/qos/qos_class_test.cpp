#include "qos/qos_class.hpp"
#include "tests/qos/pod_builder.hpp"

#include <gtest/gtest.h>

namespace keelson::qos {
namespace {

struct Case {
  const char* title;
  const char* first;  // resources of the first container
  const char* second; // of the second one; nullptr: none
  const char* init;   // of an init container; nullptr: none
  QosClass expected;
  const char* field;
};

class ClassTable : public testing::TestWithParam<Case> {};

TEST_P(ClassTable, FollowsThePublishedRules) {
  const Case& c = GetParam();
  const api::Pod pod = pod_with(container("a", c.first), c.second != nullptr ? container("b", c.second) : "",
                                c.init != nullptr ? container("i", c.init) : "");
  const ClassDecision decision = classify(pod);
  EXPECT_EQ(to_string(decision.qos_class), to_string(c.expected)) << c.title << ": " << decision.reason;
  EXPECT_EQ(decision.field, c.field) << c.title;
  EXPECT_FALSE(decision.reason.empty());
}

constexpr const char* kFull = "limits: {cpu: 1, memory: 1Gi}";
constexpr const char* kFirst = "spec.containers[0].resources";

INSTANTIATE_TEST_SUITE_P(
    Published, ClassTable,
    testing::Values(Case{"nothing", "", nullptr, nullptr, QosClass::best_effort, ""},
                    Case{"zero amounts", "requests: {cpu: 0, memory: 0}, limits: {cpu: 0}", nullptr, nullptr,
                         QosClass::best_effort, ""},
                    Case{"other resources only", "limits: {example.com/gpu: 1, ephemeral-storage: 1Gi}", nullptr,
                         nullptr, QosClass::best_effort, ""},
                    Case{"limits alone", kFull, nullptr, nullptr, QosClass::guaranteed, kFirst},
                    Case{"requests equal limits",
                         "requests: {cpu: 1000m, memory: 1024Mi}, limits: {cpu: 1, memory: 1Gi}", nullptr, nullptr,
                         QosClass::guaranteed, kFirst},
                    Case{"with another resource", "limits: {cpu: 1, memory: 1Gi, example.com/gpu: 1}", nullptr, nullptr,
                         QosClass::guaranteed, kFirst},
                    Case{"two containers", kFull, kFull, nullptr, QosClass::guaranteed, kFirst},
                    Case{"init container too", kFull, nullptr, kFull, QosClass::guaranteed, kFirst},
                    Case{"cpu limit alone", "limits: {cpu: 1}", nullptr, nullptr, QosClass::burstable,
                         "spec.containers[0].resources.limits.memory"},
                    Case{"memory limit alone", "limits: {memory: 1Gi}", nullptr, nullptr, QosClass::burstable,
                         "spec.containers[0].resources.limits.cpu"},
                    Case{"requests alone", "requests: {cpu: 1, memory: 1Gi}", nullptr, nullptr, QosClass::burstable,
                         "spec.containers[0].resources.limits.cpu"},
                    Case{"cpu request below limit", "requests: {cpu: 500m}, limits: {cpu: 1, memory: 1Gi}", nullptr,
                         nullptr, QosClass::burstable, "spec.containers[0].resources.requests.cpu"},
                    Case{"memory request below limit", "requests: {memory: 1Mi}, limits: {cpu: 1, memory: 1Gi}",
                         nullptr, nullptr, QosClass::burstable, "spec.containers[0].resources.requests.memory"},
                    Case{"request of zero, explicit", "requests: {cpu: 0}, limits: {cpu: 1, memory: 1Gi}", nullptr,
                         nullptr, QosClass::burstable, "spec.containers[0].resources.requests.cpu"},
                    Case{"second container bare", kFull, "", nullptr, QosClass::burstable,
                         "spec.containers[1].resources.limits.cpu"},
                    Case{"second container zero limit", kFull, "limits: {cpu: 1, memory: 0}", nullptr,
                         QosClass::burstable, "spec.containers[1].resources.limits.memory"},
                    Case{"init container bare", kFull, nullptr, "", QosClass::burstable,
                         "spec.initContainers[0].resources.limits.cpu"},
                    Case{"only the init container asks", "", nullptr, "requests: {cpu: 1m}", QosClass::burstable,
                         "spec.containers[0].resources.limits.cpu"}));

TEST(QosClass, PodLevelResourcesDecideAlone) {
  EXPECT_EQ(class_of(pod_with(container("a", ""), "", "", "resources: {limits: {cpu: 1, memory: 1Gi}}")),
            QosClass::guaranteed);
  const ClassDecision decision = classify(
      pod_with(container("a", kFull), "", "", "resources: {requests: {cpu: 1}, limits: {cpu: 2, memory: 2Gi}}"));
  EXPECT_EQ(decision.qos_class, QosClass::burstable);
  EXPECT_EQ(decision.field, "spec.resources.requests.cpu");
}

TEST(QosClass, EphemeralContainersDoNotCount) {
  const api::Pod pod =
      pod_of("{containers: [" + container("a", kFull) + "], ephemeralContainers: [{name: e, image: i}]}");
  EXPECT_EQ(class_of(pod), QosClass::guaranteed);
}

} // namespace
} // namespace keelson::qos
