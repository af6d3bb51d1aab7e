#include "daemon/ctl/fields.hpp"
#include "daemon/ctl/target.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace keelson::daemon::ctl {
namespace {

using testing::HasSubstr;

json::array items(const char* text) {
  return json::parse(text).value().as_array();
}

class Target : public testing::Test {
 protected:
  json::array pods = items(R"([
    {"metadata":{"name":"web-node1","namespace":"default","uid":"u1"},
     "spec":{"nodeName":"node1","containers":[{"name":"app"},{"name":"log"}]}},
    {"metadata":{"name":"db","namespace":"a","uid":"u2"},"spec":{"containers":[{"name":"db"}]}},
    {"metadata":{"name":"db","namespace":"b","uid":"u3"},"spec":{"containers":[{"name":"db"}]}}])");
  json::array sandboxes = items(R"([{"id":"ab12000","name":"web-node1","uid":"u1","attempt":0},
                                    {"id":"ab34000","name":"web-node1","uid":"u1","attempt":1}])");
  json::array containers = items(R"([
    {"id":"cafe01","name":"app","podUid":"u1","attempt":0},
    {"id":"cafe02","name":"app","podUid":"u1","attempt":1},
    {"id":"beef00","name":"log","podUid":"u1","attempt":0}])");

  std::string container(const std::string& target, const ContainerChoice& choice = {}) {
    const auto found = find_container(pods, sandboxes, containers, target, choice);
    return found ? text_at(**found, {"id"}) : "error: " + found.error().message;
  }
};

TEST_F(Target, AStaticPodIsFoundWithoutItsNode) {
  EXPECT_EQ(container("web"), "cafe02");
  EXPECT_EQ(container("default/web"), "cafe02");
  EXPECT_EQ(container("web-node1", {"log", false}), "beef00");
}

TEST_F(Target, PreviousIsTheAttemptBefore) {
  EXPECT_EQ(container("web", {"", true}), "cafe01");
  EXPECT_EQ(container("cafe02", {"", true}), "cafe01");
  EXPECT_THAT(container("web", {"log", true}), HasSubstr("no earlier run"));
}

TEST_F(Target, PreviousOfAWaitingContainerIsTheRunThatEndedLast) {
  pods[0].as_object()["status"] = json::parse(R"({"containerStatuses":[{"name":"app",
    "state":{"waiting":{"reason":"CrashLoopBackOff"}},"lastState":{"terminated":{"containerID":"keelson://cafe02"}}}]})")
                                      .value();
  EXPECT_EQ(container("web", {"", true}), "cafe02");
}

TEST_F(Target, AnIdMayBeCutShortButNotTooShort) {
  EXPECT_EQ(container("beef"), "beef00");
  EXPECT_THAT(container("cafe"), HasSubstr("several ids begin with cafe"));
}

TEST_F(Target, AnAmbiguousNameListsWhatFits) {
  EXPECT_THAT(container("db"), HasSubstr("a/db, b/db"));
  EXPECT_THAT(container("a/db"), HasSubstr("has not been made yet"));
}

TEST_F(Target, AWrongNameListsWhatIsThere) {
  EXPECT_THAT(container("nothing"), HasSubstr("pods here: default/web-node1, a/db, b/db"));
  EXPECT_THAT(container("web", {"x", false}), HasSubstr("it has: app, log"));
}

TEST_F(Target, TheSandboxIsTheNewestOne) {
  EXPECT_EQ(text_at(**find_sandbox(pods, sandboxes, "web"), {"id"}), "ab34000");
  EXPECT_EQ(text_at(**find_sandbox(pods, sandboxes, "ab12"), {"id"}), "ab12000");
}

} // namespace
} // namespace keelson::daemon::ctl
