#include "api/decode.hpp"
#include "api/defaults.hpp"
#include "api/validation.hpp"
#include "tests/api/sample_pods.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace keelson::api {
namespace {

std::vector<Problem> problems_of(const std::string& text) {
  auto decoded = decode_pod_text(text);
  EXPECT_TRUE(decoded.has_value()) << text << (decoded ? "" : decoded.error().message);
  if (!decoded) return {};
  apply_defaults(decoded->object);
  return validate(decoded->object);
}

std::string pod(const std::string& container, const std::string& spec = {}) {
  return "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {" + spec + (spec.empty() ? "" : ", ") +
         "containers: [{name: c, image: i" + (container.empty() ? "" : ", ") + container + "}]}\n";
}

TEST(Validation, AcceptsTheSamples) {
  EXPECT_EQ(to_text(problems_of(kSmallPod)), "");
  EXPECT_EQ(to_text(problems_of(kFullPod)), "");
}

struct Refused {
  const char* container;
  const char* spec;
  const char* path; // where the problem is reported
};
class ValidationRefuses : public testing::TestWithParam<Refused> {};

TEST_P(ValidationRefuses, WithThePath) {
  const auto problems = problems_of(pod(GetParam().container, GetParam().spec));
  EXPECT_TRUE(std::any_of(problems.begin(), problems.end(),
                          [](const Problem& problem) { return problem.path == GetParam().path; }))
      << "got: " << to_text(problems);
}

INSTANTIATE_TEST_SUITE_P(
    Containers, ValidationRefuses,
    testing::Values(
        Refused{"ports: [{containerPort: 0}]", "", "spec.containers[0].ports[0].containerPort"},
        Refused{"ports: [{containerPort: 65536}]", "", "spec.containers[0].ports[0].containerPort"},
        Refused{"ports: [{containerPort: 1, hostPort: 70000}]", "", "spec.containers[0].ports[0].hostPort"},
        Refused{"ports: [{containerPort: 1, name: Bad_Name}]", "", "spec.containers[0].ports[0].name"},
        Refused{"ports: [{containerPort: 1, name: a}, {containerPort: 2, name: a}]", "",
                "spec.containers[0].ports[1].name"},
        Refused{"ports: [{containerPort: 1, hostPort: 9}, {containerPort: 2, hostPort: 9}]", "",
                "spec.containers[0].ports[1].hostPort"},
        Refused{"ports: [{containerPort: 1, hostIP: nowhere}]", "", "spec.containers[0].ports[0].hostIP"},
        Refused{"env: [{name: 'A=B', value: x}]", "", "spec.containers[0].env[0].name"},
        Refused{"env: [{name: '', value: x}]", "", "spec.containers[0].env[0].name"},
        Refused{"env: [{name: A, value: \"a\\0b\"}]", "", "spec.containers[0].env[0].value"},
        Refused{"env: [{name: A, valueFrom: {}}]", "", "spec.containers[0].env[0].valueFrom"},
        Refused{"env: [{name: A, value: x, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]", "",
                "spec.containers[0].env[0].valueFrom"},
        Refused{"env: [{name: A, valueFrom: {fieldRef: {fieldPath: spec.foo}}}]", "",
                "spec.containers[0].env[0].valueFrom.fieldRef.fieldPath"},
        Refused{"env: [{name: A, valueFrom: {resourceFieldRef: {resource: cpu}}}]", "",
                "spec.containers[0].env[0].valueFrom.resourceFieldRef.resource"},
        Refused{"envFrom: [{}]", "", "spec.containers[0].envFrom[0]"},
        Refused{"resources: {requests: {cpu: 2}, limits: {cpu: 1}}", "", "spec.containers[0].resources.requests.cpu"},
        Refused{"resources: {limits: {memory: -1}}", "", "spec.containers[0].resources.limits.memory"},
        Refused{"resources: {limits: {memroy: 1}}", "", "spec.containers[0].resources.limits.memroy"},
        Refused{"resources: {requests: {hugepages-2Mi: 2Mi}}", "",
                "spec.containers[0].resources.requests.hugepages-2Mi"},
        Refused{"resources: {limits: {example.com/gpu: 500m}}", "",
                "spec.containers[0].resources.limits.example.com/gpu"},
        Refused{"volumeMounts: [{name: none, mountPath: /a}]", "", "spec.containers[0].volumeMounts[0].name"},
        Refused{"volumeMounts: [{name: v, mountPath: /a}, {name: v, mountPath: /a}]", "volumes: [{name: v}]",
                "spec.containers[0].volumeMounts[1].mountPath"},
        Refused{"volumeMounts: [{name: v, mountPath: /a, subPath: ../x}]", "volumes: [{name: v}]",
                "spec.containers[0].volumeMounts[0].subPath"},
        Refused{"volumeMounts: [{name: v, mountPath: /a, subPath: /x}]", "volumes: [{name: v}]",
                "spec.containers[0].volumeMounts[0].subPath"},
        Refused{"volumeMounts: [{name: v, mountPath: /a, subPath: x, subPathExpr: z}]", "volumes: [{name: v}]",
                "spec.containers[0].volumeMounts[0].subPathExpr"},
        Refused{"volumeMounts: [{name: v, mountPath: /a, mountPropagation: Bidirectional}]", "volumes: [{name: v}]",
                "spec.containers[0].volumeMounts[0].mountPropagation"},
        Refused{"volumeMounts: [{name: v, mountPath: /a, recursiveReadOnly: Enabled}]", "volumes: [{name: v}]",
                "spec.containers[0].volumeMounts[0].recursiveReadOnly"},
        Refused{"livenessProbe: {}", "", "spec.containers[0].livenessProbe"},
        Refused{"livenessProbe: {exec: {command: [a]}, tcpSocket: {port: 1}}", "", "spec.containers[0].livenessProbe"},
        Refused{"livenessProbe: {exec: {}}", "", "spec.containers[0].livenessProbe.exec.command"},
        Refused{"livenessProbe: {tcpSocket: {port: nope}}", "", "spec.containers[0].livenessProbe.tcpSocket.port"},
        Refused{"livenessProbe: {tcpSocket: {port: 0}}", "", "spec.containers[0].livenessProbe.tcpSocket.port"},
        Refused{"livenessProbe: {tcpSocket: {port: 1}, successThreshold: 2}", "",
                "spec.containers[0].livenessProbe.successThreshold"},
        Refused{"livenessProbe: {tcpSocket: {port: 1}, periodSeconds: -1}", "",
                "spec.containers[0].livenessProbe.periodSeconds"},
        Refused{"livenessProbe: {tcpSocket: {port: 1}, initialDelaySeconds: -1}", "",
                "spec.containers[0].livenessProbe.initialDelaySeconds"},
        Refused{"livenessProbe: {tcpSocket: {port: 1}, terminationGracePeriodSeconds: 0}", "",
                "spec.containers[0].livenessProbe.terminationGracePeriodSeconds"},
        Refused{"livenessProbe: {httpGet: {port: 1, httpHeaders: [{name: 'a b', value: c}]}}", "",
                "spec.containers[0].livenessProbe.httpGet.httpHeaders[0].name"},
        Refused{"livenessProbe: {httpGet: {port: 1, httpHeaders: [{name: a, value: \"c\\r\\nHost: x\"}]}}", "",
                "spec.containers[0].livenessProbe.httpGet.httpHeaders[0].value"},
        Refused{"lifecycle: {preStop: {sleep: {seconds: 99}}}", "",
                "spec.containers[0].lifecycle.preStop.sleep.seconds"},
        Refused{"securityContext: {runAsUser: -1}", "", "spec.containers[0].securityContext.runAsUser"},
        Refused{"securityContext: {runAsUser: 4294967296}", "", "spec.containers[0].securityContext.runAsUser"},
        Refused{"securityContext: {privileged: true, allowPrivilegeEscalation: false}", "",
                "spec.containers[0].securityContext"},
        Refused{"securityContext: {seccompProfile: {type: Localhost}}", "",
                "spec.containers[0].securityContext.seccompProfile.localhostProfile"},
        Refused{"securityContext: {seccompProfile: {type: Localhost, localhostProfile: ../x}}", "",
                "spec.containers[0].securityContext.seccompProfile.localhostProfile"},
        Refused{"securityContext: {seccompProfile: {type: RuntimeDefault, localhostProfile: x}}", "",
                "spec.containers[0].securityContext.seccompProfile.localhostProfile"},
        Refused{"targetContainerName: x", "", "spec.containers[0].targetContainerName"},
        Refused{"command: [\"a\\0\"]", "", "spec.containers[0].command[0]"}));

INSTANTIATE_TEST_SUITE_P(
    Pods, ValidationRefuses,
    testing::Values(
        Refused{"", "initContainers: [{name: c, image: i}]", "spec.containers[0].name"},
        Refused{"", "initContainers: [{name: i, image: i, livenessProbe: {tcpSocket: {port: 1}}}]",
                "spec.initContainers[0]"},
        Refused{"", "initContainers: [{name: Upper, image: i}]", "spec.initContainers[0].name"},
        Refused{"", "initContainers: [{name: i}]", "spec.initContainers[0].image"},
        Refused{"", "volumes: [{name: v}, {name: v}]", "spec.volumes[1].name"},
        Refused{"", "volumes: [{name: V_}]", "spec.volumes[0].name"},
        Refused{"", "volumes: [{name: v, gitRepo: {repository: x}}]", "spec.volumes[0].gitRepo"},
        Refused{"", "volumes: [{name: v, emptyDir: {}, nfs: {}}]", "spec.volumes[0]"},
        Refused{"", "volumes: [{name: v, hostPath: {path: /a/../b}}]", "spec.volumes[0].hostPath.path"},
        Refused{"", "volumes: [{name: v, hostPath: {path: a}}]", "spec.volumes[0].hostPath.path"},
        Refused{"", "volumes: [{name: v, emptyDir: {medium: Disk}}]", "spec.volumes[0].emptyDir.medium"},
        Refused{"", "volumes: [{name: v, emptyDir: {sizeLimit: -1}}]", "spec.volumes[0].emptyDir.sizeLimit"},
        Refused{"", "volumes: [{name: v, configMap: {name: c, items: [{key: k, path: ../x}]}}]",
                "spec.volumes[0].configMap.items[0].path"},
        Refused{"", "volumes: [{name: v, configMap: {name: c, defaultMode: 4095}}]",
                "spec.volumes[0].configMap.defaultMode"},
        Refused{"",
                "securityContext: {sysctls: [{name: kernel.shm_rmid_forced, value: \"1\\nkernel.core_pattern=x\"}]}",
                "spec.securityContext.sysctls[0].value"},
        Refused{"", "securityContext: {sysctls: [{name: a.b, value: 1+kernel.core_pattern=2}]}",
                "spec.securityContext.sysctls[0].value"},
        Refused{"", "securityContext: {sysctls: [{name: 'a=b', value: x}]}", "spec.securityContext.sysctls[0].name"},
        Refused{"", "securityContext: {sysctls: [{name: a.b, value: x}, {name: a.b, value: x}]}",
                "spec.securityContext.sysctls[1].name"},
        Refused{"", "securityContext: {fsGroup: 2147483648}", "spec.securityContext.fsGroup"},
        Refused{"", "terminationGracePeriodSeconds: -1", "spec.terminationGracePeriodSeconds"},
        Refused{"", "activeDeadlineSeconds: 0", "spec.activeDeadlineSeconds"},
        Refused{"", "hostname: a.b", "spec.hostname"}, Refused{"", "hostname: '-x'", "spec.hostname"},
        Refused{"", "dnsPolicy: None", "spec.dnsConfig.nameservers"},
        Refused{"", "dnsConfig: {nameservers: [nope]}", "spec.dnsConfig.nameservers[0]"},
        Refused{"", "dnsConfig: {searches: [\"a\\nnameserver 6.6.6.6\"]}", "spec.dnsConfig.searches[0]"},
        Refused{"", "dnsConfig: {options: [{name: \"a\\nb\"}]}", "spec.dnsConfig.options[0].name"},
        Refused{"", "hostAliases: [{ip: 1.2.3.4, hostnames: [\"a\\nb\"]}]", "spec.hostAliases[0].hostnames[0]"},
        Refused{"", "hostAliases: [{ip: x}]", "spec.hostAliases[0].ip"},
        Refused{"", "hostPID: true, shareProcessNamespace: true", "spec.shareProcessNamespace"},
        Refused{"resources: {requests: {cpu: 2}}", "resources: {requests: {cpu: 1}}", "spec.resources.requests.cpu"},
        Refused{"", "resources: {requests: {ephemeral-storage: 1}}", "spec.resources.ephemeral-storage"},
        Refused{"ports: [{containerPort: 1, hostPort: 2}]", "hostNetwork: true",
                "spec.containers[0].ports[0].hostPort"}));

TEST(Validation, MetadataBecomesPaths) {
  for (const char* metadata :
       {"{name: ''}", "{name: ../x}", "{name: a/b}", "{name: UPPER}", "{name: a, namespace: a.b}",
        "{name: a, uid: ../../etc}", "{name: a, uid: a/b}", "{name: a, labels: {'a b': c}}",
        "{name: a, labels: {a: 'c d'}}", "{name: a, labels: {a: -c}}"}) {
    const auto problems = problems_of(std::string("apiVersion: v1\nkind: Pod\nmetadata: ") + metadata +
                                      "\nspec: {containers: [{name: c, image: i}]}");
    EXPECT_EQ(problems.size(), 1U) << metadata << " " << to_text(problems);
  }
}

TEST(Validation, ChecksAsOneError) {
  Pod pod;
  const auto result = check(pod);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, Code::invalid_argument);
  EXPECT_NE(result.error().message.find("spec.containers: is empty"), std::string::npos);
}

TEST(Names, FollowTheirRules) {
  const std::string label63(63, 'a');
  EXPECT_TRUE(is_dns1123_label(label63) && is_dns1123_label("0a-9"));
  EXPECT_FALSE(is_dns1123_label(label63 + "a") || is_dns1123_label("a-") || is_dns1123_label("a.b"));
  EXPECT_TRUE(is_dns1123_subdomain("a.b-c.0") && is_dns1123_subdomain(std::string(253, 'a')));
  EXPECT_FALSE(is_dns1123_subdomain("a..b") || is_dns1123_subdomain(".a") || is_dns1123_subdomain("a.") ||
               is_dns1123_subdomain(std::string(254, 'a')));
  EXPECT_FALSE(is_dns1035_label("0a"));
  EXPECT_TRUE(is_qualified_name("example.com/A_b.c") && is_qualified_name("a"));
  EXPECT_FALSE(is_qualified_name("/a") || is_qualified_name("a/b/c") || is_qualified_name("a/"));
  EXPECT_TRUE(is_env_name("A.b-c d") && !is_env_name("A\n") && !is_env_name("\xc3\xa9"));
  EXPECT_TRUE(is_port_name("http-2") && !is_port_name("123") && !is_port_name("a--b") &&
              !is_port_name("a2345678901234567"));
  EXPECT_TRUE(is_sysctl_name("net.ipv4.ip_forward") && is_sysctl_name("net/ipv4/conf.eth0/x"));
  EXPECT_FALSE(is_sysctl_name("net..a") || is_sysctl_name("a b") || is_sysctl_name(""));
  EXPECT_TRUE(is_ip_address("::1") && is_ip_address("1.2.3.4") && !is_ip_address("1.2.3") &&
              !is_ip_address("1.2.3.4\n"));
}

} // namespace
} // namespace keelson::api
