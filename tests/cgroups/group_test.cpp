// Groups on a made-up tree: what needs no kernel. system_test.cpp has the rest.
#include "cgroups/driver.hpp"
#include "cgroups/group.hpp"
#include "cgroups/group_directory.hpp"
#include "cgroups/oom_watch.hpp"
#include "tests/cgroups/fake_tree.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace keelson::cgroups {
namespace {

using test::FakeTree;

struct V2Group : ::testing::Test {
  void SetUp() override {
    tree.mount_v2("/sys/fs/cgroup", "cpu memory pids io");
    auto found = Hierarchy::detect({tree.root()});
    ASSERT_TRUE(found);
    hierarchy.emplace(std::move(*found));
  }
  std::string dir(const std::string& path) const { return "/sys/fs/cgroup/a" + path; }
  Result<Group> open() const { return Group::open(*hierarchy, "/a"); }

  FakeTree tree;
  std::optional<Hierarchy> hierarchy;
};

TEST_F(V2Group, ReadsStatistics) {
  tree.write(dir("/cpu.stat"), "usage_usec 5\nnr_throttled 2\n");
  tree.write(dir("/memory.current"), "1000\n");
  tree.write(dir("/memory.stat"), "anon 7\ninactive_file 300\npgmajfault 4\n");
  tree.write(dir("/memory.max"), "max\n");
  tree.write(dir("/memory.swap.current"), "11\n");
  tree.write(dir("/memory.pressure"), "some avg10=1.00 avg60=0.00 avg300=0.00 total=9\n");
  tree.write(dir("/pids.current"), "3\n");
  tree.write(dir("/pids.max"), "10\n");
  tree.write(dir("/io.stat"), "8:0 rbytes=1 wbytes=2 rios=3 wios=4\n");
  const auto stats = open()->statistics();
  ASSERT_TRUE(stats) << stats.error().message;
  EXPECT_EQ(stats->cpu->usage.count(), 5000);
  EXPECT_EQ(stats->memory->working_set, 700u);
  EXPECT_EQ(stats->memory->rss, 7u);
  EXPECT_EQ(stats->memory->swap, 11u);
  EXPECT_EQ(stats->memory->limit, std::nullopt);
  EXPECT_EQ(stats->memory->pressure->some.total.count(), 9);
  EXPECT_EQ(stats->pids->limit, 10u);
  EXPECT_EQ(stats->io->devices.at(0).write_ops, 4u);
  EXPECT_TRUE(stats->hugetlb.empty());
}

TEST_F(V2Group, HasNoPartsForAbsentControllers) {
  tree.write(dir("/cgroup.procs"), "");
  const auto stats = open()->statistics();
  ASSERT_TRUE(stats) << stats.error().message;
  EXPECT_FALSE(stats->memory);
  EXPECT_FALSE(stats->pids);
  EXPECT_FALSE(stats->io);
}

TEST_F(V2Group, NamesTheFileThatHoldsGarbage) {
  const std::pair<const char*, const char*> cases[] = {
      {"/pids.current", "x"}, {"/cpu.stat", "usage_usec \xff"}, {"/io.stat", "\x01"}, {"/cpu.stat", "one-word"}};
  for (const auto& [file, text] : cases) {
    tree.write(dir(file), text);
    const auto stats = open()->statistics();
    ASSERT_FALSE(stats) << file;
    EXPECT_EQ(stats.error().code, Code::invalid_argument);
    EXPECT_NE(stats.error().message.find(tree.root() + dir(file)), std::string::npos) << stats.error().message;
    ASSERT_TRUE(remove_file_at(AT_FDCWD, tree.root() + dir(file)));
  }
}

TEST_F(V2Group, RefusesHugeFiles) {
  tree.write(dir("/cgroup.procs"), std::string((16u << 20) + 1, '\n'));
  EXPECT_EQ(open()->processes().error().code, Code::resource_exhausted);
}

TEST_F(V2Group, ApplyWritesAndReportsWhatIsMissing) {
  tree.write(dir("/cpu.weight"), "");
  tree.write(dir("/memory.max"), "");
  Knobs knobs;
  knobs.cpu_shares = 1024;
  knobs.memory_limit = Bytes{4096};
  knobs.swap_limit = Bytes{0};
  const auto group = open();
  const auto applied = group->apply(knobs);
  ASSERT_TRUE(applied) << applied.error().message;
  EXPECT_EQ(applied->written.size(), 2u);
  ASSERT_EQ(applied->skipped.size(), 1u);
  EXPECT_EQ(applied->skipped[0].file, "memory.swap.max");
  EXPECT_EQ(*group->read_actual(applied->written[0]), "39");
  knobs.pids_max = 3;
  const auto failed = group->apply(knobs);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().sys_errno, ENOENT);
  EXPECT_NE(failed.error().message.find("cannot write 3 to " + tree.root() + dir("/pids.max")), std::string::npos)
      << failed.error().message;
}

TEST_F(V2Group, CountsOomKills) {
  tree.write(dir("/memory.events"), "oom 2\noom_kill 1\n");
  EXPECT_EQ(*open()->oom_kill_count(), 1u);
  auto watch = OomWatch::open(*open());
  ASSERT_TRUE(watch);
  EXPECT_TRUE(watch->waits_for_priority());
  EXPECT_EQ(*watch->acknowledge(), 1u);
}

TEST_F(V2Group, IsNotFoundWhenAbsent) {
  EXPECT_EQ(Group::open(*hierarchy, "/nothing").error().code, Code::not_found);
  EXPECT_FALSE(Group::exists(*hierarchy, "/nothing"));
  EXPECT_TRUE(Group::remove(*hierarchy, "/nothing", Deadline::after(std::chrono::seconds(1))));
}

TEST_F(V2Group, NeverTouchesTheRoot) {
  const auto root = Group::open(*hierarchy, "/");
  ASSERT_TRUE(root);
  EXPECT_EQ(root->kill_all(Deadline::never()).error().code, Code::invalid_argument);
  EXPECT_EQ(Group::remove(*hierarchy, "/", Deadline::never()).error().code, Code::invalid_argument);
}

TEST_F(V2Group, FollowsNoSymlink) {
  tree.write("/sys/fs/cgroup/real/cgroup.procs", "1\n");
  ASSERT_EQ(symlink("real", (tree.root() + "/sys/fs/cgroup/link").c_str()), 0);
  EXPECT_FALSE(Group::open(*hierarchy, "/link"));
  EXPECT_FALSE(Group::open(*hierarchy, "/../cgroup/real"));
  tree.write(dir("/x"), "");
  ASSERT_EQ(symlink("../real", (tree.root() + dir("/b")).c_str()), 0);
  EXPECT_TRUE(open()->children()->empty());
}

TEST_F(V2Group, CreatesDeepTreesAndRemovesThem) {
  std::string path = "/deep";
  for (int i = 0; i < 50; ++i) path += "/level" + std::to_string(i);
  // A real cgroupfs puts the files in; here the children of the root have none, so it is the v1 way that is tried.
  FakeTree v1;
  v1.mount_v1("/sys/fs/cgroup/cpu", "cpu");
  v1.mount_v1("/sys/fs/cgroup/systemd", "name=systemd");
  const auto other = Hierarchy::detect({v1.root()});
  ASSERT_TRUE(other);
  const auto group = Group::create(*other, path);
  ASSERT_TRUE(group) << group.error().message;
  EXPECT_TRUE(exists(v1.root() + "/sys/fs/cgroup/cpu" + path));
  EXPECT_TRUE(exists(v1.root() + "/sys/fs/cgroup/systemd" + path));
  ASSERT_TRUE(Group::remove(*other, "/deep", Deadline::after(std::chrono::seconds(5))));
  EXPECT_FALSE(exists(v1.root() + "/sys/fs/cgroup/cpu/deep"));
  EXPECT_FALSE(exists(v1.root() + "/sys/fs/cgroup/systemd/deep"));
}

TEST_F(V2Group, UndoesAHalfMadeCreation) {
  FakeTree v1;
  v1.mount_v1("/sys/fs/cgroup/cpu", "cpu");
  v1.mount_v1("/sys/fs/cgroup/memory", "memory");
  v1.write("/sys/fs/cgroup/memory/pods", "a file where a directory should be");
  const auto other = Hierarchy::detect({v1.root()});
  ASSERT_TRUE(other);
  EXPECT_FALSE(Group::create(*other, "/pods/one"));
  EXPECT_FALSE(exists(v1.root() + "/sys/fs/cgroup/cpu/pods"));
}

TEST_F(V2Group, WalkNeedsFewDescriptors) {
  std::string path = tree.root() + dir("");
  for (int i = 0; i < 300; ++i) path += "/d";
  ASSERT_TRUE(make_dirs(path, 0755));
  std::size_t seen = 0;
  WalkVisitor visitor;
  visitor.inside = [&](int fd) -> Result<> {
    ++seen;
    if (fd > 64) return fail(Code::internal, "descriptor {}", fd);
    return {};
  };
  const auto group = open();
  const auto walked = walk_bottom_up(group->dir_of(Controller::core), visitor);
  ASSERT_TRUE(walked) << walked.error().message;
  EXPECT_EQ(seen, 301u);
}

TEST_F(V2Group, SystemdDriverNamesButDoesNotMakeYet) {
  const auto driver = make_driver(DriverKind::systemd, *hierarchy);
  const auto name = GroupName::parse("/kubepods/burstable/poda-b").value();
  EXPECT_EQ(*driver->path_of(name), "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-poda_b.slice");
  EXPECT_EQ(*driver->runtime_path(name, "c1"), "kubepods-burstable-poda_b.slice:keelson:c1");
  EXPECT_EQ(*driver->container_path(name, "c1"), *driver->path_of(name) + "/keelson-c1.scope");
  EXPECT_EQ(driver->create(name).error().code, Code::unimplemented);
  EXPECT_EQ(driver->remove(name, Deadline::never()).error().code, Code::unimplemented);
  EXPECT_FALSE(*driver->exists(name));
}

TEST_F(V2Group, CgroupfsDriverUsesNamesAsTheyAre) {
  const auto driver = make_driver(DriverKind::cgroupfs, *hierarchy);
  const auto name = GroupName::parse("/kubepods/poda-b").value();
  EXPECT_EQ(*driver->path_of(name), "/kubepods/poda-b");
  EXPECT_EQ(*driver->runtime_path(name, "c1"), "/kubepods/poda-b/c1");
  EXPECT_FALSE(driver->runtime_path(name, "../c1"));
}

} // namespace
} // namespace keelson::cgroups
