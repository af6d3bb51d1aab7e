#include "api/environment.hpp"
#include "api/field_ref.hpp"

#include <gtest/gtest.h>

namespace keelson::api {
namespace {

std::optional<std::string> look_up(std::string_view name) {
  if (name == "A") return "a";
  if (name == "EMPTY") return "";
  if (name == "REF") return "$(A)";
  return {};
}

TEST(Expand, FollowsThePublishedRules) {
  const std::pair<const char*, const char*> cases[] = {
      {"", ""},         {"$(A)", "a"},        {"x$(A)y$(A)", "xaya"}, {"$(EMPTY)", ""},   {"$$(A)", "$(A)"},
      {"$$$(A)", "$a"}, {"$$$$(A)", "$$(A)"}, {"$(NO)", "$(NO)"},     {"$(A", "$(A"},     {"$A", "$A"},
      {"$", "$"},       {"$$", "$"},          {"a$", "a$"},           {"$(REF)", "$(A)"}, {"$()", "$()"},
      {"$(A)$", "a$"},  {"${A}", "${A}"},     {"$($(A))", "$($(A))"}, {"$(A))", "a)"},
  };
  for (const auto& [text, expected] : cases) EXPECT_EQ(expand(text, look_up), expected) << text;
}

Pod sample() {
  Pod pod;
  pod.metadata.name = "web";
  pod.metadata.namespace_ = "shop";
  pod.metadata.uid = "u-1";
  pod.metadata.labels = {{"app", "w"}, {"example.com/x", "y"}};
  pod.metadata.annotations = {{"note", "line\n\"two\""}};
  pod.spec.node_name = "n1";
  pod.status.host_ip = "192.0.2.1";
  pod.status.pod_ip = "10.0.0.1";
  pod.status.pod_ips = {{"10.0.0.1", {}}, {"fd00::1", {}}};
  pod.spec.containers.emplace_back().name = "main";
  return pod;
}

TEST(FieldRef, GivesEveryField) {
  const Pod pod = sample();
  EXPECT_EQ(*field_value(pod, "metadata.name"), "web");
  EXPECT_EQ(*field_value(pod, "metadata.namespace"), "shop");
  EXPECT_EQ(*field_value(pod, "metadata.uid"), "u-1");
  EXPECT_EQ(*field_value(pod, "metadata.labels['example.com/x']"), "y");
  EXPECT_EQ(*field_value(pod, "metadata.labels['none']"), "");
  EXPECT_EQ(*field_value(pod, "metadata.annotations['note']"), "line\n\"two\"");
  EXPECT_EQ(*field_value(pod, "metadata.annotations"), "note=\"line\\n\\\"two\\\"\"");
  EXPECT_EQ(*field_value(pod, "spec.nodeName"), "n1");
  EXPECT_EQ(*field_value(pod, "status.podIP"), "10.0.0.1");
  EXPECT_EQ(*field_value(pod, "status.podIPs"), "10.0.0.1,fd00::1");
  EXPECT_EQ(*field_value(pod, "status.hostIPs"), "192.0.2.1");
  for (const char* path :
       {"", "spec.containers", "metadata.labels[app]", "metadata.labels['a", "status", "spec['x']"}) {
    EXPECT_FALSE(field_value(pod, path).has_value()) << path;
  }
}

TEST(FieldRef, ResourcesAreDividedAndRoundedUp) {
  Container container;
  container.resources.limits = {{"cpu", *Quantity::parse("1500m")}};
  container.resources.requests = {{"memory", *Quantity::parse("33000Ki")}};
  const ResourceList node{{"cpu", *Quantity::parse("8")}, {"memory", *Quantity::parse("16Gi")}};
  const auto value = [&](const char* resource, const char* divisor) {
    ResourceFieldSelector selector;
    selector.resource = resource;
    if (*divisor != 0) selector.divisor = *Quantity::parse(divisor);
    return resource_field_value(container, selector, node).value_or("error");
  };
  EXPECT_EQ(value("limits.cpu", ""), "2");
  EXPECT_EQ(value("limits.cpu", "1m"), "1500");
  EXPECT_EQ(value("limits.memory", "1Gi"), "16"); // not set: what the node has
  EXPECT_EQ(value("requests.memory", "1Mi"), "33");
  EXPECT_EQ(value("requests.cpu", ""), "0");
  EXPECT_EQ(value("cpu", ""), "error");
}

EnvVar variable(std::string name, std::string value) {
  EnvVar out;
  out.name = std::move(name);
  out.value = std::move(value);
  return out;
}

TEST(Environment, LaterNamesSeeEarlierOnes) {
  Pod pod = sample();
  Container& container = pod.spec.containers[0];
  container.env = {variable("A", "1"), variable("B", "$(A)$(C)"), variable("C", "3"), variable("A", "again $(B)")};
  const auto resolved = resolve_environment(pod, container, {});
  ASSERT_TRUE(resolved.has_value());
  EXPECT_EQ(*resolved, (Environment{{"A", "again 1$(C)"}, {"B", "1$(C)"}, {"C", "3"}}));
  EXPECT_EQ(expand_all({"sh", "$(C)", "$$(C)"}, *resolved), (std::vector<std::string>{"sh", "3", "$(C)"}));
}

TEST(Environment, ReadsConfigMapsAndSecrets) {
  Pod pod = sample();
  Container& container = pod.spec.containers[0];
  EnvironmentSources sources;
  sources.config_map = [](const std::string& name) -> std::optional<StringMap> {
    if (name == "cm") return StringMap{{"KEY", "v"}, {"bad=name", "x"}};
    return {};
  };
  container.env_from.emplace_back().config_map_ref.emplace().name = "cm";
  container.env_from.back().prefix = "P_";
  EnvVar from_key = variable("K", "");
  from_key.value_from.emplace().config_map_key_ref.emplace().name = "cm";
  from_key.value_from->config_map_key_ref->key = "KEY";
  container.env = {from_key, variable("X", "$(P_KEY)")};
  const auto resolved = resolve_environment(pod, container, sources);
  ASSERT_TRUE(resolved.has_value());
  EXPECT_EQ(*resolved, (Environment{{"P_KEY", "v"}, {"K", "v"}, {"X", "v"}}));

  container.env[0].value_from->config_map_key_ref->key = "NONE";
  EXPECT_EQ(resolve_environment(pod, container, sources).error().message, "key \"NONE\" not found in ConfigMap \"cm\"");
  container.env[0].value_from->config_map_key_ref->optional = true;
  EXPECT_EQ(resolve_environment(pod, container, sources)->size(), 2U);
  container.env_from[0].config_map_ref->name = "other";
  EXPECT_EQ(resolve_environment(pod, container, sources).error().code, Code::not_found);
}

} // namespace
} // namespace keelson::api
