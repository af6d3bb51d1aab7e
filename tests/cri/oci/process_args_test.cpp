#include "cri/oci/process_args.hpp"
#include "cri/proto/runtime_v1.pb.h"

#include <gmock/gmock.h>

namespace keelson::cri {
namespace {

using ::testing::ElementsAre;
using Words = std::vector<std::string>;

struct CommandCase {
  Words entrypoint, cmd, command, args, expected;
};

TEST(BuildArgs, FollowsTheRulesOfCri) {
  const std::vector<CommandCase> cases = {
      {{"/ep"}, {"a"}, {}, {}, {"/ep", "a"}},     {{"/ep"}, {}, {}, {}, {"/ep"}},
      {{}, {"/cmd", "x"}, {}, {}, {"/cmd", "x"}}, {{"/ep"}, {"a"}, {"/c"}, {}, {"/c"}},
      {{"/ep"}, {"a"}, {}, {"b"}, {"/ep", "b"}},  {{"/ep"}, {"a"}, {"/c"}, {"b"}, {"/c", "b"}},
      {{}, {"/cmd"}, {}, {"b"}, {"b"}},
  };
  for (const CommandCase& c : cases) {
    runtime::v1::ContainerConfig config;
    for (const auto& word : c.command) config.add_command(word);
    for (const auto& word : c.args) config.add_args(word);
    ImageConfig image;
    image.entrypoint = c.entrypoint;
    image.cmd = c.cmd;
    const auto args = build_args(config, image);
    ASSERT_TRUE(args);
    EXPECT_EQ(*args, c.expected);
  }
}

TEST(BuildArgs, RefusesNothingToRunAndBytesThatJsonCannotCarry) {
  runtime::v1::ContainerConfig config;
  EXPECT_FALSE(build_args(config, ImageConfig()));
  ImageConfig image;
  for (const std::string& bad : {std::string(), std::string("a\0b", 3), std::string("\xff\xfe")}) {
    image.entrypoint = {bad};
    const auto args = build_args(config, image);
    ASSERT_FALSE(args);
    EXPECT_EQ(args.error().code, Code::invalid_argument);
  }
}

Words env_of(const Words& image_env, const std::vector<std::pair<std::string, std::string>>& config_env, bool tty,
             Words* warnings = nullptr) {
  runtime::v1::ContainerConfig config;
  for (const auto& [key, value] : config_env) {
    auto* added = config.add_envs();
    added->set_key(key);
    added->set_value(value);
  }
  ImageConfig image;
  image.env = image_env;
  Words ignored;
  auto env = build_env(config, image, {"web", "/home/web", tty}, warnings != nullptr ? *warnings : ignored);
  if (!env) return {"error: " + env.error().message};
  return *env;
}

constexpr const char* kPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

TEST(BuildEnv, ConfigOverridesTheImageInPlace) {
  EXPECT_THAT(env_of({"A=1", "B=2"}, {{"A", "3"}, {"C", "4"}}, false),
              ElementsAre("HOSTNAME=web", "A=3", "B=2", "C=4", kPath, "HOME=/home/web"));
}

TEST(BuildEnv, DefaultsComeOnlyWhereNobodySetThem) {
  EXPECT_THAT(env_of({"PATH=/x", "TERM=dumb"}, {{"HOME", ""}}, true),
              ElementsAre("HOSTNAME=web", "PATH=/x", "TERM=dumb", "HOME="));
  EXPECT_THAT(env_of({}, {}, true), ElementsAre("HOSTNAME=web", kPath, "TERM=xterm", "HOME=/home/web"));
}

TEST(BuildEnv, NewlinesStayInOneVariable) {
  EXPECT_THAT(env_of({}, {{"HOME", "/x\nroot::0:0::/:/bin/sh"}, {"PATH", "/p\r"}}, false),
              ElementsAre("HOSTNAME=web", "HOME=/x\nroot::0:0::/:/bin/sh", "PATH=/p\r"));
}

TEST(BuildEnv, BadImageVariablesAreIgnoredWithAWord) {
  Words warnings;
  EXPECT_THAT(env_of({"NOVALUE", "=x", "\xff=1", "GOOD=1"}, {}, false, &warnings),
              ElementsAre("HOSTNAME=web", "GOOD=1", kPath, "HOME=/home/web"));
  EXPECT_EQ(warnings.size(), 3U);
}

TEST(BuildEnv, BadConfigVariablesAreRefused) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"", "x"}, {"A=B", "x"}, {std::string("A\0", 2), "x"}, {"A", std::string("\0", 1)}, {"A", "\xc3\x28"}};
  for (const auto& variable : bad) EXPECT_EQ(env_of({}, {variable}, false).front().substr(0, 6), "error:");
}

std::string cwd_of(const std::string& config_dir, const std::string& image_dir) {
  runtime::v1::ContainerConfig config;
  config.set_working_dir(config_dir);
  ImageConfig image;
  image.working_dir = image_dir;
  const auto cwd = build_cwd(config, image);
  return cwd ? *cwd : "refused";
}

TEST(BuildCwd, ConfigThenImageThenRoot) {
  EXPECT_EQ(cwd_of("/a", "/b"), "/a");
  EXPECT_EQ(cwd_of("", "/b//c/."), "/b/c");
  EXPECT_EQ(cwd_of("", ""), "/");
  EXPECT_EQ(cwd_of("app", ""), "/app");
  EXPECT_EQ(cwd_of("/a/../b", ""), "/b");
  EXPECT_EQ(cwd_of("/process", ""), "/process");
}

// CVE-2024-21626
TEST(BuildCwd, DescriptorsOfTheRuntimeAreOutOfReach) {
  for (int fd = 3; fd <= 64; ++fd) {
    EXPECT_EQ(cwd_of(fmt::format("/proc/self/fd/{}", fd), ""), "refused");
    EXPECT_EQ(cwd_of("", fmt::format("/proc/self/fd/{}/../..", fd)), "refused");
    EXPECT_EQ(cwd_of(fmt::format("/tmp/../proc/1/fd/{}", fd), ""), "refused");
    EXPECT_EQ(cwd_of(fmt::format("//proc/./thread-self/fd/{}", fd), ""), "refused");
    EXPECT_EQ(cwd_of(fmt::format("/dev/fd/{}", fd), ""), "refused");
  }
  EXPECT_EQ(cwd_of("/../etc", ""), "refused");
  EXPECT_EQ(cwd_of("/a\nb", ""), "refused");
  EXPECT_EQ(cwd_of("/" + std::string(5000, 'a'), ""), "refused");
}

TEST(CleanContainerPath, IsAbsoluteWithoutDots) {
  EXPECT_EQ(*clean_container_path("/a//b/./c/"), "/a/b/c");
  EXPECT_EQ(*clean_container_path("/"), "/");
  for (const char* bad : {"", "a", "/a/../b", "/..", "/a\n", "/\x01", "/\xff"})
    EXPECT_FALSE(clean_container_path(bad)) << bad;
  EXPECT_FALSE(clean_container_path(std::string_view("/a\0b", 4)));
}

} // namespace
} // namespace keelson::cri
