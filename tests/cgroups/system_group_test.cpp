// Creating, removing, listing, joining: on the real kernel.
#include "base/file.hpp"
#include "base/text.hpp"
#include "cgroups/group_directory.hpp"
#include "tests/cgroups/system_fixture.hpp"
#include "tests/support/poll_until.hpp"
#include "tests/support/requirements.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <thread>

namespace keelson::cgroups {
namespace {

TEST_F(CgroupSystem, DetectionAgreesWithTheKernel) {
  const auto text = read_file("/proc/self/cgroup");
  ASSERT_TRUE(text);
  RecordProperty("cgroups", hierarchy().describe());
  EXPECT_TRUE(has(Controller::memory)) << hierarchy().describe();
  for (std::size_t i = 0; i < hierarchy().mounts().size(); ++i)
    EXPECT_TRUE(hierarchy().group_of(getpid(), i)) << hierarchy().mounts()[i].mount_point;
}

TEST_F(CgroupSystem, CreatesAndRemovesInEveryHierarchy) {
  make("/a/b");
  for (const auto& mount : hierarchy().mounts()) EXPECT_TRUE(exists(mount.mount_point + path("/a/b")));
  EXPECT_EQ(*Group::open(hierarchy(), path("/a"))->children(), std::vector<std::string>{"b"});
  ASSERT_TRUE(Group::remove(hierarchy(), path("/a"), soon()));
  for (const auto& mount : hierarchy().mounts()) EXPECT_FALSE(exists(mount.mount_point + path("/a")));
}

TEST_F(CgroupSystem, CreateIsIdempotent) {
  const Group first = make();
  const Group second = make();
  EXPECT_EQ(first.path(), second.path());
}

TEST_F(CgroupSystem, NewGroupTakesProcessesInEveryHierarchy) {
  const Group group = make("/a/b/c");
  const Child child = start(group, {"sleep", "1000"});
  for (std::size_t i = 0; i < hierarchy().mounts().size(); ++i)
    EXPECT_EQ(hierarchy().group_of(child.pid(), i).value_or("none"), group.path())
        << hierarchy().mounts()[i].mount_point;
  EXPECT_EQ(*group.own_processes(), std::vector<pid_t>{child.pid()});
  EXPECT_EQ(*Group::open(hierarchy(), path())->processes(), std::vector<pid_t>{child.pid()});
  EXPECT_TRUE(Group::open(hierarchy(), path())->own_processes()->empty());
  EXPECT_TRUE(*Group::open(hierarchy(), path())->populated());
}

TEST_F(CgroupSystem, AttachMovesAProcess) {
  const Group from = make("/from");
  const Group to = make("/to");
  const Child child = start(from, {"sleep", "1000"});
  ASSERT_TRUE(to.attach(child.pid()));
  EXPECT_TRUE(from.processes()->empty());
  EXPECT_EQ(*to.processes(), std::vector<pid_t>{child.pid()});
  const auto failed = to.attach(0x3ffffffe);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().sys_errno, ESRCH);
}

TEST_F(CgroupSystem, RemoveNamesTheProcessThatIsInTheWay) {
  const Group group = make("/a/b");
  const Child child = start(group, {"sleep", "1000"});
  const auto removed = Group::remove(hierarchy(), path("/a"), Deadline::after(std::chrono::milliseconds(100)));
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().code, Code::deadline_exceeded);
  EXPECT_EQ(removed.error().sys_errno, EBUSY);
  EXPECT_NE(removed.error().message.find(std::to_string(child.pid())), std::string::npos) << removed.error().message;
  ASSERT_TRUE(send_signal(child.pidfd(), 0)) << "remove must not kill";
}

TEST_F(CgroupSystem, RemoveWaitsForTheLastProcess) {
  const Group group = make("/a/b");
  int joined[2];
  ASSERT_EQ(pipe2(joined, O_CLOEXEC), 0);
  const UniqueFd reading(joined[0]);
  const UniqueFd writing(joined[1]);
  const pid_t forker = fork_into(group, [&] {
    if (write(writing.get(), "x", 1) != 1) return 1;
    // A stream of short-lived processes, the last of which ends by itself.
    for (int i = 0; i < 100; ++i) {
      if (fork() == 0) _exit(0);
    }
    return 0;
  });
  char byte = 0;
  ASSERT_EQ(read(reading.get(), &byte, 1), 1);
  const auto removed = Group::remove(hierarchy(), path("/a"), soon());
  EXPECT_TRUE(removed) << removed.error().message;
  EXPECT_EQ(reap(forker).exited, 0);
}

TEST_F(CgroupSystem, AnswersNotFoundOnceRemoved) {
  const Group group = make();
  ASSERT_TRUE(Group::remove(hierarchy(), group.path(), soon()));
  EXPECT_EQ(Group::open(hierarchy(), group.path()).error().code, Code::not_found);
  EXPECT_TRUE(is_gone(group.attach(getpid()).error()));
  EXPECT_TRUE(is_gone(group.read(Controller::memory, "memory.stat").error()));
  EXPECT_TRUE(group.kill_all(soon()));
  EXPECT_TRUE(group.processes()->empty());
  EXPECT_TRUE(Group::remove(hierarchy(), group.path(), soon()));
}

TEST_F(CgroupSystem, ManyThreadsCreateTheSameParents) {
  std::atomic<int> failures = 0;
  for (int round = 0; round < 5; ++round) {
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&, i] {
        const auto group = Group::create(hierarchy(), path("/tier/pods/pod" + std::to_string(i)));
        if (!group) ++failures;
        // cpuset of v1: ready to take processes at once, whoever made the parents.
        if (group && on(Controller::cpuset, Version::v1) &&
            trim(group->read(Controller::cpuset, "cpuset.cpus").value_or("")).empty())
          ++failures;
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(Group::open(hierarchy(), path("/tier/pods"))->children()->size(), 8u);
    ASSERT_TRUE(Group::remove(hierarchy(), path("/tier"), soon()));
  }
  EXPECT_EQ(failures, 0);
}

TEST_F(CgroupSystem, ThousandChildren) {
  const int count = test::in_virtual_machine() ? 300 : 1000;
  for (int i = 0; i < count; ++i) ASSERT_TRUE(Group::create(hierarchy(), path("/many/child" + std::to_string(i))));
  const Group parent = Group::open(hierarchy(), path("/many")).value();
  EXPECT_EQ(parent.children()->size(), static_cast<std::size_t>(count));
  EXPECT_TRUE(parent.processes()->empty());
  ASSERT_TRUE(Group::remove(hierarchy(), path("/many"), soon(60)));
  EXPECT_FALSE(Group::exists(hierarchy(), path("/many")));
}

TEST_F(CgroupSystem, RefusesNamesThatTheKernelHas) {
  make();
  const auto created = Group::create(hierarchy(), path("/group/cgroup.procs"));
  EXPECT_FALSE(created);
  EXPECT_TRUE(Group::open(hierarchy(), path("/group"))->children()->empty());
}

TEST_F(CgroupSystem, SaysThatAParentWithProcessesHasNoChildrenOnV2) {
  KEELSON_NEEDS_VM(hierarchy().mode() == Mode::v2, "needs unified cgroup v2");
  const Group parent = make("/parent");
  const Child child = start(parent, {"sleep", "1000"});
  const auto created = Group::create(hierarchy(), path("/parent/below"));
  ASSERT_FALSE(created);
  EXPECT_EQ(created.error().sys_errno, EBUSY);
  EXPECT_NE(created.error().message.find("processes of its own"), std::string::npos) << created.error().message;
  EXPECT_FALSE(Group::exists(hierarchy(), path("/parent/below")));
}

TEST_F(CgroupSystem, EnablesEveryControllerOnTheWayOnV2) {
  KEELSON_NEEDS_VM(hierarchy().mode() == Mode::v2, "needs unified cgroup v2");
  const Group group = make("/x/y");
  const auto offered = controllers_in(group.read(Controller::core, "cgroup.controllers").value(), ' ');
  for (const Controller controller : {Controller::cpu, Controller::memory, Controller::pids, Controller::io})
    EXPECT_NE(std::find(offered.begin(), offered.end(), controller), offered.end())
        << token_of(controller, Version::v2);
}

} // namespace
} // namespace keelson::cgroups
