// ExecSync: what probes use.
#include "base/file.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "tests/system/node_fixture.hpp"

#include <gmock/gmock.h>

namespace keelson::test {

namespace {

using testing::HasSubstr;

constexpr int kInvalidArgument = 3;
constexpr int kDeadlineExceeded = 4;
constexpr int kNotFound = 5;
constexpr int kFailedPrecondition = 9;

class ExecSync : public NodeTest {
 protected:
  void SetUp() override {
    NodeTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    container_ = use().run(use().run_pod("exec"), "c", "sleep 1000");
  }
  std::size_t processes() {
    const auto tasks = read_file(cgroup_dir("pids", use().cgroup_of(container_)) + "/cgroup.procs").value_or("");
    return split_words(tasks).size();
  }
  std::string container_;
};

TEST_F(ExecSync, GivesOutputErrorsAndExitCode) {
  const auto result = use().exec_shell(container_, "echo out; echo err >&2; exit 5");
  EXPECT_EQ(result.code, 0) << result.message;
  EXPECT_EQ(result.out, "out\n");
  EXPECT_EQ(result.err, "err\n");
  EXPECT_EQ(result.exit_code, 5);
  EXPECT_EQ(use().exec_shell(container_, "kill -9 $$").exit_code, 137);
}

TEST_F(ExecSync, ACommandThatIsNotThereIsAnErrorOrCode127) {
  const auto result = use().exec(container_, {"/bin/absent"});
  EXPECT_TRUE(result.code != 0 || result.exit_code == 127) << result.exit_code;
  EXPECT_NE(result.code, kNotFound); // which would be the container
  EXPECT_THAT(result.message + result.err, HasSubstr("absent"));
}

TEST_F(ExecSync, RunsInTheContainersNamespacesAndCgroups) {
  const pid_t pid = use().pid_of(container_);
  const auto names = use().exec_shell(container_, "for n in net ipc uts pid mnt; do readlink /proc/self/ns/$n; done");
  std::string wanted;
  for (const char* kind : {"net", "ipc", "uts", "pid", "mnt"}) wanted += link_of(pid, std::string("ns/") + kind) + "\n";
  EXPECT_EQ(names.out, wanted);
}

TEST_F(ExecSync, ATimeoutKillsTheWholeTree) {
  const std::size_t before = processes();
  const auto started = std::chrono::steady_clock::now();
  // A grandchild in a session of its own that ignores everything it can.
  const auto result = use().exec(
      container_,
      {"/bin/sh", "-c", "trap '' TERM HUP INT; (busybox setsid sh -c 'trap \"\" TERM; sleep 500') & sleep 500"}, 1);
  EXPECT_EQ(result.code, kDeadlineExceeded) << result.message;
  EXPECT_GE(std::chrono::steady_clock::now() - started, std::chrono::milliseconds(900));
  EXPECT_TRUE(eventually([&] { return processes() == before; })) << processes();
  EXPECT_EQ(text(use().status(container_), "/state"), "CONTAINER_RUNNING");
}

TEST_F(ExecSync, EndsWithTheCommandThoughAChildHoldsItsOutput) {
  const auto result = use().exec_shell(container_, "sleep 3 & echo done");
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.out, "done\n");
}

TEST_F(ExecSync, OutputIsCutAtSixteenMebibytes) {
  const auto result = use().exec_shell(container_, "head -c 20000000 /dev/zero");
  EXPECT_EQ(result.code, 0) << result.message;
  EXPECT_EQ(result.out.size(), std::size_t{16} << 20);
  EXPECT_EQ(result.exit_code, 0);
}

TEST_F(ExecSync, EndlessOutputDoesNotFillTheDaemon) { // CVE-2022-31030
  const auto resident = [&] { return parse_int<long>(split_words(proc_status(node().pid(), "VmHWM"))[0]).value_or(0); };
  const long before = resident();
  EXPECT_EQ(use().exec(container_, {"yes"}, 2).code, kDeadlineExceeded);
  EXPECT_LT(resident(), before + (64 << 10)) << "kB"; // 16 MiB of output and gRPC's copies
}

TEST_F(ExecSync, NeedsARunningContainerAndACommand) {
  EXPECT_EQ(use().exec(container_, {}).code, kInvalidArgument);
  EXPECT_EQ(use().exec(container_, {"true"}, -1).code, kInvalidArgument);
  use().ok("StopContainer", {{"container_id", container_}, {"timeout", 0}});
  use().wait_exited(container_);
  EXPECT_EQ(use().exec(container_, {"true"}).code, kFailedPrecondition);
}

TEST_F(ExecSync, HundredExecsLeaveNothing) {
  const auto descriptors = [&] { return list_dir(fmt::format("/proc/{}/fd", node().pid()))->size(); };
  use().exec(container_, {"true"});
  const std::size_t before = descriptors();
  for (int i = 0; i < 100; ++i) ASSERT_EQ(use().exec(container_, {"true"}).exit_code, 0);
  EXPECT_LE(descriptors(), before + 2);
  EXPECT_EQ(processes(), 1U);
}

} // namespace

} // namespace keelson::test
