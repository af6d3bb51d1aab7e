#include "api/decode.hpp"
#include "api/defaults.hpp"
#include "api/hash.hpp"
#include "api/yaml.hpp"
#include "base/text.hpp"
#include "tests/api/sample_pods.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace keelson::api {
namespace {

Decoded<Pod> decoded(const std::string& text) {
  auto result = decode_pod_text(text);
  EXPECT_TRUE(result.has_value()) << (result ? "" : result.error().message);
  return result.value_or(Decoded<Pod>{});
}

std::string error_of(const std::string& text) {
  const auto result = decode_pod_text(text);
  if (result) return "decoded";
  EXPECT_EQ(result.error().code, Code::invalid_argument);
  return result.error().message;
}

// A pod whose spec and container have these lines.
std::string pod_with(const std::string& container_line, const std::string& spec_line = {}) {
  std::string text = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n";
  if (!spec_line.empty()) text += "  " + spec_line + "\n";
  return text + "  containers:\n  - name: first\n  - name: c\n    " + container_line + "\n";
}

TEST(DecodePod, ReadsEveryTypedField) {
  const auto [pod, warnings] = decoded(kFullPod);
  EXPECT_EQ(warnings, std::vector<std::string>{});
  EXPECT_EQ(pod.metadata.namespace_, "shop");
  EXPECT_EQ(format_rfc3339(pod.metadata.creation_timestamp->at), "2026-01-02T03:04:05Z");
  EXPECT_EQ(pod.metadata.owner_references.at(0).controller, true);
  EXPECT_EQ(pod.spec.restart_policy, RestartPolicy::on_failure);
  EXPECT_EQ(pod.spec.dns_config->options.at(0).value, "5");
  EXPECT_EQ(pod.spec.security_context->supplemental_groups, (std::vector<std::int64_t>{7, 8}));
  EXPECT_EQ(pod.spec.security_context->supplemental_groups_policy, SupplementalGroupsPolicy::strict);
  EXPECT_EQ(pod.spec.volumes.at(0).empty_dir->size_limit->value(), 64 << 20);
  EXPECT_EQ(pod.spec.volumes.at(2).host_path->type, HostPathType::directory_or_create);
  EXPECT_EQ(pod.spec.volumes.at(3).config_map->default_mode, 0640);
  EXPECT_EQ(source_name(pod.spec.volumes.at(8)), "nfs");
  EXPECT_TRUE(is_sidecar(pod.spec.init_containers.at(1)));
  const Container& main = pod.spec.containers.at(0);
  EXPECT_EQ(main.image_pull_policy, PullPolicy::never);
  EXPECT_EQ(main.resources.limits.at("cpu").milli_value(), 500);
  EXPECT_EQ(main.resources.limits.at("example.com/gpu").value(), 1);
  EXPECT_TRUE(main.liveness_probe->http_get->port.is_name);
  EXPECT_EQ(main.liveness_probe->http_get->scheme, UriScheme::https);
  EXPECT_EQ(main.startup_probe->grpc->port, 9000);
  EXPECT_EQ(main.lifecycle->pre_stop->sleep->seconds, 1);
  EXPECT_EQ(main.env.at(2).value_from->resource_field_ref->divisor->value(), 1);
  EXPECT_EQ(main.volume_mounts.at(1).recursive_read_only, RecursiveReadOnly::if_possible);
  EXPECT_TRUE(main.stdin_ && main.stdin_once && main.tty);
  EXPECT_EQ(pod.spec.ephemeral_containers.at(0).target_container_name, "main");
  EXPECT_EQ(pod.status.container_statuses.at(0).last_state.terminated->exit_code, 137);
  EXPECT_EQ(pod.status.pod_ips.at(1).ip, "fd00::5");
}

TEST(DecodePod, RoundTripsThroughJsonAndYaml) {
  for (const char* text : {kFullPod, kSmallPod}) {
    Pod pod = decoded(text).object;
    EXPECT_EQ(decoded(json::to_text(encode_pod(pod))).object, pod);
    EXPECT_EQ(decoded(to_yaml(encode_pod(pod))).object, pod);
    apply_defaults(pod);
    EXPECT_EQ(decoded(json::to_pretty_text(encode_pod(pod))).object, pod);
  }
}

TEST(DecodePod, LosesNothingOfTheDocument) {
  // Every leaf of the manifest is in the encoded pod: nothing was dropped on the way.
  const auto original = parse_yaml(kFullPod);
  ASSERT_TRUE(original.has_value());
  const std::string encoded = json::to_text(encode_pod(decoded(kFullPod).object));
  ASSERT_NE(encoded.find("registry.local"), std::string::npos);
  std::function<void(const json::value&)> visit = [&](const json::value& v) {
    if (const auto* object = v.if_object()) {
      for (const auto& member : *object) {
        if (member.value() != json::value(false)) {
          EXPECT_TRUE(encoded.find(json::to_text(json::value(member.key()))) != std::string::npos) << member.key();
        }
        visit(member.value());
      }
    } else if (const auto* array = v.if_array()) {
      for (const auto& element : *array) visit(element);
    }
  };
  visit(original->documents.at(0));
}

TEST(DecodePod, KeepsAndReportsUnknownFieldsOnce) {
  const auto [pod, warnings] = decoded(pod_with("futureField: {a: [1, {b: 2.5}], c: null}", "alsoNew: true"));
  EXPECT_EQ(warnings,
            (std::vector<std::string>{"spec.alsoNew: unknown field, kept but not acted on",
                                      "spec.containers[1].futureField: unknown field, kept but not acted on"}));
  const std::string text = json::to_text(encode_pod(pod));
  EXPECT_NE(text.find(R"("futureField":{"a":[1,{"b":2.5E0}],"c":null})"), std::string::npos) << text;
  EXPECT_NE(text.find(R"("alsoNew":true)"), std::string::npos);
}

TEST(DecodePod, ErrorsCarryThePath) {
  EXPECT_EQ(
      error_of(pod_with("resources: {limits: {memory: 12Q!}}")),
      "pod p: spec.containers[1].resources.limits.memory: \"12Q!\" is not a quantity: use a number with a unit such "
      "as 128Mi");
  EXPECT_EQ(error_of(pod_with("env: [{name: A, value: 5}]")),
            "pod p: spec.containers[1].env[0].value: 5 is a number: use a string, in quotes");
  EXPECT_EQ(error_of(pod_with("tty: \"yes\"")),
            "pod p: spec.containers[1].tty: \"yes\" is a string: use true or false");
  EXPECT_EQ(error_of(pod_with("command: sh")), "pod p: spec.containers[1].command: \"sh\" is a string: use a list");
  EXPECT_EQ(error_of(pod_with("ports: [{containerPort: 1.5}]")),
            "pod p: spec.containers[1].ports[0].containerPort: 1.5E0 is not whole: use a whole number");
  EXPECT_EQ(
      error_of(pod_with("ports: [{containerPort: 5000000000}]")),
      "pod p: spec.containers[1].ports[0].containerPort: 5000000000 is out of range: use -2147483648 to 2147483647");
  EXPECT_EQ(error_of(pod_with("tty: true", "restartPolicy: Sometimes")),
            "pod p: spec.restartPolicy: \"Sometimes\" is not one of Always, OnFailure, Never");
  EXPECT_EQ(error_of(pod_with("securityContext: []")),
            "pod p: spec.containers[1].securityContext: this is a list: use an object");
  EXPECT_EQ(error_of(pod_with("tty: 1", "overhead: {cpu: x, \"a.b/c\": z}")),
            "pod p: spec.overhead.cpu: \"x\" is not a quantity: use a number with a unit such as 128Mi; "
            "spec.overhead['a.b/c']: \"z\" is not a quantity: use a number with a unit such as 128Mi; "
            "spec.containers[1].tty: 1 is a number: use true or false");
}

TEST(DecodePod, RefusesOtherKinds) {
  EXPECT_EQ(error_of("{}"), "pod: apiVersion: is missing: use v1; kind: is missing: use Pod");
  EXPECT_EQ(error_of("apiVersion: v1\nkind: Service\nmetadata: {name: s}\n"),
            "pod s: kind: \"Service\" is not supported: use Pod");
  EXPECT_EQ(error_of("[1]"), "pod: this is a list: use an object");
  EXPECT_EQ(error_of("just text"), "pod: \"just text\" is a string: use an object");
  EXPECT_EQ(error_of(""), "the manifest is empty: it must hold one pod");
  EXPECT_NE(error_of("{\"apiVersion\": v1,"), "decoded");
}

TEST(DecodePod, NullIsAbsent) {
  const Pod pod = decoded(pod_with("resources: null", "volumes: ~")).object;
  EXPECT_EQ(pod.spec.containers.size(), 2U);
  EXPECT_TRUE(pod.spec.volumes.empty());
}

TEST(DecodePod, BoundsTheManifest) {
  EXPECT_EQ(decode_pods(std::string(kMaxManifestSize + 1, ' ')).error().code, Code::resource_exhausted);
  EXPECT_FALSE(decode_pods("{\"a\":" + std::string(100'000, '[')).has_value());
}

TEST(DecodePod, ReadsManyAndFlowForm) {
  const auto two = decode_pods(std::string(kSmallPod) + "---\n---\n" + kSmallPod);
  ASSERT_TRUE(two.has_value());
  EXPECT_EQ(two->size(), 2U);
  EXPECT_FALSE(decode_pod_text(std::string(kSmallPod) + "---\n" + kSmallPod).has_value());
  EXPECT_EQ(decoded("{apiVersion: v1, kind: Pod, metadata: {name: flow}}").object.metadata.name, "flow");
}

TEST(DecodePod, GarbageNeverCrashes) {
  const std::string text = kFullPod;
  for (std::size_t cut = 0; cut < text.size(); cut += 131) {
    (void)decode_pods(text.substr(0, cut)); // either is fine; ASan watches
    std::string changed = text;
    changed[cut] = static_cast<char>(cut * 31);
    (void)decode_pods(changed);
  }
}

TEST(Hash, DependsOnMeaningOnly) {
  const Pod a =
      decoded(
          "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\",\"labels\":{\"x\":\"1\",\"z\":\"2\"}}}")
          .object;
  Pod b = decoded("kind: Pod\nmetadata: {labels: {z: '2', x: '1'}, name: a}\napiVersion: v1").object;
  EXPECT_EQ(hash_of(a), hash_of(b));
  EXPECT_EQ(hash_of(a).size(), 32U);
  b.status.phase = PodPhase::running;
  b.metadata.resource_version = "9";
  EXPECT_EQ(hash_of(a), hash_of(b));
  b.metadata.labels["x"] = "2";
  EXPECT_NE(hash_of(a), hash_of(b));
  EXPECT_NE(static_pod_uid(a, "n1", "/p"), static_pod_uid(a, "n2", "/p"));
  EXPECT_NE(static_pod_uid(a, "n1", "/p"), static_pod_uid(a, "n1", "/q"));
  EXPECT_NE(static_pod_uid(a, "n", "1/p"), static_pod_uid(a, "n1", "/p"));
}

} // namespace
} // namespace keelson::api
