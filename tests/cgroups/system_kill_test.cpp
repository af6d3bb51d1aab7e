// Freezing and killing on the real kernel.
#include "cgroups/group_kill.hpp"
#include "tests/cgroups/system_fixture.hpp"
#include "tests/support/poll_until.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

namespace keelson::cgroups {
namespace {

[[noreturn]] void fork_forever() {
  (void)!nice(19);
  for (;;) (void)!fork();
}

// Every way to kill has to pass the same tests.
class CgroupKill : public CgroupSystem, public ::testing::WithParamInterface<bool> {
 protected:
  Result<> kill(const Group& group) const {
    return GetParam() ? kill_by_rounds(group, soon(30)) : group.kill_all(soon(30));
  }
};
INSTANTIATE_TEST_SUITE_P(EveryWay, CgroupKill, ::testing::Bool(),
                         [](const auto& instance) { return instance.param ? "ByRounds" : "KillAll"; });

TEST_P(CgroupKill, EmptyGroupIsFine) {
  EXPECT_TRUE(kill(make()));
}

TEST_P(CgroupKill, ReachesGroupsBelow) {
  const Group top = make("/top");
  const Group below = make("/top/a/b");
  const Group beside = make("/beside");
  const Child first = start(below, {"sleep", "1000"});
  const Child second = start(make("/top/c"), {"sh", "-c", "trap '' TERM INT; sleep 1000 & wait; sleep 1000"});
  const Child spared = start(beside, {"sleep", "1000"});
  const auto killed = kill(top);
  ASSERT_TRUE(killed) << killed.error().message;
  EXPECT_TRUE(top.processes()->empty());
  EXPECT_EQ(*beside.processes(), std::vector<pid_t>{spared.pid()});
  EXPECT_EQ(reap(first.pid()).signal, SIGKILL);
  EXPECT_EQ(reap(second.pid()).signal, SIGKILL);
}

TEST_P(CgroupKill, EndsAForkBomb) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "each fork of a program with ThreadSanitizer waits for a thread of its own, which pids.max refuses";
#endif
  const Group group = make();
  Knobs knobs;
  knobs.pids_max = 40;
  ASSERT_TRUE(group.apply(knobs));
  const pid_t pid = fork_into(group, []() -> int { fork_forever(); });
  ASSERT_TRUE(test::poll_until(soon(), [&] { return group.processes()->size() >= 30; }));
  EXPECT_LE(group.processes()->size(), 40u);
  const auto killed = kill(group);
  ASSERT_TRUE(killed) << killed.error().message;
  EXPECT_TRUE(group.processes()->empty());
  EXPECT_EQ(reap(pid).signal, SIGKILL);
  const auto removed = Group::remove(hierarchy(), group.path(), soon());
  EXPECT_TRUE(removed) << removed.error().message;
}

TEST_P(CgroupKill, KillsWhatIsFrozen) {
  const Group group = make("/a");
  const Group below = make("/a/b");
  const Child child = start(below, {"sleep", "1000"});
  ASSERT_TRUE(below.freeze(soon()));
  ASSERT_TRUE(group.freeze(soon()));
  const auto killed = kill(group);
  ASSERT_TRUE(killed) << killed.error().message;
  EXPECT_EQ(reap(child.pid()).signal, SIGKILL);
}

TEST_F(CgroupSystem, KillRefusesItsOwnGroup) {
  const Group group = make();
  const pid_t pid = fork_into(group, [&] {
    return group.kill_all(soon()).error().code == Code::failed_precondition &&
                   group.freeze(soon()).error().code == Code::failed_precondition
               ? 7
               : 8;
  });
  const ExitStatus status = reap(pid);
  EXPECT_EQ(status.signal, 0);
  EXPECT_EQ(status.exited, 7);
}

TEST_F(CgroupSystem, FrozenProcessesStandStill) {
  const Group group = make();
  const Child child = start(group, {"sh", "-c", "while :; do :; done"});
  const auto usage = [&] { return group.statistics()->cpu->usage; };
  ASSERT_TRUE(test::poll_until(soon(), [&] { return usage() > std::chrono::milliseconds(10); }));
  const auto froze = group.freeze(soon());
  ASSERT_TRUE(froze) << froze.error().message;
  EXPECT_TRUE(*group.frozen());
  const auto before = usage();
  EXPECT_FALSE(test::poll_until(Deadline::after(std::chrono::milliseconds(150)),
                                [&] { return usage() > before + std::chrono::milliseconds(5); }));
  ASSERT_TRUE(group.thaw(soon()));
  EXPECT_FALSE(*group.frozen());
  EXPECT_TRUE(test::poll_until(soon(), [&] { return usage() > before + std::chrono::milliseconds(5); }));
}

TEST_F(CgroupSystem, RemovalDuringAForkBombSucceedsAfterTheKill) {
  const Group group = make("/a/b");
  Knobs knobs;
  knobs.pids_max = 20;
  ASSERT_TRUE(group.apply(knobs));
  const pid_t pid = fork_into(group, []() -> int { fork_forever(); });
  ASSERT_TRUE(test::poll_until(soon(), [&] { return group.processes()->size() >= 10; }));
  Result<> removed;
  std::thread remover([&] { removed = Group::remove(hierarchy(), path("/a"), soon()); });
  const auto killed = group.kill_all(soon());
  remover.join();
  EXPECT_TRUE(killed) << killed.error().message;
  EXPECT_TRUE(removed) << removed.error().message;
  EXPECT_EQ(reap(pid).signal, SIGKILL);
}

} // namespace
} // namespace keelson::cgroups
