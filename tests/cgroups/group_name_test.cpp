#include "cgroups/driver.hpp"
#include "cgroups/group_name.hpp"

#include <gtest/gtest.h>

namespace keelson::cgroups {
namespace {

GroupName name(std::string_view path) {
  return GroupName::parse(path).value();
}

TEST(GroupName, ParsesAndGoesUpAndDown) {
  EXPECT_EQ(name("/kubepods/burstable"), name("kubepods/burstable"));
  EXPECT_EQ(name("kubepods").child("pod1")->cgroupfs_path(), "/kubepods/pod1");
  EXPECT_EQ(name("/a/b").parent(), name("/a"));
  EXPECT_TRUE(name("/").is_root());
  EXPECT_EQ(name("").cgroupfs_path(), "/");
}

TEST(GroupName, RefusesWaysOut) {
  for (const char* path : {"..", "/a/../b", "/a//b", "a/", ".", "/a/.", "a\nb", "//", "a\x7f/b"})
    EXPECT_FALSE(GroupName::parse(path)) << path;
  EXPECT_FALSE(GroupName::parse(std::string(256, 'x')));
  EXPECT_FALSE(GroupName::parse(std::string_view("a\0b", 3)));
  EXPECT_FALSE(name("/a").child("b/c"));
  EXPECT_FALSE(name("/a").child(""));
}

TEST(SystemdNames, SpellTiersLikeKubelet) {
  EXPECT_EQ(*slice_of(name("/kubepods")), "kubepods.slice");
  EXPECT_EQ(*slice_of(name("/kubepods/burstable")), "kubepods-burstable.slice");
  EXPECT_EQ(*slice_of(name("/kubepods/burstable/pod0b1c-22")), "kubepods-burstable-pod0b1c_22.slice");
  EXPECT_EQ(*slice_of(name("/")), "-.slice");
  EXPECT_FALSE(slice_of(name("/kube pods")));
  EXPECT_FALSE(slice_of(name("/kube@pods")));
  EXPECT_FALSE(slice_of(name("/" + std::string(250, 'x'))));
}

TEST(SystemdNames, ExpandToDirectoriesAndBack) {
  const char* path = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podx_y.slice";
  EXPECT_EQ(*slice_path("kubepods-burstable-podx_y.slice"), path);
  EXPECT_EQ(*slice_from_path(path), "kubepods-burstable-podx_y.slice");
  EXPECT_EQ(*slice_path("-.slice"), "/");
  EXPECT_EQ(*slice_from_path("/"), "-.slice");
  EXPECT_EQ(*name_of_slice("kubepods-burstable.slice"), name("/kubepods/burstable"));
  for (const char* slice :
       {"", ".slice", "a", "a.scope", "-a.slice", "a-.slice", "a--b.slice", "a/b.slice", "--.slice"})
    EXPECT_FALSE(slice_path(slice)) << slice;
  for (const char* bad :
       {"", "kubepods.slice", "/kubepods-burstable.slice", "/a.slice/b.slice", "/a.slice/", "/a/a-b.slice"})
    EXPECT_FALSE(slice_from_path(bad)) << bad;
}

TEST(SystemdNames, UnderstandRuncsForm) {
  const auto path = SystemdCgroupsPath::parse("kubepods-pod1.slice:cri-containerd:abc");
  ASSERT_TRUE(path);
  EXPECT_EQ(unit_of(*path), "cri-containerd-abc.scope");
  EXPECT_EQ(*path_of(*path), "/kubepods.slice/kubepods-pod1.slice/cri-containerd-abc.scope");
  EXPECT_EQ(format(*path), "kubepods-pod1.slice:cri-containerd:abc");
  EXPECT_EQ(unit_of(*SystemdCgroupsPath::parse("a.slice::x")), "x.scope");
  EXPECT_EQ(unit_of(*SystemdCgroupsPath::parse("a.slice:p:x.slice")), "x.slice");
  EXPECT_EQ(*path_of(*SystemdCgroupsPath::parse("::x")), "/system.slice/x.scope");
  EXPECT_EQ(*path_of(*SystemdCgroupsPath::parse("-.slice:p:x")), "/p-x.scope");
  for (const char* text : {"", "a:b", "a:b:c", "a.slice:b:", "a.slice:b:c:d", "a.slice:b:c/d", "a.slice:..\n:c"})
    EXPECT_FALSE(SystemdCgroupsPath::parse(text)) << text;
}

TEST(DriverKind, Parses) {
  EXPECT_EQ(*parse_driver_kind("systemd"), DriverKind::systemd);
  EXPECT_EQ(to_string(DriverKind::cgroupfs), "cgroupfs");
  EXPECT_FALSE(parse_driver_kind("Systemd"));
}

} // namespace
} // namespace keelson::cgroups
