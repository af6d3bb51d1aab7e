#include "cgroups/hierarchy.hpp"
#include "tests/cgroups/fake_tree.hpp"

#include <gtest/gtest.h>

#include <filesystem>

namespace keelson::cgroups {
namespace {

using test::FakeTree;

Result<Hierarchy> detect(const FakeTree& tree) {
  return Hierarchy::detect({tree.root()});
}

TEST(Hierarchy, FindsUnifiedV2) {
  FakeTree tree;
  tree.mount_v2("/sys/fs/cgroup", "cpuset cpu io memory hugetlb pids rdma misc");
  const auto hierarchy = detect(tree);
  ASSERT_TRUE(hierarchy) << hierarchy.error().message;
  EXPECT_EQ(hierarchy->mode(), Mode::v2);
  EXPECT_EQ(hierarchy->describe(), "v2: cpuset, cpu, io, memory, hugetlb, pids, rdma, misc");
  EXPECT_EQ(hierarchy->layout().version_of(Controller::io), Version::v2);
  EXPECT_FALSE(hierarchy->layout().version_of(Controller::freezer));
}

TEST(Hierarchy, FindsV1WithComountedControllers) {
  FakeTree tree;
  tree.mount_v1("/sys/fs/cgroup/systemd", "xattr,name=systemd");
  tree.mount_v1("/sys/fs/cgroup/cpu,cpuacct", "cpu,cpuacct");
  tree.mount_v1("/sys/fs/cgroup/cpuset", "cpuset");
  tree.mount_v1("/sys/fs/cgroup/blkio", "blkio");
  const auto hierarchy = detect(tree);
  ASSERT_TRUE(hierarchy);
  EXPECT_EQ(hierarchy->mode(), Mode::v1);
  EXPECT_EQ(hierarchy->describe(), "v1: cpu, cpuacct, cpuset, blkio");
  EXPECT_EQ(hierarchy->mount_of(Controller::cpu), hierarchy->mount_of(Controller::cpuacct));
  EXPECT_NE(hierarchy->mount_of(Controller::cpu), hierarchy->mount_of(Controller::cpuset));
  EXPECT_EQ(hierarchy->mounts().front().name, "systemd");
  EXPECT_FALSE(hierarchy->unified_mount());
}

TEST(Hierarchy, FindsHybrid) {
  FakeTree tree;
  tree.mount_v1("/sys/fs/cgroup/cpu", "cpu");
  tree.mount_v1("/sys/fs/cgroup/memory", "memory");
  tree.mount_v2("/sys/fs/cgroup/unified", "hugetlb");
  const auto hierarchy = detect(tree);
  ASSERT_TRUE(hierarchy);
  EXPECT_EQ(hierarchy->mode(), Mode::hybrid);
  EXPECT_EQ(hierarchy->describe(), "hybrid: cpu, memory on v1; hugetlb on v2");
  EXPECT_EQ(hierarchy->layout().version_of(Controller::hugetlb), Version::v2);
  EXPECT_EQ(hierarchy->unified_mount(), 2u);
}

TEST(Hierarchy, SystemdsHybridHasNoControllerOnV2) {
  FakeTree tree;
  tree.mount_v1("/sys/fs/cgroup/cpu", "cpu");
  tree.mount_v2("/sys/fs/cgroup/unified", "");
  EXPECT_EQ(detect(tree)->describe(), "hybrid: cpu on v1; nothing on v2");
}

TEST(Hierarchy, NamedV1BesideCompleteV2IsV2) {
  FakeTree tree;
  tree.mount_v1("/sys/fs/cgroup/systemd", "name=systemd");
  tree.mount_v2("/sys/fs/cgroup", "cpu memory");
  const auto hierarchy = detect(tree);
  ASSERT_TRUE(hierarchy);
  EXPECT_EQ(hierarchy->mode(), Mode::v2);
  EXPECT_EQ(hierarchy->mounts().size(), 1u);
}

TEST(Hierarchy, PrefersTheMountThatShowsTheRoot) {
  FakeTree tree;
  tree.mount_v1("/var/lib/lxc/cpu", "cpu", "/lxc/a");
  tree.mount_v1("/sys/fs/cgroup/cpu", "cpu");
  tree.mount_v1("/mnt/cpu", "cpu");
  const auto hierarchy = detect(tree);
  ASSERT_TRUE(hierarchy);
  ASSERT_EQ(hierarchy->mounts().size(), 1u);
  EXPECT_EQ(hierarchy->mounts()[0].mount_point, tree.root() + "/sys/fs/cgroup/cpu");
}

TEST(Hierarchy, SaysWhenNothingIsMounted) {
  FakeTree tree;
  const auto hierarchy = detect(tree);
  ASSERT_FALSE(hierarchy);
  EXPECT_EQ(hierarchy.error().code, Code::not_found);
}

TEST(Hierarchy, SkipsMountsThatCannotBeOpened) {
  FakeTree tree;
  tree.mount_v1("/sys/fs/cgroup/cpu", "cpu");
  tree.mount_v1("/sys/fs/cgroup/memory", "memory");
  std::filesystem::remove_all(tree.root() + "/sys/fs/cgroup/cpu");
  EXPECT_EQ(detect(tree)->describe(), "v1: memory");
}

TEST(Hierarchy, RefusesGarbageInMountinfo) {
  FakeTree tree;
  tree.write("/proc/self/mountinfo", "\x01\xff\n");
  EXPECT_EQ(detect(tree).error().code, Code::invalid_argument);
}

TEST(Hierarchy, FindsTheGroupOfAProcess) {
  FakeTree tree;
  tree.mount_v1("/sys/fs/cgroup/cpu,cpuacct", "cpu,cpuacct");
  tree.mount_v1("/sys/fs/cgroup/cpuset", "cpuset", "/docker/x");
  tree.mount_v1("/sys/fs/cgroup/systemd", "name=systemd");
  tree.mount_v2("/sys/fs/cgroup/unified", "");
  tree.write("/proc/7/cgroup",
             "5:cpuset:/docker/x/y\n4:cpuacct,cpu:/a\n3:memory:/no\n1:name=systemd:/s\n0::/u (deleted)\n");
  const auto hierarchy = detect(tree);
  ASSERT_TRUE(hierarchy);
  EXPECT_EQ(*hierarchy->group_of(7, 0), "/a");
  EXPECT_EQ(*hierarchy->group_of(7, 1), "/y");
  EXPECT_EQ(*hierarchy->group_of(7, 2), "/s");
  EXPECT_EQ(*hierarchy->group_of(7, 3), "/u");
  EXPECT_EQ(hierarchy->group_of(8, 0).error().code, Code::not_found);
}

TEST(PathBelowMount, ComparesWholeComponents) {
  EXPECT_EQ(*path_below_mount("/", "/a/b"), "/a/b");
  EXPECT_EQ(*path_below_mount("/a", "/a"), "/");
  EXPECT_EQ(*path_below_mount("/a", "/a/b"), "/b");
  EXPECT_EQ(path_below_mount("/a", "/ab").error().code, Code::failed_precondition);
  EXPECT_EQ(path_below_mount("/a/b", "/a").error().code, Code::failed_precondition);
}

TEST(PathBelowMount, KnowsNamespaces) {
  EXPECT_EQ(*path_below_mount("/..", "/../x"), "/x");
  EXPECT_FALSE(path_below_mount("/", "/../x"));
  EXPECT_FALSE(path_below_mount("/..", "/x"));
  EXPECT_FALSE(path_below_mount("/..", "/../../x"));
}

} // namespace
} // namespace keelson::cgroups
