#include "api/decode.hpp"
#include "api/defaults.hpp"
#include "api/pod_resources.hpp"
#include "tests/api/sample_pods.hpp"

#include <gtest/gtest.h>

namespace keelson::api {
namespace {

Pod with_defaults(const std::string& text) {
  auto decoded = decode_pod_text(text);
  EXPECT_TRUE(decoded.has_value()) << (decoded ? "" : decoded.error().message);
  Pod pod = decoded ? decoded->object : Pod{};
  apply_defaults(pod);
  return pod;
}

Pod with_spec(const std::string& spec) {
  return with_defaults("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: " + spec);
}

TEST(Defaults, FillASmallPod) {
  const Pod pod = with_defaults(kSmallPod);
  EXPECT_EQ(pod.metadata.namespace_, "default");
  EXPECT_EQ(pod.spec.restart_policy, RestartPolicy::always);
  EXPECT_EQ(pod.spec.termination_grace_period_seconds, 30);
  EXPECT_EQ(pod.spec.dns_policy, DnsPolicy::cluster_first);
  EXPECT_EQ(pod.spec.enable_service_links, true);
  EXPECT_TRUE(pod.spec.security_context.has_value());
  const Container& container = pod.spec.containers[0];
  EXPECT_EQ(container.image_pull_policy, PullPolicy::always);
  EXPECT_EQ(container.termination_message_path, "/dev/termination-log");
  EXPECT_EQ(container.termination_message_policy, TerminationMessagePolicy::file);
}

TEST(Defaults, PullPolicyComesFromTheTag) {
  const std::pair<const char*, PullPolicy> cases[] = {
      {"busybox", PullPolicy::always},
      {"busybox:latest", PullPolicy::always},
      {"busybox:1", PullPolicy::if_not_present},
      {"localhost:5000/busybox", PullPolicy::always},
      {"localhost:5000/busybox:2", PullPolicy::if_not_present},
      {"busybox@sha256:00", PullPolicy::if_not_present},
      {"busybox:latest@sha256:00", PullPolicy::if_not_present},
  };
  for (const auto& [image, policy] : cases) EXPECT_EQ(default_pull_policy(image), policy) << image;
}

TEST(Defaults, ProbesPortsAndVolumes) {
  const Pod pod = with_spec(
      "{hostNetwork: true, volumes: [{name: v}, {name: c, configMap: {name: x}}], containers: [{name: a, image: b, "
      "ports: [{containerPort: 80}], livenessProbe: {httpGet: {port: 80}}}]}");
  const Container& container = pod.spec.containers[0];
  EXPECT_EQ(container.ports[0].protocol, Protocol::tcp);
  EXPECT_EQ(container.ports[0].host_port, 80);
  const Probe& probe = *container.liveness_probe;
  EXPECT_EQ(probe.http_get->path, "/");
  EXPECT_EQ(probe.http_get->scheme, UriScheme::http);
  EXPECT_EQ(probe.timeout_seconds, 1);
  EXPECT_EQ(probe.period_seconds, 10);
  EXPECT_EQ(probe.success_threshold, 1);
  EXPECT_EQ(probe.failure_threshold, 3);
  EXPECT_EQ(probe.initial_delay_seconds, 0);
  EXPECT_TRUE(pod.spec.volumes[0].empty_dir.has_value());
  EXPECT_EQ(pod.spec.volumes[1].config_map->default_mode, 0644);
}

TEST(Defaults, RequestsComeFromLimits) {
  const Pod pod = with_spec("{containers: [{name: a, image: b, resources: {limits: {cpu: 100.5m, memory: 1Gi}, "
                            "requests: {memory: 1Mi}}}]}");
  const ResourceRequirements& resources = pod.spec.containers[0].resources;
  EXPECT_EQ(resources.requests.at("cpu").to_string(), "101m"); // rounded to thousandths
  EXPECT_EQ(resources.requests.at("memory").to_string(), "1Mi");
}

TEST(Defaults, PodLevelRequestsComeFromContainersThenLimits) {
  const Pod pod = with_spec("{resources: {limits: {cpu: 2, memory: 1Gi}}, containers: [{name: a, image: b, resources: "
                            "{requests: {cpu: 250m}}}]}");
  EXPECT_EQ(pod.spec.resources->requests.at("cpu").to_string(), "250m");
  EXPECT_EQ(pod.spec.resources->requests.at("memory").to_string(), "1Gi");
}

TEST(Defaults, ApplyingTwiceChangesNothing) {
  Pod pod = with_defaults(kFullPod);
  const Pod once = pod;
  apply_defaults(pod);
  EXPECT_EQ(pod, once);
}

TEST(StaticPod, GetsAnIdentity) {
  Pod pod = decode_pod_text(kSmallPod)->object;
  Pod again = pod;
  apply_static_pod_identity(pod, "node1", "/etc/manifests/web.yaml");
  EXPECT_EQ(pod.metadata.name, "web-node1");
  EXPECT_EQ(pod.metadata.namespace_, "default");
  EXPECT_EQ(pod.metadata.uid.size(), 32U);
  EXPECT_EQ(pod.metadata.annotations.at(kConfigHashAnnotation), pod.metadata.uid);
  EXPECT_EQ(pod.metadata.annotations.at(kConfigSourceAnnotation), "file");
  EXPECT_EQ(pod.spec.node_name, "node1");
  EXPECT_EQ(pod.spec.tolerations.at(0).effect, "NoExecute");
  EXPECT_TRUE(is_static(pod));
  EXPECT_FALSE(is_node_critical(pod));
  pod.spec.priority_class_name = "system-node-critical";
  EXPECT_TRUE(is_node_critical(pod));
  apply_static_pod_identity(again, "node1", "/etc/manifests/web.yaml");
  EXPECT_EQ(again.metadata.uid, pod.metadata.uid);
}

TEST(PodResources, CountsInitContainersSidecarsAndOverhead) {
  const Pod pod =
      with_spec("{overhead: {cpu: 5m}, initContainers: [{name: i1, image: x, resources: {requests: {cpu: 300m}}},"
                "{name: s1, image: x, restartPolicy: Always, resources: {requests: {cpu: 50m}}},"
                "{name: i2, image: x, resources: {requests: {cpu: 280m}}},"
                "{name: s2, image: x, restartPolicy: Always, resources: {requests: {cpu: 20m}}}],"
                "containers: [{name: c1, image: x, resources: {requests: {cpu: 100m}, limits: {memory: 1Gi}}},"
                "{name: c2, image: x, resources: {requests: {cpu: 100m}}}]}");
  // running: 100 + 100 + 50 + 20 = 270; i1: 300; i2 with s1: 330.
  EXPECT_EQ(amount_of(pod_requests(pod, Overhead::excluded), "cpu").milli_value(), 330);
  EXPECT_EQ(amount_of(pod_requests(pod), "cpu").milli_value(), 335);
  EXPECT_EQ(amount_of(pod_limits(pod), "cpu").milli_value(), 0); // overhead alone makes no limit
  EXPECT_EQ(amount_of(pod_limits(pod), "memory").value(), 1 << 30);
}

} // namespace
} // namespace keelson::api
