#include "cri/oci/runtime_version.hpp"

#include <gmock/gmock.h>

namespace keelson::cri {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr std::string_view kDebian = "runc version 1.1.5+ds1\ncommit: 1.1.5+ds1-1+deb12u1\nspec: 1.0.2-dev\n"
                                     "go: go1.19.8\nlibseccomp: 2.5.4\n";

TEST(RuntimeVersion, ReadsRuncAndCrun) {
  const auto runc = parse_runtime_version(kDebian);
  ASSERT_TRUE(runc);
  EXPECT_EQ(runc->name, "runc");
  EXPECT_EQ(runc->text, "1.1.5+ds1");
  EXPECT_EQ(runc->package, "1.1.5+ds1-1+deb12u1");
  EXPECT_EQ(runc->patch, 5U);
  const auto crun = parse_runtime_version("crun version 1.8.1\ncommit: f8a096be\nspec: 1.0.0\n");
  ASSERT_TRUE(crun);
  EXPECT_EQ(crun->minor, 8U);
  EXPECT_TRUE(parse_runtime_version("crun version 1.21\n"));
}

TEST(RuntimeVersion, RefusesOtherText) {
  for (const char* text : {"", "\n\n", "runc", "runc version", "runc version x.y.z", "bash: runc: not found",
                           "runc version 99999999999999.1.1", "runc version 1"})
    EXPECT_FALSE(parse_runtime_version(text)) << text;
}

TEST(RuntimeVersion, ComparesWithAFloor) {
  const auto version = *parse_runtime_version("runc version 1.2.0-rc.1\n");
  EXPECT_TRUE(at_least(version, 1, 1, 99));
  EXPECT_FALSE(at_least(version, 1, 2, 0));
  EXPECT_TRUE(at_least(*parse_runtime_version("runc version 1.2.0\n"), 1, 2, 0));
}

TEST(KnownFlaws, CountFixesOfEachReleaseLineAndBackports) {
  const auto debian = known_flaws(*parse_runtime_version(kDebian));
  EXPECT_THAT(debian, Contains(HasSubstr("CVE-2025-31133")));
  EXPECT_THAT(debian, Contains(HasSubstr("CVE-2026-41579")));
  EXPECT_THAT(debian, Not(Contains(HasSubstr("CVE-2024-21626"))));
  EXPECT_THAT(known_flaws(*parse_runtime_version("runc version 1.1.5\ncommit: v1.1.5-0-gf19387a6\n")),
              Contains(HasSubstr("CVE-2024-21626")));
  EXPECT_THAT(known_flaws(*parse_runtime_version("runc version 1.3.5\n")), Contains(HasSubstr("CVE-2026-41579")));
  EXPECT_THAT(known_flaws(*parse_runtime_version("runc version 1.4.2\n")), Contains(HasSubstr("CVE-2026-41579")));
  for (const char* fixed : {"runc version 1.3.6\n", "runc version 1.4.3\n", "runc version 1.5.0\n",
                            "runc version 2.0.0\n", "crun version 1.8.1\n", "youki version 0.1.0\n"})
    EXPECT_THAT(known_flaws(*parse_runtime_version(fixed)), IsEmpty()) << fixed;
}

TEST(RuntimeFeatures, ReadsMountOptions) {
  EXPECT_TRUE(parse_runtime_features(R"({"mountOptions":["ro","rro"]})")->recursive_read_only);
  EXPECT_FALSE(parse_runtime_features(R"({"mountOptions":["ro"]})")->recursive_read_only);
  EXPECT_FALSE(parse_runtime_features("{}")->recursive_read_only);
  EXPECT_FALSE(parse_runtime_features("unknown command features"));
}

} // namespace
} // namespace keelson::cri
