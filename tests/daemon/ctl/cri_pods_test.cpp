#include "daemon/admin/cri_pods.hpp"
#include "daemon/admin/http_text.hpp"
#include "daemon/ctl/object_tables.hpp"

#include <gtest/gtest.h>

namespace keelson::daemon {
namespace {

json::array items(const char* text) {
  return json::parse(text).value().as_array();
}

TEST(PodsOfOthers, ShowsTheNewestSandboxAndAttemptOfEachContainer) {
  const json::array sandboxes = items(R"([
    {"id":"s1","name":"p","namespace":"n","uid":"u1","attempt":0,"state":"notready","createdAt":"2026-11-22T17:00:00Z"},
    {"id":"s2","name":"p","namespace":"n","uid":"u1","attempt":1,"state":"ready","createdAt":"2026-11-22T18:00:00Z",
     "ips":["10.0.0.2","fd00::2"],"qosClass":"BestEffort"},
    {"id":"s3","name":"own","namespace":"n","uid":"mine","state":"ready"}])");
  const json::array containers = items(R"([
    {"id":"c1","name":"a","sandboxId":"s2","attempt":0,"state":"exited","exitCode":1},
    {"id":"c2","name":"a","sandboxId":"s2","attempt":1,"state":"running","startedAt":"2026-11-22T18:00:01Z"}])");
  const json::array pods = pods_of_others(sandboxes, containers, items(R"([{"metadata":{"uid":"mine"}}])"));
  ASSERT_EQ(pods.size(), 1U);
  EXPECT_EQ(pods[0].at("status").at("podIP"), "10.0.0.2");
  EXPECT_EQ(pods[0].at("status").at("phase"), "Running");
  EXPECT_EQ(pods[0].at("status").at("podIPs").as_array().size(), 2U);
  const json::array& statuses = pods[0].at("status").at("containerStatuses").as_array();
  ASSERT_EQ(statuses.size(), 1U);
  EXPECT_EQ(statuses[0].at("containerID"), "keelson://c2");
  EXPECT_EQ(statuses[0].at("restartCount"), 1);
  EXPECT_EQ(ctl::pod_status_text(pods[0]), "Running");
}

TEST(PodsOfOthers, AStoppedSandboxIsNotRunning) {
  const json::array pods =
      pods_of_others(items(R"([{"id":"s","name":"p","namespace":"n","uid":"u","state":"notready"}])"),
                     items(R"([{"id":"c","name":"a","sandboxId":"s","state":"exited","exitCode":0}])"), {});
  ASSERT_EQ(pods.size(), 1U);
  EXPECT_EQ(pods[0].at("status").at("phase"), "Succeeded");
}

TEST(ParseTarget, DecodesPathAndQuery) {
  const auto target = parse_target("/v1/x%20y?a=1&b&c=%2F%3d");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->path, "/v1/x y");
  EXPECT_EQ(target->query.at("a"), "1");
  EXPECT_EQ(target->query.at("b"), "");
  EXPECT_EQ(target->query.at("c"), "/=");
  for (const char* wrong : {"", "x", "http://a/b", "/%", "/%4", "/%zz", "/%00", "/?a=%f"})
    EXPECT_FALSE(parse_target(wrong)) << wrong;
}

} // namespace
} // namespace keelson::daemon
