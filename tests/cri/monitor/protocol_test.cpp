#include "cri/monitor/protocol.hpp"

#include <gtest/gtest.h>

namespace keelson::cri::monitor {
namespace {

ExecRequest full_exec_request() {
  ExecRequest request;
  request.id = "container";
  request.argv = {"sh", "-c", "", std::string("nul\0byte", 8)};
  request.env = {"PATH=/bin"};
  request.cwd = "/tmp";
  request.uid = 4294967294;
  request.groups = {1, 0, 3};
  request.capabilities.bounding = 0x1ffffffffff;
  request.no_new_privileges = true;
  request.rlimits = {{7, 1, ~std::uint64_t{0}}};
  request.oom_score_adj = -998;
  request.seccomp = std::string(80, '\x80');
  request.kill_on_disconnect = false;
  return request;
}

std::string payload_of(const std::string& frame) {
  return frame.substr(kHeaderSize);
}

TEST(MonitorProtocol, RoundTripKeepsEveryField) {
  const ExecRequest sent = full_exec_request();
  const auto frame = encode_frame(Type::exec, 77, sent, 3);
  ASSERT_TRUE(frame);
  const auto header = decode_header(*frame);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->type, Type::exec);
  EXPECT_EQ(header->tag, 77U);
  EXPECT_EQ(header->fds, 3U);
  EXPECT_EQ(header->size, frame->size() - kHeaderSize);
  const auto got = decode<ExecRequest>(payload_of(*frame));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->argv, sent.argv);
  EXPECT_EQ(got->groups, sent.groups);
  EXPECT_EQ(got->capabilities.bounding, sent.capabilities.bounding);
  ASSERT_EQ(got->rlimits.size(), 1U);
  EXPECT_EQ(got->rlimits[0].hard, ~std::uint64_t{0});
  EXPECT_EQ(got->oom_score_adj, sent.oom_score_adj);
  EXPECT_EQ(got->seccomp, sent.seccomp);
  EXPECT_FALSE(got->kill_on_disconnect);
  EXPECT_EQ(encode_frame(Type::exec, 77, *got, 3).value(), *frame);
}

TEST(MonitorProtocol, UnknownFieldsAreSkippedAndAbsentOnesKeepDefaults) {
  const std::string unknown("\xe7\x03\x05\0\0\0extra", 11);
  const auto got = decode<ExecRequest>(unknown + payload_of(*encode_frame(Type::exec, 1, ContainerRequest{"c"})));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->id, "c");
  EXPECT_EQ(got->cwd, "/");
  EXPECT_TRUE(got->kill_on_disconnect);
}

TEST(MonitorProtocol, EveryTruncationIsRefusedOrSmaller) {
  const std::string payload = payload_of(*encode_frame(Type::exec, 1, full_exec_request()));
  std::size_t refused = 0;
  for (std::size_t size = 0; size < payload.size(); ++size)
    refused += decode<ExecRequest>(payload.substr(0, size)) ? 0 : 1;
  EXPECT_GT(refused, payload.size() / 2);
}

TEST(MonitorProtocol, NumberOfWrongSizeIsRefused) {
  const std::string short_number("\x05\0\x04\0\0\0\1\2\3\4", 10);
  EXPECT_EQ(decode<ExecRequest>(short_number).error().code, Code::invalid_argument);
}

TEST(MonitorProtocol, HeaderOverTheLimitsIsRefused) {
  Header header{static_cast<std::uint32_t>(kMaxPayload), Type::list, 0, 1};
  EXPECT_TRUE(decode_header(encode_header(header)));
  header.size += 1;
  EXPECT_FALSE(decode_header(encode_header(header)));
  header = {0, Type::list, kMaxFds + 1, 1};
  EXPECT_FALSE(decode_header(encode_header(header)));
  EXPECT_FALSE(decode_header("short"));
}

TEST(MonitorProtocol, MessageOverFourMebibytesIsNotSent) {
  ExecRequest request;
  request.argv = {std::string(kMaxPayload, 'x')};
  EXPECT_EQ(encode_frame(Type::exec, 1, request).error().code, Code::resource_exhausted);
}

TEST(MonitorProtocol, ListOfTooManyElementsIsRefused) {
  std::string payload;
  for (std::size_t i = 0; i <= kMaxElements; ++i) payload += std::string("\x02\0\0\0\0\0", 6);
  EXPECT_FALSE(decode<ExecRequest>(payload));
}

TEST(ExitRecord, TextRoundTrip) {
  const ExitRecord record{137, 9, true, 3, 1763837000123456789};
  const std::string text = format_exit_record(record);
  EXPECT_EQ(text, "{\"exit_code\":137,\"signal\":9,\"oom_killed\":true,\"oom_kills\":3,"
                  "\"finished_at\":1763837000123456789}\n");
  EXPECT_EQ(parse_exit_record(text).value(), record);
}

TEST(ExitRecord, UnknownKeysAreSkipped) {
  EXPECT_EQ(parse_exit_record("{ \"later\" : -5, \"flag\":true, \"exit_code\": 1 }")->exit_code, 1U);
}

TEST(ExitRecord, MalformedTextIsRefused) {
  for (const char* text :
       {"", "{", "{}", "[]", "{\"exit_code\":}", "{\"exit_code\":1", "{\"exit_code\":1}x", "{\"exit_code\":-1}",
        "{\"exit_code\":1,}", "{\"exit_code\":\"1\"}", "{\"exit_code\" 1}", "{\"signal\":1}", "{\"exit_code\":1.5}",
        "{\"exit_code\":1,\"oom_killed\":1}", "{\"exit_code\":99999999999999999999}"})
    EXPECT_FALSE(parse_exit_record(text)) << text;
}

} // namespace
} // namespace keelson::cri::monitor
