#include "cri/proto/runtime_v1.pb.h"
#include "daemon/pods/container_config.hpp"
#include "tests/daemon/pods/pod_fixture.hpp"

#include <gtest/gtest.h>

namespace keelson::daemon::test {
namespace {

namespace v1 = ::runtime::v1;

v1::ContainerConfig config_of(const api::Pod& pod, ImageFacts image = {"sha256:1", std::nullopt, ""}) {
  ContainerInput input{.pod = pod, .container = pod.spec.containers.front()};
  input.attempt = 3;
  input.back_off = std::chrono::seconds(40);
  input.image = std::move(image);
  input.environment = {{"WHO", "you"}};
  const auto config = container_config(input);
  EXPECT_TRUE(config.has_value()) << config.error().message;
  return config ? *config : v1::ContainerConfig{};
}

std::string error_of(const api::Pod& pod, ImageFacts image) {
  ContainerInput input{.pod = pod, .container = pod.spec.containers.front()};
  input.image = std::move(image);
  const auto config = container_config(input);
  return config ? "" : config.error().message;
}

TEST(ContainerConfig, CarriesWhatIsLearnedAgainAfterARestart) {
  const auto pod = make_pod(R"({"terminationGracePeriodSeconds":9,"containers":[{"name":"web","image":"i:1",
      "lifecycle":{"preStop":{"exec":{"command":["bye"]}}}}]})");
  const auto config = config_of(pod);
  EXPECT_EQ(config.metadata().attempt(), 3U);
  EXPECT_EQ(config.log_path(), "web/3.log");
  const auto& annotations = config.annotations();
  EXPECT_EQ(annotations.at("io.kubernetes.container.restartCount"), "3");
  EXPECT_EQ(annotations.at("io.kubernetes.pod.terminationGracePeriod"), "9");
  EXPECT_EQ(annotations.at("io.kubernetes.container.preStopHandler"), R"({"exec":{"command":["bye"]}})");
  EXPECT_EQ(annotations.at("io.keelson.container.back-off"), "40");
  EXPECT_EQ(config.labels().at("io.kubernetes.pod.uid"), "u1");
  EXPECT_EQ(config.labels().at("io.kubernetes.container.name"), "web");
}

TEST(ContainerConfig, ExpandsCommandsWithTheEnvironment) {
  const auto config = config_of(make_pod(
      R"json({"containers":[{"name":"web","image":"i:1","command":["say","$(WHO)"],"args":["$$(WHO)","$(NOBODY)"]}]})json"));
  EXPECT_EQ(config.command(1), "you");
  EXPECT_EQ(config.args(0), "$(WHO)");
  EXPECT_EQ(config.args(1), "$(NOBODY)");
}

TEST(ContainerConfig, ConfinesUnlessTold) {
  const auto config = config_of(make_pod(R"({"containers":[{"name":"web","image":"i:1"}]})"));
  const auto& security = config.linux().security_context();
  EXPECT_FALSE(security.privileged());
  EXPECT_GT(security.masked_paths_size(), 5);
  EXPECT_GT(security.readonly_paths_size(), 3);
  EXPECT_EQ(security.seccomp().profile_type(), v1::SecurityProfile::Unconfined);
  EXPECT_FALSE(security.no_new_privs());
  EXPECT_EQ(security.namespace_options().pid(), v1::CONTAINER);
  EXPECT_EQ(security.namespace_options().network(), v1::POD);
}

TEST(ContainerConfig, LetsTheContainerOverruleThePod) {
  const auto config = config_of(make_pod(
      R"({"securityContext":{"runAsUser":1,"runAsGroup":2,"fsGroup":5,"supplementalGroups":[6],"seccompProfile":{"type":"RuntimeDefault"}},
          "containers":[{"name":"web","image":"i:1","securityContext":{"runAsUser":7,"allowPrivilegeEscalation":false,
          "readOnlyRootFilesystem":true,"capabilities":{"add":["NET_ADMIN"],"drop":["ALL"]}}}]})"));
  const auto& security = config.linux().security_context();
  EXPECT_EQ(security.run_as_user().value(), 7);
  EXPECT_EQ(security.run_as_group().value(), 2);
  EXPECT_EQ(security.supplemental_groups(0), 5);
  EXPECT_EQ(security.supplemental_groups(1), 6);
  EXPECT_TRUE(security.no_new_privs());
  EXPECT_TRUE(security.readonly_rootfs());
  EXPECT_EQ(security.capabilities().add_capabilities(0), "NET_ADMIN");
  EXPECT_EQ(security.capabilities().drop_capabilities(0), "ALL");
  EXPECT_EQ(security.seccomp().profile_type(), v1::SecurityProfile::RuntimeDefault);
}

TEST(ContainerConfig, RefusesRootWhenThePodForbidsIt) {
  const auto pod = make_pod(R"({"securityContext":{"runAsNonRoot":true},"containers":[{"name":"web","image":"i:1"}]})");
  EXPECT_NE(error_of(pod, {"x", 0, ""}).find("image will run as root"), std::string::npos);
  EXPECT_NE(error_of(pod, {"x", std::nullopt, ""}).find("image will run as root"), std::string::npos);
  EXPECT_NE(error_of(pod, {"x", std::nullopt, "nobody"}).find("non-numeric user (nobody)"), std::string::npos);
  EXPECT_EQ(error_of(pod, {"x", 1000, ""}), "");
  auto root = pod;
  root.spec.security_context->run_as_user = 0;
  EXPECT_NE(error_of(root, {"x", 1000, ""}).find("breaks non-root policy"), std::string::npos);
}

TEST(ContainerConfig, NamesStopSignals) {
  const auto pod = make_pod(R"({"containers":[{"name":"web","image":"i:1","lifecycle":{"stopSignal":"SIGRTMIN+3"}}]})");
  EXPECT_EQ(config_of(pod).stop_signal(), v1::SIGNAL_SIGRTMINPLUS3);
}

TEST(SandboxConfig, MapsHostPortsAndNamespaces) {
  const auto pod = make_pod(
      R"({"hostPID":true,"shareProcessNamespace":false,"hostname":"box",
      "securityContext":{"sysctls":[{"name":"net/ipv4/ip_forward","value":"1"}]},
      "containers":[{"name":"web","image":"i:1","ports":[{"containerPort":80,"hostPort":8080,"protocol":"UDP"},{"containerPort":81}]}]})",
      R"({"name":"web","uid":"u1","annotations":{"io.keelson.agent":"forged"},"labels":{"io.kubernetes.pod.uid":"forged"}})");
  SandboxInput input{.pod = pod};
  input.node_name = "n1";
  input.cgroup_parent = "/kubepods/podu1";
  const auto config = sandbox_config(input);
  ASSERT_TRUE(config.has_value());
  ASSERT_EQ(config->port_mappings_size(), 1);
  EXPECT_EQ(config->port_mappings(0).host_port(), 8080);
  EXPECT_EQ(config->port_mappings(0).protocol(), v1::UDP);
  EXPECT_EQ(config->hostname(), "box");
  EXPECT_EQ(config->linux().security_context().namespace_options().pid(), v1::NODE);
  EXPECT_EQ(config->linux().sysctls().at("net.ipv4.ip_forward"), "1");
  EXPECT_EQ(config->linux().cgroup_parent(), "/kubepods/podu1");
  EXPECT_EQ(config->annotations().at("io.keelson.agent"), "n1") << "a manifest cannot set our keys";
  EXPECT_EQ(config->labels().at("io.kubernetes.pod.uid"), "u1");
}

TEST(SandboxConfig, MergesTheDnsConfiguration) {
  const char* spec =
      R"({"dnsPolicy":"%s","dnsConfig":{"nameservers":["192.0.2.2"],"searches":["b.test"],"options":[{"name":"ndots","value":"5"}]},
                         "containers":[{"name":"web","image":"i:1"}]})";
  for (const bool none : {true, false}) {
    std::string text = spec;
    text.replace(text.find("%s"), 2, none ? "None" : "Default");
    const auto pod = make_pod(text);
    SandboxInput input{.pod = pod};
    input.resolv_conf = "nameserver 192.0.2.1\nsearch a.test\n# comment\noptions timeout:1\n";
    const auto config = sandbox_config(input);
    ASSERT_TRUE(config.has_value());
    const auto& dns = config->dns_config();
    EXPECT_EQ(dns.servers_size(), none ? 1 : 2);
    EXPECT_EQ(dns.servers(dns.servers_size() - 1), "192.0.2.2");
    EXPECT_EQ(dns.searches_size(), none ? 1 : 2);
    EXPECT_EQ(dns.options(dns.options_size() - 1), "ndots:5");
  }
}

TEST(PodHostname, IsCutToALegalLength) {
  auto pod = make_pod(R"({"containers":[{"name":"web","image":"i:1"}]})");
  pod.metadata.name = std::string(62, 'a') + "-b";
  EXPECT_EQ(pod_hostname(pod), std::string(62, 'a'));
}

} // namespace
} // namespace keelson::daemon::test
