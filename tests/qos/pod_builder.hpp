// Pods for tests from the lines of a spec.
#pragma once

#include "api/decode.hpp"
#include "api/defaults.hpp"

#include <gtest/gtest.h>

#include <string>

namespace keelson::qos {

// spec: a YAML flow mapping. Defaults are applied.
inline api::Pod pod_of(const std::string& spec, const std::string& metadata = "{name: p, uid: u1}") {
  auto decoded = api::decode_pod_text("apiVersion: v1\nkind: Pod\nmetadata: " + metadata + "\nspec: " + spec + "\n");
  EXPECT_TRUE(decoded.has_value()) << (decoded ? "" : decoded.error().message);
  api::Pod pod = decoded ? decoded->object : api::Pod{};
  api::apply_defaults(pod);
  return pod;
}

// A container with these resources: "requests: {cpu: 1}, limits: {memory: 1Gi}".
inline std::string container(const std::string& name, const std::string& resources, const std::string& more = {}) {
  return "{name: " + name + ", image: i, resources: {" + resources + "}" + (more.empty() ? "" : ", " + more) + "}";
}

inline api::Pod pod_with(const std::string& first, const std::string& second = {}, const std::string& init = {},
                         const std::string& more = {}) {
  return pod_of("{" + (more.empty() ? "" : more + ", ") + "initContainers: [" + init + "], containers: [" + first +
                (second.empty() ? "" : ", " + second) + "]}");
}

} // namespace keelson::qos
