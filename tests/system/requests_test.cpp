// Calls about the runtime itself, and requests that no client should send.
#include "base/file.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "tests/system/node_fixture.hpp"

#include <gmock/gmock.h>

namespace keelson::test {

namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int kInvalidArgument = 3;
constexpr int kNotFound = 5;
constexpr int kUnimplemented = 12;
constexpr int kInternal = 13;

class Requests : public NodeTest {};

TEST_F(Requests, VersionNamesTheApiThatKubeletAsksFor) {
  const auto reply = use().ok("Version", {{"version", "v1"}});
  EXPECT_EQ(text(reply, "/runtime_name"), "keelson");
  EXPECT_EQ(text(reply, "/runtime_api_version"), "v1");
  EXPECT_NE(text(reply, "/version"), "");
  EXPECT_NE(text(reply, "/runtime_version"), "");
}

TEST_F(Requests, StatusIsReadyAndNamesTheDefaultHandlerTwice) {
  const auto reply = use().ok("Status", {{"verbose", true}});
  std::map<std::string, bool> conditions;
  for (const auto& condition : reply.at("status").at("conditions").as_array())
    conditions[text(condition, "/type")] = condition.at("status").as_bool();
  EXPECT_TRUE(conditions["RuntimeReady"]);
  EXPECT_TRUE(conditions["NetworkReady"]);
  std::set<std::string> handlers;
  for (const auto& handler : reply.at("runtime_handlers").as_array()) handlers.insert(text(handler, "/name"));
  EXPECT_EQ(handlers, (std::set<std::string>{"", "runc"}));
  EXPECT_TRUE(reply.at("features").at("supplemental_groups_policy").as_bool());
  const auto info = json::parse(text(reply, "/info/config"));
  ASSERT_TRUE(info) << text(reply, "/info");
  const std::string version = shell("runc --version");
  EXPECT_THAT(version, HasSubstr(text(*info, "/config/handlers/runc/version")));
  EXPECT_EQ(text(*info, "/config/root"), node().root());
  const auto quiet = use().ok("Status");
  EXPECT_EQ(text(quiet, "/info/config"), "<absent>");
}

TEST_F(Requests, RuntimeConfigTellsTheCgroupDriver) {
  EXPECT_EQ(text(use().ok("RuntimeConfig"), "/linux/cgroup_driver"), "CGROUPFS");
}

TEST_F(Requests, CallsOfLaterReleasesAreUnimplemented) {
  for (const char* method :
       {"Exec", "Attach", "PortForward", "UpdateRuntimeConfig", "CheckpointContainer", "CheckpointPod", "RestorePod",
        "ListMetricDescriptors", "ListPodSandboxMetrics", "UpdatePodSandboxResources"})
    EXPECT_EQ(use().code(method, {}), kUnimplemented) << method;
  for (const char* method : {"StreamPodSandboxes", "StreamContainers", "StreamContainerStats", "StreamPodSandboxStats",
                             "StreamPodSandboxMetrics", "StreamImages"}) {
    const auto stream = node().client().open_stream(method, "{}");
    ASSERT_NE(stream, nullptr) << method;
    EXPECT_FALSE(stream->next(std::chrono::seconds(20)).has_value()) << method;
    ASSERT_TRUE(stream->ended()) << method;
    EXPECT_EQ(stream->finish().code, kUnimplemented) << method;
  }
}

TEST_F(Requests, UnknownIdsAreNotFound) {
  for (const char* method : {"PodSandboxStatus", "PodSandboxStats"})
    EXPECT_EQ(use().code(method, {{"pod_sandbox_id", "feedbeef"}}), kNotFound) << method;
  for (const char* method :
       {"ContainerStatus", "ContainerStats", "StartContainer", "ReopenContainerLog", "UpdateContainerResources"})
    EXPECT_EQ(use().code(method, {{"container_id", "feedbeef"}}), kNotFound) << method;
  EXPECT_EQ(use().code("ExecSync", {{"container_id", "feedbeef"}, {"cmd", {"true"}}}), kNotFound);
  EXPECT_EQ(use().code("CreateContainer", {{"pod_sandbox_id", "feedbeef"}, {"config", container_config("c", "true")}}),
            kNotFound);
}

TEST_F(Requests, StopAndRemoveOfWhatDoesNotExistSucceed) {
  for (const char* method : {"StopPodSandbox", "RemovePodSandbox"})
    EXPECT_EQ(use().code(method, {{"pod_sandbox_id", "feedbeef"}}), 0) << method;
  for (const char* method : {"StopContainer", "RemoveContainer"})
    EXPECT_EQ(use().code(method, {{"container_id", "feedbeef"}}), 0) << method;
  EXPECT_EQ(use().code("RemoveImage", {{"image", {{"image", "registry.test/never:1"}}}}), 0);
}

TEST_F(Requests, EmptyNamesAreInvalid) {
  for (const char* method :
       {"RunPodSandbox", "StopPodSandbox", "RemovePodSandbox", "PodSandboxStatus", "PodSandboxStats", "CreateContainer",
        "StartContainer", "StopContainer", "RemoveContainer", "ContainerStatus", "ContainerStats", "ExecSync",
        "ReopenContainerLog", "UpdateContainerResources", "PullImage", "ImageStatus", "RemoveImage"})
    EXPECT_EQ(use().code(method, {}), kInvalidArgument) << method;
  const std::string pod = use().run_pod("names");
  auto nameless = container_config("", "true");
  EXPECT_EQ(use().code("CreateContainer", {{"pod_sandbox_id", pod}, {"config", nameless}}), kInvalidArgument);
}

TEST_F(Requests, WhatIsRefusedNamesItsReason) {
  struct Case {
    const char* path;
    json::value value;
    const char* reason;
  };
  const std::vector<Case> cases = {
      {"metadata.name", "a/b", "slash"},
      {"hostname", "-not a name-", "host"},
      {"log_directory", "not/absolute", "absolute"},
      {"linux.cgroup_parent", "../../escape", "cgroup"},
      {"dns_config.servers", json::array{"not an address"}, "not an address"},
      {"linux.security_context.namespace_options", json::object{{"pid", "TARGET"}}, "target"},
      {"linux.security_context.namespace_options", json::object{{"network", "CONTAINER"}}, "container"},
      {"port_mappings", json::array{json::object{{"container_port", 80}, {"host_port", 70000}}}, "70000"}};
  for (const Case& one : cases) {
    auto config = pod_config("refused");
    const std::string path = one.path;
    const auto dot = path.rfind('.');
    json::object& parent = dot == std::string::npos ? config : at(config, path.substr(0, dot));
    parent[dot == std::string::npos ? path : path.substr(dot + 1)] = one.value;
    const auto reply = node().call("RunPodSandbox", {{"config", config}});
    EXPECT_EQ(reply.code, kInvalidArgument) << one.path << ": " << reply.message;
    EXPECT_THAT(reply.message, HasSubstr(one.reason)) << one.path;
  }
  const auto reply = node().call("RunPodSandbox", {{"config", pod_config("x")}, {"runtime_handler", "kata"}});
  EXPECT_EQ(reply.code, kInvalidArgument);
  EXPECT_THAT(reply.message, HasSubstr("kata"));
  EXPECT_EQ(node().remains(), std::vector<std::string>{}); // a refusal makes nothing
}

TEST_F(Requests, GarbageIsRefusedAndTheNodeAnswersOn) {
  std::string noise;
  for (int i = 0; i < 4096; ++i) noise += static_cast<char>((i * 7919 + i / 3) & 0xff);
  const std::string cut_off = "\x0a\xff\xff\xff\xff\x0f short";
  for (const char* method : {"RunPodSandbox", "CreateContainer", "ExecSync", "PullImage", "ListContainers", "Version"})
    for (const std::string& bytes : {noise, cut_off, std::string(1, '\xff')}) {
      const auto reply = node().client().call_raw(method, bytes, std::chrono::seconds(20));
      EXPECT_THAT(reply.code, testing::AnyOf(kInternal, kInvalidArgument)) << method;
    }
  // Valid protobuf with text that is no UTF-8, and a message longer than the limit.
  EXPECT_NE(node().client().call_raw("StopContainer", "\x0a\x03\xff\xfe\xfd", std::chrono::seconds(20)).code, -1);
  const auto huge = node().client().call_raw("Version", std::string(std::size_t{17} << 20, 'x'));
  EXPECT_NE(huge.code, 0);
  use().ok("Version");
}

TEST_F(Requests, UnknownFieldsAreIgnored) {
  // Field 99 of a later release, and an empty rest.
  const auto reply = node().client().call_raw("Version", std::string("\x9a\x06\x03new", 6), std::chrono::seconds(20));
  EXPECT_EQ(reply.code, 0) << reply.message;
}

TEST_F(Requests, AThousandListsCostNoMemoryAndNoDescriptors) {
  const std::string pod = use().run_pod("lists");
  use().create(pod, container_config("c", "true"));
  const auto resident = [&] { return parse_int<long>(split_words(proc_status(node().pid(), "VmRSS"))[0]).value_or(0); };
  const auto descriptors = [&] { return list_dir(fmt::format("/proc/{}/fd", node().pid()))->size(); };
  const auto ask = [&](int times) {
    for (int i = 0; i < times; ++i)
      for (const char* method : {"ListPodSandbox", "ListContainers", "ListImages"})
        ASSERT_TRUE(node().call(method).ok());
  };
  ask(300);
  const long before = resident();
  const std::size_t open_before = descriptors();
  ask(1000);
  EXPECT_LT(resident(), before + 2048) << "kB";
  EXPECT_LE(descriptors(), open_before + 2);
}

TEST_F(Requests, TheSocketIsForTheGroupOnly) {
  struct stat info {};
  ASSERT_EQ(::stat(node().socket().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0660U);
  ASSERT_EQ(::stat((node().state() + "/containers").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0077, 0U);
  ASSERT_EQ(::stat((node().root() + "/images").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0077, 0U);
  EXPECT_THAT(content("/proc/net/unix"), Not(HasSubstr("@keelson"))); // no abstract socket (CVE-2020-15257)
}

} // namespace

} // namespace keelson::test
