#include "cri/oci/container_user.hpp"
#include "cri/proto/runtime_v1.pb.h"

#include <gmock/gmock.h>

namespace keelson::cri {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view kPasswd = "root:x:0:0:root:/root:/bin/sh\n"
                                     "broken line\n"
                                     "web:x:1000:2000:Web,,,:/home/web:/bin/sh\n"
                                     "evil:x:4294967296:0::/:/bin/sh\n"
                                     "4294967296:x:0:0::/root:/bin/sh\n"
                                     "neg:x:-1:0::/:/bin/sh\n"
                                     "spy:x:1001:1001::relative:/bin/sh\n"
                                     "crlf:x:1002:1002::/home/a\rb:/bin/sh";
constexpr std::string_view kGroup = "root:x:0:\n"
                                    "web:x:2000:\n"
                                    "staff:x:50000:someone,web\n"
                                    "huge:x:4294967297:web\n"
                                    "audio:x:29:web";

UserRequest request_of(const runtime::v1::LinuxContainerSecurityContext& context, const std::string& image_user) {
  ImageConfig image;
  image.user = image_user;
  auto request = user_request(context, image);
  if (!request) ADD_FAILURE() << request.error().message;
  return request ? *request : UserRequest();
}

TEST(UserText, TakesNumbersAndNames) {
  EXPECT_EQ(parse_user_text("")->uid, 0U);
  EXPECT_EQ(parse_user_text("5")->uid, 5U);
  EXPECT_EQ(parse_user_text("5:6")->gid, 6U);
  EXPECT_EQ(parse_user_text("web")->name, "web");
  EXPECT_EQ(parse_user_text("web:staff")->group, "staff");
  EXPECT_EQ(parse_user_text("2147483647")->uid, 2147483647U);
}

// CVE-2024-40635 (overflow to 0) and CVE-2026-46680 (out of range read as a name).
TEST(UserText, RefusesWhatIsNoIdAndNoName) {
  for (const char* text :
       {"2147483648", "4294967296", "4294967295", "18446744073709551616", "-1", "+0", "-0", "1:-1", "1:4294967296",
        "999999999999999999999999", ":", ":5", "5:", "a:", "a b", "a\nroot", "a:b:c", "we,b", "\x7f"}) {
    const auto who = parse_user_text(text);
    ASSERT_FALSE(who) << text;
    EXPECT_EQ(who.error().code, Code::invalid_argument) << text;
  }
  EXPECT_FALSE(parse_user_text(std::string_view("a\0b", 3)));
  EXPECT_FALSE(parse_user_text(std::string(300, 'a')));
}

TEST(UserRequest, ConfigWinsOverImage) {
  runtime::v1::LinuxContainerSecurityContext context;
  EXPECT_EQ(request_of(context, "7:8").who.uid, 7U);
  context.set_run_as_username("web");
  EXPECT_EQ(request_of(context, "7:8").who.name, "web");
  context.mutable_run_as_user()->set_value(0);
  const UserRequest request = request_of(context, "7:8");
  EXPECT_EQ(request.who.uid, 0U);
  EXPECT_FALSE(request.who.gid) << "the image's group belongs to the image's user";
}

TEST(UserRequest, GroupNeedsAUser) {
  runtime::v1::LinuxContainerSecurityContext context;
  context.mutable_run_as_group()->set_value(5);
  const auto refused = user_request(context, ImageConfig());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::invalid_argument);
  context.mutable_run_as_user()->set_value(3);
  EXPECT_EQ(request_of(context, "").who.gid, 5U);
}

TEST(UserRequest, RefusesIdsOutOfRange) {
  for (const std::int64_t id : {std::int64_t{-1}, std::int64_t{1} << 31, std::int64_t{1} << 32, INT64_MAX, INT64_MIN}) {
    runtime::v1::LinuxContainerSecurityContext by_user;
    by_user.mutable_run_as_user()->set_value(id);
    EXPECT_FALSE(user_request(by_user, ImageConfig())) << id;
    runtime::v1::LinuxContainerSecurityContext by_group;
    by_group.mutable_run_as_user()->set_value(1);
    by_group.mutable_run_as_group()->set_value(id);
    EXPECT_FALSE(user_request(by_group, ImageConfig())) << id;
    runtime::v1::LinuxContainerSecurityContext by_supplement;
    by_supplement.add_supplemental_groups(id);
    EXPECT_FALSE(user_request(by_supplement, ImageConfig())) << id;
  }
}

TEST(MatchUser, NameGivesIdsGroupsAndHome) {
  UserRequest request;
  request.who.name = "web";
  request.supplemental_gids = {4000, 2000};
  const auto user = match_user(request, kPasswd, kGroup);
  ASSERT_TRUE(user) << user.error().message;
  EXPECT_EQ(user->uid, 1000U);
  EXPECT_EQ(user->gid, 2000U);
  EXPECT_EQ(user->home, "/home/web");
  EXPECT_THAT(user->additional_gids, ElementsAre(2000, 4000, 50000, 29));
}

// CVE-2023-25173: the groups are exactly the primary one and those asked for; the image's only under Merge.
TEST(MatchUser, StrictTakesNoGroupsOfTheImage) {
  UserRequest request;
  request.who.uid = 1000;
  request.who.gid = 3000;
  request.supplemental_gids = {4000};
  request.merge_image_groups = false;
  EXPECT_THAT(match_user(request, kPasswd, kGroup)->additional_gids, ElementsAre(3000, 4000));
  request.merge_image_groups = true;
  EXPECT_THAT(match_user(request, kPasswd, kGroup)->additional_gids, ElementsAre(3000, 4000, 50000, 29));
}

TEST(MatchUser, UnknownNumberIsTakenWithGroupZero) {
  UserRequest request;
  request.who.uid = 12345;
  const auto user = match_user(request, kPasswd, kGroup);
  ASSERT_TRUE(user);
  EXPECT_EQ(user->gid, 0U);
  EXPECT_EQ(user->home, "/");
  EXPECT_THAT(user->additional_gids, ElementsAre(0));
}

TEST(MatchUser, LinesWithIdsOutOfRangeGiveNobodyRoot) {
  for (const char* name : {"evil", "neg", "nobody", "broken line"}) {
    UserRequest request;
    request.who.name = name;
    const auto user = match_user(request, kPasswd, kGroup);
    ASSERT_FALSE(user) << name;
    EXPECT_EQ(user.error().code, Code::not_found);
    EXPECT_THAT(user.error().message, HasSubstr(name));
  }
  UserRequest group;
  group.who.uid = 1;
  group.who.group = "huge";
  EXPECT_FALSE(match_user(group, kPasswd, kGroup));
}

TEST(MatchUser, HomeOfTheImageIsTakenOnlyIfClean) {
  UserRequest request;
  request.who.name = "spy";
  EXPECT_EQ(match_user(request, kPasswd, kGroup)->home, "/");
  request.who.name = "crlf";
  EXPECT_EQ(match_user(request, kPasswd, kGroup)->home, "/");
}

TEST(MatchUser, TooManyGroupsAreRefused) {
  std::string groups;
  for (int i = 0; i < 2000; ++i) groups += fmt::format("g{}:x:{}:web\n", i, 10000 + i);
  UserRequest request;
  request.who.name = "web";
  EXPECT_FALSE(match_user(request, kPasswd, groups));
}

TEST(ImageUser, IsUidOrName) {
  ImageConfig image;
  EXPECT_EQ(image_user(image)->uid, 0);
  image.user = "1000:5";
  EXPECT_EQ(image_user(image)->uid, 1000);
  image.user = "web:staff";
  EXPECT_EQ(image_user(image)->username, "web");
  EXPECT_FALSE(image_user(image)->uid);
  image.user = "4294967296";
  EXPECT_FALSE(image_user(image));
}

} // namespace
} // namespace keelson::cri
