// memory, io, hugetlb, core, PSI and procfs formats.
#include "cgroups/controller.hpp"
#include "cgroups/core_values.hpp"
#include "cgroups/hugetlb_values.hpp"
#include "cgroups/io_values.hpp"
#include "cgroups/memory_values.hpp"
#include "cgroups/proc_values.hpp"

#include <gtest/gtest.h>

namespace keelson::cgroups {
namespace {

TEST(Controller, IsComparedAsToken) {
  EXPECT_EQ(controllers_in("rw,cpuset,seclabel", ','), std::vector{Controller::cpuset});
  EXPECT_EQ(controllers_in("cpuset cpu io memory hugetlb pids rdma misc dmem\n", ' ').size(), 8u);
  EXPECT_EQ(controllers_in("rw,name=systemd,xattr", ',').size(), 0u);
  EXPECT_EQ(controllers_in("", ' ').size(), 0u);
  EXPECT_EQ(controller_from_token("blkio"), Controller::io);
  EXPECT_FALSE(controller_from_token("cp"));
  EXPECT_FALSE(controller_from_token("cgroup"));
}

TEST(Controller, OwnsFilesByPrefix) {
  EXPECT_EQ(controller_of_file("cpuset.cpus"), Controller::cpuset);
  EXPECT_EQ(controller_of_file("cgroup.kill"), Controller::core);
  EXPECT_EQ(controller_of_file("blkio.weight"), Controller::io);
  EXPECT_FALSE(controller_of_file("memory"));
  EXPECT_FALSE(controller_of_file("memory."));
  EXPECT_FALSE(controller_of_file(".max"));
  EXPECT_FALSE(controller_of_file("tasks"));
}

TEST(LimitValue, KnowsEverySpellingOfNone) {
  for (const char* text : {"max\n", "-1", "9223372036854771712\n", "9223372036854775807", "18446744073709551615",
                           "9223372036852678656", "9223372035781033984"})
    EXPECT_EQ(LimitValue::parse(text)->amount, std::nullopt) << text;
  EXPECT_EQ(LimitValue::parse("0\n")->amount, 0u);
  EXPECT_EQ(LimitValue::parse("1099511627776")->amount, 1099511627776u);
  EXPECT_EQ(format(LimitValue{}), "max");
  EXPECT_EQ(format_v1(LimitValue{}), "-1");
}

TEST(LimitValue, RejectsGarbage) {
  for (const char* text : {"", "maximum", "-2", "1 2", "0x10", "1k", "+1", "99999999999999999999"})
    EXPECT_FALSE(LimitValue::parse(text)) << text;
}

TEST(MemoryEvents, IgnoresNewKeys) {
  const auto events =
      MemoryEvents::parse("low 0\nhigh 1\nmax 2\noom 3\noom_kill 4\noom_group_kill 5\nsock_throttled 9\n");
  EXPECT_EQ(*events, (MemoryEvents{0, 1, 2, 3, 4, 5}));
  EXPECT_FALSE(MemoryEvents::parse("oom_kill many"));
}

TEST(OomControl, ReadsOldAndNewKernels) {
  EXPECT_EQ(*OomControl::parse("oom_kill_disable 1\nunder_oom 1\noom_kill 3\n"), (OomControl{true, true, 3}));
  EXPECT_EQ(*OomControl::parse("oom_kill_disable 0\nunder_oom 0\n"), (OomControl{}));
}

TEST(MemoryStat, TakesHierarchicalNumbersOnV1) {
  const auto stat = MemoryStat::parse_v1("rss 1\ncache 2\ntotal_rss 10\ntotal_cache 20\ntotal_inactive_file 5\n"
                                         "total_pgfault 7\ntotal_swap 8\n");
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->anon, 10u);
  EXPECT_EQ(stat->file, 20u);
  EXPECT_EQ(stat->swap, 8u);
  EXPECT_EQ(working_set(100, *stat), 95u);
  EXPECT_EQ(working_set(4, *stat), 0u);
}

TEST(MemoryStat, DoesNotConfuseKeysOnV2) {
  const auto stat =
      MemoryStat::parse_v2("anon 1\nfile 2\nkernel 3\nanon_thp 99\nfile_mapped 4\ninactive_file 5\npgfault 6\n");
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->anon, 1u);
  EXPECT_EQ(stat->mapped_file, 4u);
  EXPECT_EQ(stat->page_faults, 6u);
}

TEST(IoMax, ParsesAndFormats) {
  const auto limits =
      parse_io_max("8:0 rbps=1048576 wbps=max riops=max wiops=120\n8:16 rbps=1 wbps=2 riops=3 wiops=4\n");
  ASSERT_TRUE(limits);
  ASSERT_EQ(limits->size(), 2u);
  EXPECT_EQ(limits->front().device, (DeviceNumber{8, 0}));
  EXPECT_EQ(format(limits->front()), "8:0 rbps=1048576 wbps=max riops=max wiops=120");
  for (const char* text : {"8 rbps=1", "8:0 rbps", "8:0 rbps=x", "8:0 =1", "a:b"})
    EXPECT_FALSE(parse_io_max(text)) << text;
}

TEST(IoStat, SurvivesMissingNewlineOfOldKernels) {
  const auto stats = parse_io_stat("8:16 8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n7:0 \n");
  ASSERT_TRUE(stats);
  ASSERT_EQ(stats->size(), 3u);
  EXPECT_EQ(stats->at(1), (IoDeviceStat{{8, 0}, 1, 2, 3, 4}));
  EXPECT_FALSE(parse_io_stat("rbytes=1"));
}

TEST(IoWeight, ReadsBothVersions) {
  EXPECT_EQ(IoWeight::parse("default 100\n8:0 50\n")->devices.at({8, 0}), 50u);
  EXPECT_EQ(IoWeight::parse("250\n")->standard, 250u);
  EXPECT_FALSE(IoWeight::parse("default x"));
  EXPECT_FALSE(IoWeight::parse("a b c"));
  EXPECT_EQ(io_weight_from_blkio(10), 1u);
  EXPECT_EQ(io_weight_from_blkio(1000), 10000u);
  EXPECT_EQ(io_weight_from_blkio(0), 1u);
}

TEST(Blkio, CountsReadsAndWritesByDevice) {
  const auto counts = parse_blkio_counts("8:0 Read 4096\n8:0 Write 10\n8:0 Sync 1\n8:0 Total 4106\nTotal 4106\n");
  ASSERT_TRUE(counts);
  EXPECT_EQ(counts->at({8, 0}), (BlkioCount{4096, 10}));
  EXPECT_TRUE(parse_blkio_counts("Total 0\n")->empty());
  EXPECT_FALSE(parse_blkio_counts("8:0 Read"));
  EXPECT_EQ(parse_device_values("8:0 1048576\n")->at({8, 0}), 1048576u);
  EXPECT_FALSE(parse_device_values("8:0 1 2\n"));
}

TEST(HugePage, NamesMatchTheKernels) {
  EXPECT_EQ(*huge_page_name(Bytes{2 << 20}), "2MB");
  EXPECT_EQ(*huge_page_name(Bytes{std::int64_t{1} << 30}), "1GB");
  EXPECT_EQ(*huge_page_name(Bytes{64 << 10}), "64KB");
  EXPECT_EQ(huge_page_size("16GB")->value, std::int64_t{16} << 30);
  EXPECT_FALSE(huge_page_name(Bytes{3 << 20}));
  EXPECT_FALSE(huge_page_name(Bytes{-2}));
  for (const char* text : {"", "MB", "3MB", "2mb", "2M", "0MB", "-2MB", "2048MB", "../2MB"})
    EXPECT_FALSE(huge_page_size(text)) << text;
}

TEST(GroupEvents, Parses) {
  EXPECT_EQ(*GroupEvents::parse("populated 1\nfrozen 0\n"), (GroupEvents{true, false}));
  EXPECT_FALSE(GroupEvents::parse("populated yes\n"));
}

TEST(Procs, AreSortedAndUnique) {
  EXPECT_EQ(*parse_procs("30\n2\n2\n0\n"), (std::vector<pid_t>{0, 2, 30}));
  EXPECT_TRUE(parse_procs("")->empty());
  EXPECT_FALSE(parse_procs("1\nx\n"));
  EXPECT_FALSE(parse_procs("-1\n"));
  EXPECT_FALSE(parse_procs("99999999999\n"));
}

TEST(FreezerState, Parses) {
  EXPECT_EQ(*parse_freezer_state("FREEZING\n"), FreezerState::freezing);
  EXPECT_FALSE(parse_freezer_state("FROZENX"));
}

TEST(Pressure, Parses) {
  const auto pressure = Pressure::parse("some avg10=3.73 avg60=1.70 avg300=0.56 total=6975594\n"
                                        "full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n");
  ASSERT_TRUE(pressure);
  EXPECT_DOUBLE_EQ(pressure->some.avg10, 3.73);
  EXPECT_EQ(pressure->some.total.count(), 6975594);
  EXPECT_EQ(pressure->full->total.count(), 7);
  EXPECT_FALSE(Pressure::parse("some avg10=1.00 avg60=1.00 avg300=1.00 total=1\n")->full);
  for (const char* text : {"", "full avg10=0 total=1", "some avg10=nan total=1", "some avg10=-1 total=0", "some avg10",
                           "some avg10=1,5 total=0", "some avg10=inf total=0"})
    EXPECT_FALSE(Pressure::parse(text)) << text;
}

TEST(MountEntry, UndoesEscapes) {
  const auto entry =
      MountEntry::parse("31 23 0:28 /a\\040b /sys/fs\\134x rw,relatime shared:1 master:2 - cgroup c\\040 rw,cpu");
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->root, "/a b");
  EXPECT_EQ(entry->mount_point, "/sys/fs\\x");
  EXPECT_EQ(entry->fs_type, "cgroup");
  EXPECT_EQ(entry->super_options, "rw,cpu");
  EXPECT_EQ(MountEntry::parse("1 2 0:1 /\\9 /\\04 rw -x - t s o")->root, "/\\9");
}

TEST(MountEntry, RejectsGarbage) {
  for (const char* text :
       {"", "1 2 3", "1 2 0:1 / /m rw shared:1 cgroup c rw", "1 2 0:1 / /m rw - cgroup c", "- - - - - - - - -"})
    EXPECT_FALSE(MountEntry::parse(text)) << text;
}

TEST(Membership, ParsesEveryForm) {
  EXPECT_EQ(MembershipEntry::parse("4:cpu,cpuacct:/a:b")->path, "/a:b");
  EXPECT_EQ(MembershipEntry::parse("9:name=systemd:/")->controllers, "name=systemd");
  EXPECT_EQ(MembershipEntry::parse("0::/x (deleted)")->path, "/x");
  EXPECT_TRUE(MembershipEntry::parse("0::/x (deleted)")->deleted);
  for (const char* text : {"", ":", "0:", "0::", "0::x", "a::/x", "::/x"})
    EXPECT_FALSE(MembershipEntry::parse(text)) << text;
}

} // namespace
} // namespace keelson::cgroups
