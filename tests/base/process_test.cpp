#include "base/file.hpp"
#include "base/process.hpp"
#include "base/text.hpp"
#include "tests/support/leak_check.hpp"
#include "tests/support/poll_until.hpp"
#include "tests/support/temp_dir.hpp"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <csignal>

namespace keelson {

namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Result<std::string> shell(const std::string& script, RunLimits limits = {}, std::string_view input = {}) {
  return check_output({"sh", "-c", script}, limits, input);
}

class Process : public testing::Test {
 protected:
  void TearDown() override { EXPECT_THAT(leaks_.leaks(), IsEmpty()); }
  test::LeakCheck leaks_{{.paths = {"/nonexistent"}, .descriptors = true}};
};

TEST_F(Process, OutputIsCapturedAndInputIsFed) {
  const std::string input(300000, 'x'); // more than pipes hold, both ways at once
  EXPECT_EQ(*shell("cat", {}, input), input);
  SpawnOptions options;
  options.argv = {"sh", "-c", "echo out; echo err >&2; exit 3"};
  const auto run = run_command(options);
  ASSERT_TRUE(run.has_value());
  EXPECT_EQ(run->out, "out\n");
  EXPECT_EQ(run->err, "err\n");
  EXPECT_EQ(run->status.code(), 3);
}

TEST_F(Process, ThatIgnoresItsInputDoesNotHurtUs) {
  EXPECT_TRUE(check_output({"true"}, {}, std::string(1 << 20, 'x')).has_value()); // no SIGPIPE
}

TEST_F(Process, OutputIsBounded) {
  const auto out = shell("head -c 3000000 /dev/zero", {.max_output = 1000});
  ASSERT_TRUE(out.has_value()) << out.error().message;
  EXPECT_EQ(out->size(), 1000U);
}

TEST_F(Process, ThatDoesNotExistIsAnErrorOfSpawn) {
  const auto missing = spawn({.argv = {"/no/such/program"}});
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().sys_errno, ENOENT);
  EXPECT_THAT(missing.error().message, HasSubstr("/no/such/program"));
  EXPECT_EQ(spawn({.argv = {"no-such-program-anywhere"}}).error().sys_errno, ENOENT);
  EXPECT_EQ(spawn({.argv = {"/etc/passwd"}}).error().sys_errno, EACCES);
  EXPECT_EQ(spawn({.argv = {}}).error().code, Code::invalid_argument);
}

TEST_F(Process, SetUpFailuresSayWhichStep) {
  const auto directory = spawn({.argv = {"true"}, .cwd = "/no/such/directory"});
  EXPECT_THAT(directory.error().message, HasSubstr("change directory"));
  EXPECT_EQ(directory.error().sys_errno, ENOENT);
  const auto null = open_at(AT_FDCWD, "/dev/null", O_RDONLY);
  const auto not_a_namespace = spawn({.argv = {"true"}, .net_namespace = null->get()});
  EXPECT_THAT(not_a_namespace.error().message, HasSubstr("network namespace"));
  EXPECT_FALSE(spawn({.argv = {"true"}, .cgroup_procs = {"/no/such/cgroup.procs"}}).has_value());
}

TEST_F(Process, FailuresCarryTheLastLineOfTheirError) {
  const auto failed = shell("echo first >&2; echo why it failed >&2; exit 7");
  ASSERT_FALSE(failed.has_value());
  EXPECT_THAT(failed.error().message, HasSubstr("why it failed"));
  EXPECT_THAT(failed.error().message, HasSubstr("7"));
}

TEST_F(Process, GroupIsKilledAtTheDeadline) {
  const test::TempDir dir;
  const auto begin = std::chrono::steady_clock::now();
  const auto run = shell("sleep 1000 & echo $! > " + (dir / "pid") + "; wait", {.deadline = Deadline::after(500ms)});
  ASSERT_FALSE(run.has_value());
  EXPECT_EQ(run.error().code, Code::deadline_exceeded);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
  const auto pid = parse_int<pid_t>(trim(*read_file(dir / "pid")));
  ASSERT_TRUE(pid.has_value());
  EXPECT_TRUE(test::poll_until(Deadline::after(10s), [&] { return leaks_.leaks(0ms).empty(); }));
  EXPECT_NE(::kill(*pid, 0), 0) << "the grandchild lives on";
}

TEST_F(Process, ChildrenThatStayBehindDoNotHoldUsUp) {
  const auto begin = std::chrono::steady_clock::now();
  const auto quiet = shell("sleep 1000 & echo $!");
  const auto noisy = shell("yes >&2 & echo $!");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 30s);
  for (const auto* out : {&quiet, &noisy}) {
    ASSERT_TRUE(out->has_value()) << out->error().message;
    ::kill(*parse_int<pid_t>(trim(**out)), SIGKILL);
  }
}

TEST_F(Process, InheritsOnlyWhatItIsGiven) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0); // not close-on-exec, on purpose
  const UniqueFd reader(ends[0]);
  const UniqueFd writer(ends[1]);
  SpawnOptions options;
  options.argv = {"sleep", "1000"};
  options.inherit = {{writer.get(), 19}, {writer.get(), 7}};
  auto child = spawn(options);
  ASSERT_TRUE(child.has_value());
  EXPECT_THAT(list_dir("/proc/" + std::to_string(child->pid()) + "/fd").value_or(std::vector<std::string>{}),
              ElementsAre("0", "1", "19", "2", "7"));
  ASSERT_TRUE(child->kill(SIGKILL).has_value());
  ASSERT_TRUE(child->wait().has_value());
}

TEST_F(Process, DescriptorsMayTradePlaces) {
  const test::TempDir dir;
  auto a = open_at(AT_FDCWD, dir / "a", O_CREAT | O_WRONLY, 0600);
  auto b = open_at(AT_FDCWD, dir / "b", O_CREAT | O_WRONLY, 0600);
  ASSERT_TRUE(a && b);
  SpawnOptions options;
  const std::string number_a = std::to_string(a->get());
  const std::string number_b = std::to_string(b->get());
  options.argv = {"bash", "-c", "echo a >&" + number_b + "; echo b >&" + number_a};
  options.inherit = {{a->get(), b->get()}, {b->get(), a->get()}};
  auto child = spawn(options);
  ASSERT_TRUE(child.has_value()) << child.error().message;
  EXPECT_TRUE(child->wait()->success());
  EXPECT_EQ(*read_file(dir / "a"), "a\n");
  EXPECT_EQ(*read_file(dir / "b"), "b\n");
}

TEST_F(Process, StartsWithDefaultSignals) {
  const auto before = ::signal(SIGPIPE, SIG_IGN); // as daemons do
  sigset_t blocked;
  sigset_t old;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &old);
  const auto status = check_output({"grep", "-E", "^Sig(Ign|Blk)", "/proc/self/status"});
  ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
  ::signal(SIGPIPE, before);
  EXPECT_EQ(status.value_or(""), "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST_F(Process, EnvironmentIsReplacedWhenGiven) {
  SpawnOptions options;
  options.argv = {"/usr/bin/env"};
  options.env = std::vector<std::string>{"A=1", "B=two words"};
  EXPECT_EQ(run_command(options)->out, "A=1\nB=two words\n");
}

TEST_F(Process, EndIsToldAsTheShellDoes) {
  auto child = spawn({.argv = {"sleep", "1000"}});
  ASSERT_TRUE(child.has_value());
  EXPECT_EQ(child->wait(Deadline::after(1ms)).error().code, Code::deadline_exceeded);
  ASSERT_TRUE(child->kill(SIGTERM).has_value());
  const auto status = child->wait();
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->signal, SIGTERM);
  EXPECT_EQ(status->code(), 128 + SIGTERM);
  EXPECT_EQ(child->kill(SIGTERM).error().code, Code::not_found);
}

TEST_F(Process, IdentityIsPidAndStartTime) {
  auto child = spawn({.argv = {"sleep", "1000"}});
  ASSERT_TRUE(child.has_value());
  auto id = process_id_of(child->pid());
  ASSERT_TRUE(id.has_value());
  EXPECT_TRUE(open_process(*id).has_value());
  const ProcessId reused{id->pid, id->start_time - 1};
  EXPECT_EQ(open_process(reused).error().code, Code::not_found);
  ASSERT_TRUE(child->kill(SIGKILL).has_value());
  ASSERT_TRUE(child->wait().has_value());
  EXPECT_EQ(open_process(*id).error().code, Code::not_found);
}

// The last one: what it sets stays for the whole process.
TEST_F(Process, ChildrenKeepTheFormerLimitOfOpenFiles) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  ASSERT_GT(limit.rlim_max, 300U);
  limit.rlim_cur = 300;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  ASSERT_TRUE(raise_open_file_limit().has_value());
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(limit.rlim_cur, limit.rlim_max);
  EXPECT_EQ(*shell("ulimit -Sn"), "300\n");
  EXPECT_EQ(*shell("ulimit -Hn"), fmt::format("{}\n", limit.rlim_max));
}

} // namespace

} // namespace keelson
