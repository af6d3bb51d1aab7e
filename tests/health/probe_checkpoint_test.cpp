#include "health/probe_checkpoint.hpp"

#include <gtest/gtest.h>

namespace keelson::health {
namespace {

TEST(ProbeCheckpoint, SurvivesItsTextForm) {
  ProbeCheckpoint web;
  web.container_id = "aa11";
  web.liveness = ProbeCheckpoint::Entry{ProbeResult::success, ProbeResult::failure, 2};
  web.startup = ProbeCheckpoint::Entry{ProbeResult::unknown, ProbeResult::unknown, 0};
  ProbeCheckpoint strange;
  strange.container_id = "\"\\\n\x01ü";
  strange.readiness = ProbeCheckpoint::Entry{ProbeResult::failure, ProbeResult::success, 2147483647};
  const std::vector<ProbeCheckpoint> all{web, strange};
  const auto parsed = parse_checkpoints(format_checkpoints(all));
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(*parsed, all);
}

TEST(ProbeCheckpoint, EmptyListSurvives) {
  const auto parsed = parse_checkpoints(format_checkpoints({}));
  ASSERT_TRUE(parsed);
  EXPECT_TRUE(parsed->empty());
}

TEST(ProbeCheckpoint, IgnoresWhatItDoesNotKnow) {
  const auto parsed = parse_checkpoints(
      R"({"version":1,"new":{},"containers":{"c":{"liveness":{"result":"success","last":"success","run":1,"x":[]},"other":1}}})");
  ASSERT_TRUE(parsed) << parsed.error().message;
  ASSERT_EQ(parsed->size(), 1U);
  EXPECT_TRUE((*parsed)[0].liveness);
}

TEST(ProbeCheckpoint, RefusesWhatIsBroken) {
  for (const char* text : {
           "",
           "{",
           "[]",
           "null",
           "\xff\xfe",
           R"({"version":1})",
           R"({"containers":{}})",
           R"({"version":2,"containers":{}})",
           R"({"version":"1","containers":{}})",
           R"({"version":1,"containers":[]})",
           R"({"version":1,"containers":{"c":1}})",
           R"({"version":1,"containers":{"c":{"liveness":1}}})",
           R"({"version":1,"containers":{"c":{"liveness":{}}}})",
           R"({"version":1,"containers":{"c":{"liveness":{"result":"maybe","last":"success","run":1}}}})",
           R"({"version":1,"containers":{"c":{"liveness":{"result":"success","last":"success","run":-1}}}})",
           R"({"version":1,"containers":{"c":{"liveness":{"result":"success","last":"success","run":4294967296}}}})",
           R"({"version":1,"containers":{"c":{"liveness":{"result":"success","last":"success","run":1.5}}}})",
       }) {
    EXPECT_FALSE(parse_checkpoints(text)) << text;
  }
  EXPECT_FALSE(parse_checkpoints(std::string(100'000, '[')));
}

} // namespace
} // namespace keelson::health
