#include "daemon/ctl/base64.hpp"
#include "daemon/ctl/command_line.hpp"
#include "daemon/ctl/commands.hpp"
#include "daemon/ctl/completion.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace keelson::daemon::ctl {
namespace {

using testing::HasSubstr;

struct Parsed {
  std::optional<int> status;
  std::string out;
  std::string err;
};

Parsed parse(std::vector<const char*> words) {
  words.insert(words.begin(), "keelsonctl");
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const Invocation invocation = parse_command_line(static_cast<int>(words.size()), words.data());
  Parsed parsed{invocation.exit_status, testing::internal::GetCapturedStdout(), testing::internal::GetCapturedStderr()};
  EXPECT_EQ(invocation.command == nullptr, invocation.exit_status.has_value());
  return parsed;
}

TEST(CommandLine, MistakesEndWithStatus2AndNameTheCommand) {
  const Parsed wrong_form = parse({"pods", "-o", "xml"});
  EXPECT_EQ(wrong_form.status, 2);
  EXPECT_THAT(wrong_form.err, HasSubstr("xml"));
  EXPECT_THAT(wrong_form.err, HasSubstr("keelsonctl pods --help"));
  EXPECT_EQ(parse({"nonsense"}).status, 2);
  EXPECT_EQ(parse({"logs"}).status, 2);
  EXPECT_EQ(parse({"logs", "web", "--tail", "many"}).status, 2);
  EXPECT_EQ(parse({"logs", "web", "--tail", "-2"}).status, 2);
  EXPECT_EQ(parse({"exec", "web"}).status, 2);
  EXPECT_EQ(parse({"image"}).status, 2);
  EXPECT_EQ(parse({"qos", "explain", "-f", "x", "--cgroup-version", "3"}).status, 2);
  EXPECT_EQ(parse({"container", "stop", "x", "--timeout", "-4"}).status, 2);
}

TEST(CommandLine, WithoutACommandTheHelpIsShown) {
  const Parsed nothing = parse({});
  EXPECT_EQ(nothing.status, 2);
  EXPECT_THAT(nothing.err, HasSubstr("Subcommands:"));
}

TEST(CommandLine, EveryCommandTeachesWithAnExample) {
  for (const auto& words : std::vector<std::vector<const char*>>{{"pods"},
                                                                 {"ps"},
                                                                 {"logs"},
                                                                 {"exec"},
                                                                 {"inspect"},
                                                                 {"events"},
                                                                 {"stats"},
                                                                 {"top"},
                                                                 {"images"},
                                                                 {"pull"},
                                                                 {"image", "load"},
                                                                 {"image", "rm"},
                                                                 {"image", "tag"},
                                                                 {"image", "prune"},
                                                                 {"cgroup", "tree"},
                                                                 {"cgroup", "verify"},
                                                                 {"qos", "explain"},
                                                                 {"pod", "stop"},
                                                                 {"pod", "rm"},
                                                                 {"container", "stop"},
                                                                 {"container", "rm"},
                                                                 {"info"},
                                                                 {"completion"},
                                                                 {"version"}}) {
    std::vector<const char*> with_help = words;
    with_help.push_back("--help");
    const Parsed help = parse(with_help);
    EXPECT_EQ(help.status, 0) << words.front();
    EXPECT_THAT(help.out, HasSubstr("Examples:\n  ")) << words.front();
  }
}

TEST(CommandLine, AcceptsWhatPeopleType) {
  EXPECT_EQ(parse({"exec", "web", "-c", "app", "--", "sh", "-c", "exit 3"}).status, std::nullopt);
  EXPECT_EQ(parse({"--state", "/x", "pods"}).status, std::nullopt);
  EXPECT_EQ(parse({"pods", "--state", "/x", "-o", "json"}).status, std::nullopt);
  EXPECT_EQ(parse({"logs", "-f", "--tail", "5", "web"}).status, std::nullopt);
  EXPECT_EQ(parse({"logs", "--tail=-1", "web"}).status, std::nullopt); // all, as kubectl says it
  EXPECT_EQ(parse({"status"}).status, std::nullopt);
}

TEST(ParseSince, TakesDurationsAndTimes) {
  const WallTime now = parse_rfc3339("2026-11-22T18:00:00Z").value();
  EXPECT_EQ(parse_since("5m", now).value(), now - std::chrono::minutes(5));
  EXPECT_EQ(parse_since("1h30m", now).value(), now - std::chrono::minutes(90));
  EXPECT_EQ(parse_since("2026-11-22T17:00:00Z", now).value(), now - std::chrono::hours(1));
  for (const char* wrong : {"5", "m", "5x", "-5m", "99999999999999s", "5m "})
    EXPECT_FALSE(parse_since(wrong, now)) << wrong;
}

TEST(DecodeBase64, TakesItsOwnAndRefusesTheRest) {
  EXPECT_EQ(decode_base64("").value(), "");
  EXPECT_EQ(decode_base64("aGkK").value(), "hi\n");
  EXPECT_EQ(decode_base64("aA==").value(), "h");
  EXPECT_EQ(decode_base64("/+8=").value(), "\xff\xef");
  EXPECT_FALSE(decode_base64("a b"));
}

TEST(BashCompletion, OffersTheWordsOfEachCommand) {
  const std::string script = bash_completion({{"keelsonctl", {"pods", "image"}}, {"keelsonctl image", {"load"}}});
  EXPECT_THAT(script, HasSubstr("_keelsonctl_words[\"keelsonctl image\"]=\"load\""));
  EXPECT_THAT(script, HasSubstr("complete -o default -F _keelsonctl keelsonctl"));
}

} // namespace
} // namespace keelson::daemon::ctl
