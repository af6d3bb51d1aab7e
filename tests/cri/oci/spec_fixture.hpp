// A container with small inputs, and its built spec as JSON, for tests that change one thing and look at one field.
#pragma once

#include "base/json.hpp"
#include "cri/oci/spec_builder.hpp"
#include "cri/proto/runtime_v1.pb.h"

#include <boost/json.hpp>
#include <gtest/gtest.h>

namespace keelson::cri::test {

struct SpecFixture : ::testing::Test {
  SpecFixture() {
    container.mutable_metadata()->set_name("main");
    container.add_command("/bin/true");
    image.env = {"PATH=/image/bin", "LANG=C"};
    node.kernel = {6, 1};
    runtime.recursive_read_only = true;
  }

  runtime::v1::LinuxContainerSecurityContext& security() {
    return *container.mutable_linux()->mutable_security_context();
  }
  runtime::v1::LinuxContainerResources& resources() { return *container.mutable_linux()->mutable_resources(); }

  void make_privileged() {
    security().set_privileged(true);
    sandbox.mutable_linux()->mutable_security_context()->set_privileged(true);
  }

  SpecInput input() const {
    return {container, sandbox, image,      node,      runtime, "c1",    "s1",    "/run/rootfs", "/keelson/c1",
            "web",     user,    namespaces, generated, devices, sources, seccomp, rlimits,       pids_limit};
  }

  Result<BuiltSpec> build() const { return build_spec(input()); }

  // The config.json of a build that must succeed.
  json::object config() {
    auto built = build();
    if (!built) {
      ADD_FAILURE() << built.error().message;
      return {};
    }
    warnings = built->warnings;
    process = built->process;
    return json::parse(built->config_json)->get_object();
  }

  // Text of the error of a build that must fail with this code.
  std::string refusal(Code code) const {
    const auto built = build();
    if (built) {
      ADD_FAILURE() << "built: " << built->config_json;
      return {};
    }
    EXPECT_EQ(built.error().code, code) << built.error().message;
    return built.error().message;
  }

  runtime::v1::ContainerConfig container;
  runtime::v1::PodSandboxConfig sandbox;
  ImageConfig image;
  NodeFacts node;
  RuntimeFeatures runtime;
  ResolvedUser user;
  ContainerNamespaces namespaces{NamespaceSource::at("/ns/net"), NamespaceSource::at("/ns/ipc"),
                                 NamespaceSource::at("/ns/uts"), NamespaceSource::own()};
  GeneratedPaths generated;
  std::vector<HostDevice> devices;
  std::vector<std::string> sources;
  std::shared_ptr<const SeccompProfile> seccomp;
  std::vector<Rlimit> rlimits;
  std::int64_t pids_limit = 0;

  std::vector<std::string> warnings;
  ProcessSpec process;
};

inline std::vector<std::string> strings(const json::value& list) {
  std::vector<std::string> texts;
  for (const json::value& item : list.as_array()) texts.emplace_back(item.as_string());
  return texts;
}

} // namespace keelson::cri::test
