#include "cri/images/layer_plan.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <limits>

namespace keelson::cri {
namespace {

using Kind = LayerAction::Kind;

TarEntry named(const std::string& path, TarType type = TarType::file) {
  TarEntry entry;
  entry.path = path;
  entry.type = type;
  entry.mode = 0644;
  if (type == TarType::symlink || type == TarType::hard_link) entry.link_target = "target";
  return entry;
}
Result<LayerAction> plan(const TarEntry& entry, bool lowest = false) {
  return LayerPlanner({}, lowest).plan(entry);
}

TEST(LayerPlan, NamesStayBelowTheRoot) {
  for (const std::string path : {"a/b", "./a/b", "/a/b", "///a//./b/", "a/b/"}) {
    const auto action = plan(named(path));
    ASSERT_TRUE(action) << path;
    EXPECT_EQ("a", action->place.parent);
    EXPECT_EQ("b", action->place.name);
  }
  for (const std::string path : {"..", "../a", "a/..", "a/../b", "/../etc/passwd", "a/../../b"})
    EXPECT_FALSE(plan(named(path))) << path;
}

TEST(LayerPlan, BoundsPaths) {
  EXPECT_FALSE(plan(named(std::string(256, 'a'))));
  EXPECT_TRUE(plan(named(std::string(255, 'a'))));
  EXPECT_FALSE(plan(named(std::string(5000, 'a'))));
  std::string deep = "a";
  for (int i = 0; i < 255; ++i) deep += "/a";
  EXPECT_TRUE(plan(named(deep)));
  EXPECT_FALSE(plan(named(deep + "/a")));
  EXPECT_FALSE(plan(named(std::string("a\0b", 3))));
}

TEST(LayerPlan, Whiteouts) {
  auto action = plan(named("d/.wh.x"));
  ASSERT_TRUE(action);
  EXPECT_EQ(Kind::whiteout, action->kind);
  EXPECT_EQ("d/x", action->place.path());
  action = plan(named("d/.wh..wh..opq"));
  ASSERT_TRUE(action);
  EXPECT_EQ(Kind::opaque, action->kind);
  EXPECT_EQ("d", action->place.path());
  EXPECT_EQ("", plan(named(".wh..wh..opq"))->place.path());
  EXPECT_EQ(Kind::skip, plan(named(".wh..wh.plnk"))->kind);
  EXPECT_EQ(Kind::skip, plan(named("d/.wh.x"), true)->kind);
  EXPECT_EQ(Kind::skip, plan(named(".wh..wh..opq"), true)->kind);
  EXPECT_FALSE(plan(named(".wh.")));
  EXPECT_FALSE(plan(named("a/.wh..")));
  EXPECT_FALSE(plan(named("a/.wh...")));
  EXPECT_EQ(Kind::write_file, plan(named(".whx"))->kind);
}

TEST(LayerPlan, OwnersAreInRange) {
  auto entry = named("a");
  entry.uid = 4294967294;
  EXPECT_EQ(4294967294U, plan(entry)->uid);
  for (const std::int64_t id : {std::int64_t{4294967295}, std::int64_t{-1}, std::int64_t{1} << 40}) {
    entry.uid = id;
    EXPECT_FALSE(plan(entry)) << id;
    auto group = named("a");
    group.gid = id;
    EXPECT_FALSE(plan(group)) << id;
  }
}

TEST(LayerPlan, KeepsSetuidAndDropsTypeBits) {
  auto entry = named("a");
  entry.mode = 0177777;
  EXPECT_EQ(07777U, plan(entry)->mode);
}

TEST(LayerPlan, ImagesCannotForgeTheOverlay) {
  auto entry = named("a");
  entry.xattrs = {{"trusted.overlay.opaque", "y"},
                  {"user.a", "b"},
                  {"security.capability", "c"},
                  {"security.selinux", "s"},
                  {"trusted.overlay.redirect", "/"}};
  const auto action = plan(entry);
  ASSERT_TRUE(action);
  ASSERT_EQ(2U, action->xattrs.size());
  EXPECT_EQ("user.a", action->xattrs[0].first);
  EXPECT_EQ("security.capability", action->xattrs[1].first);
  entry.xattrs = {{"user.a", std::string(70000, 'x')}};
  EXPECT_FALSE(plan(entry));
}

TEST(LayerPlan, Links) {
  auto entry = named("a/b", TarType::hard_link);
  entry.link_target = "/x/y";
  EXPECT_EQ("x/y", plan(entry)->link.path());
  for (const std::string target : {"../x", "", ".", "a/b", "./a//b"}) {
    entry.link_target = target;
    EXPECT_FALSE(plan(entry)) << target;
  }
  auto link = named("l", TarType::symlink);
  link.link_target = "../../../etc/passwd"; // a link may point anywhere; nothing follows it
  EXPECT_EQ("../../../etc/passwd", plan(link)->target);
  link.link_target = "";
  EXPECT_FALSE(plan(link));
}

TEST(LayerPlan, Devices) {
  auto entry = named("null", TarType::char_device);
  entry.device_major = 1;
  entry.device_minor = 3;
  const auto action = plan(entry);
  ASSERT_TRUE(action);
  EXPECT_EQ(makedev(1, 3), action->device);
  EXPECT_EQ(static_cast<mode_t>(S_IFCHR | 0644), action->mode);
  entry.device_major = 1ULL << 40;
  EXPECT_FALSE(plan(entry));
}

TEST(LayerPlan, CountsAgainstItsLimits) {
  LayerPlanner planner({3, 100}, false);
  auto entry = named("a");
  entry.size = 60;
  EXPECT_TRUE(planner.plan(entry));
  EXPECT_EQ(Code::resource_exhausted, planner.plan(entry).error().code);
  entry.size = std::numeric_limits<std::int64_t>::max();
  EXPECT_FALSE(planner.plan(entry));
  EXPECT_EQ(Code::resource_exhausted, planner.plan(named("b")).error().code);
  entry.size = -1;
  EXPECT_FALSE(plan(entry));
}

TEST(LayerPlan, TheRootIsADirectory) {
  EXPECT_TRUE(plan(named("./", TarType::directory)));
  EXPECT_FALSE(plan(named("/")));
  EXPECT_FALSE(plan(named(".", TarType::symlink)));
}

TEST(LayerPlan, TimesAreCutToWhatAFileSystemHolds) {
  auto entry = named("a");
  entry.mtime_sec = std::numeric_limits<std::int64_t>::max();
  entry.mtime_nsec = -5;
  EXPECT_LE(plan(entry)->mtime.tv_sec, 0x37fffffffLL);
  EXPECT_EQ(0, plan(entry)->mtime.tv_nsec);
}

} // namespace
} // namespace keelson::cri
