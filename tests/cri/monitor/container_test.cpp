#include "base/file.hpp"
#include "base/text.hpp"
#include "tests/cri/monitor/monitor_fixture.hpp"
#include "tests/support/poll_until.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

namespace keelson::cri {
namespace {

using test::poll_until;

TEST_F(MonitorTest, LogsBothStreamsAndKeepsTheExitCode) {
  const auto init = run({.id = "c", .args = {"sh", "-c", "echo one; echo two >&2; printf tail; exit 7"}});
  ASSERT_TRUE(init) << init.error().message;
  const auto record = events_.wait_exit("c");
  ASSERT_TRUE(record);
  EXPECT_EQ(record->exit_code, 7U);
  EXPECT_EQ(record->signal, 0U);
  EXPECT_FALSE(record->oom_killed);
  EXPECT_EQ(exit_record("c"), record);
  EXPECT_EQ(log_content(log_text("c"), "stdout"), "one\ntail");
  EXPECT_EQ(log_content(log_text("c"), "stderr"), "two\n");
  struct stat info {};
  ASSERT_EQ(::stat(log_path("c").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0640U);
}

TEST_F(MonitorTest, LineOf40KilobytesIsSplitInto16KilobytePartsAndLosesNothing) {
  ASSERT_TRUE(run({.id = "c", .args = {"sh", "-c", "head -c 40000 /dev/zero | tr '\\0' x; echo; echo end"}}));
  ASSERT_TRUE(events_.wait_exit("c"));
  EXPECT_EQ(log_content(log_text("c"), "stdout"), std::string(40000, 'x') + "\nend\n");
  const auto lines = log_lines(log_text("c"));
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[0].size(), 40U + 16384);
  EXPECT_EQ(lines[0].substr(31, 9), "stdout P ");
}

TEST_F(MonitorTest, RotatesAtTheSizeAndKeepsTheCount) {
  ASSERT_TRUE(run({.id = "c", .args = {"seq", "1", "60000"}, .log_max_size = 100000, .log_max_files = 3}));
  ASSERT_TRUE(events_.wait_exit("c"));
  std::vector<std::string> files;
  const auto names = list_dir(dir_ / "logs");
  ASSERT_TRUE(names);
  for (const std::string& name : *names)
    if (name.starts_with("c.log")) files.push_back(name);
  ASSERT_EQ(files.size(), 3U);
  std::string text;
  for (const char* which : {"rotated", "active"})
    for (const std::string& name : files) {
      if ((name == "c.log") != (std::string(which) == "active")) continue;
      const auto part = read_file(dir_ / ("logs/" + name));
      ASSERT_TRUE(part);
      EXPECT_LE(part->size(), 100000U);
      text += *part;
    }
  const auto lines = log_lines(text);
  ASSERT_GT(lines.size(), 3000U);
  for (std::size_t i = 0; i < lines.size(); ++i)
    ASSERT_EQ(lines[i].substr(40), std::to_string(60000 - lines.size() + 1 + i));
}

TEST_F(MonitorTest, ReopenedLogGoesToANewFile) {
  ASSERT_TRUE(run({.id = "c", .args = {"sh", "-c", "echo before; cat; echo after"}, .stdin_open = true}));
  ASSERT_TRUE(poll_until(soon(), [&] { return log_content(log_text("c"), "stdout") == "before\n"; }));
  ASSERT_EQ(::rename(log_path("c").c_str(), (log_path("c") + ".old").c_str()), 0);
  ASSERT_TRUE(monitor_->reopen_log("c", soon()));
  ASSERT_TRUE(monitor_->close_stdin("c", soon()));
  ASSERT_TRUE(events_.wait_exit("c"));
  EXPECT_EQ(log_content(log_text("c"), "stdout"), "after\n");
}

TEST_F(MonitorTest, FullDiskNeverBlocksTheContainerAndIsToldOnce) {
  ASSERT_TRUE(make_dirs(dir_ / "full", 0700));
  ASSERT_EQ(::mount("tmpfs", (dir_ / "full").c_str(), "tmpfs", 0, "size=64k"), 0);
  ASSERT_TRUE(write_file_atomic(dir_ / "full/ballast", std::string(50000, 'b')));
  ASSERT_TRUE(run({.id = "c",
                   .args = {"sh", "-c", "seq 1 50000; echo flood done >&2; cat; echo room again"},
                   .stdin_open = true,
                   .log_path = dir_ / "full/c.log"}));
  ASSERT_TRUE(poll_until(soon(), [&] {
    const auto list = monitor_->list(soon());
    return list && !list->containers.empty() && list->containers[0].log_lost_bytes > 2250000; // of 2,288,894
  }));
  ASSERT_EQ(::unlink((dir_ / "full/ballast").c_str()), 0);
  ASSERT_TRUE(monitor_->close_stdin("c", soon()));
  ASSERT_TRUE(events_.wait_exit("c"));
  const std::string text = *read_file(dir_ / "full/c.log");
  const auto lines = log_lines(text);
  ASSERT_GE(lines.size(), 3U);
  std::size_t notes = 0;
  for (const std::string& line : lines) {
    EXPECT_EQ(line[30], ' ') << line; // every line is whole
    notes += line.find("bytes of log were lost here: No space left on device") != std::string::npos ? 1 : 0;
  }
  EXPECT_EQ(notes, 1U);
  EXPECT_NE(lines.back().find("room again"), std::string::npos);
}

TEST_F(MonitorTest, RefusesALogThatIsASymlink) {
  ASSERT_EQ(::symlink("/etc/hostname", log_path("c").c_str()), 0);
  const auto init = create({.id = "c", .args = {"true"}});
  ASSERT_FALSE(init);
  EXPECT_EQ(init.error().sys_errno, ELOOP);
}

TEST_F(MonitorTest, RuntimeFailureCarriesItsOwnWords) {
  ASSERT_TRUE(create({.id = "c", .args = {"true"}}));
  auto request = create_request({.id = "d", .args = {"true"}});
  request.argv.back() = "c"; // runc knows that id already
  const auto init = monitor_->create(request, soon());
  ASSERT_FALSE(init);
  EXPECT_NE(init.error().message.find("already exists"), std::string::npos) << init.error().message;
  request.argv = {"/nonexistent-runtime"};
  const auto missing = monitor_->create(request, soon());
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().sys_errno, ENOENT);
  EXPECT_EQ(monitor_->list(soon())->containers.size(), 1U);
}

TEST_F(MonitorTest, HangingRuntimeIsKilledAtItsTimeout) {
  auto request = create_request({.id = "c", .args = {"true"}});
  request.argv = {"sleep", "1000"};
  request.timeout_ms = 200;
  const auto init = monitor_->create(request, soon());
  ASSERT_FALSE(init);
  EXPECT_NE(init.error().message.find("killed by signal 9"), std::string::npos) << init.error().message;
}

TEST_F(MonitorTest, SignalEndsAContainerWithItsNumber) {
  ASSERT_TRUE(run({.id = "c", .args = {"sh", "-c", "trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done"}}));
  ASSERT_TRUE(poll_until(soon(), [&] { return log_content(log_text("c"), "stdout") == "ready\n"; }));
  ASSERT_TRUE(monitor_->signal("c", SIGTERM, soon()));
  EXPECT_EQ(events_.wait_exit("c")->exit_code, 5U);
  EXPECT_EQ(monitor_->signal("c", SIGTERM, soon()).error().code, Code::not_found);
}

TEST_F(MonitorTest, KillFromOutsideIsNoOom) {
  const auto init = run({.id = "c", .args = {"sleep", "1000"}, .memory_limit = 64 << 20});
  ASSERT_TRUE(init) << init.error().message;
  ASSERT_EQ(::kill(init->pid, SIGKILL), 0);
  const auto record = events_.wait_exit("c");
  ASSERT_TRUE(record);
  EXPECT_EQ(record->exit_code, 137U);
  EXPECT_EQ(record->signal, 9U);
  EXPECT_FALSE(record->oom_killed);
}

constexpr const char* kEatMemory = "awk 'BEGIN { s = \"xxxxxxxxxxxxxxxx\"; while (1) s = s s }'";

TEST_F(MonitorTest, OomOfTheInitIsToldApart) {
  ASSERT_TRUE(run({.id = "c", .args = {"sh", "-c", std::string("exec ") + kEatMemory}, .memory_limit = 16 << 20}));
  const auto record = events_.wait_exit("c");
  ASSERT_TRUE(record);
  EXPECT_EQ(record->exit_code, 137U);
  EXPECT_TRUE(record->oom_killed);
  EXPECT_GE(record->oom_kills, 1U);
}

TEST_F(MonitorTest, OomOfAChildDoesNotTurnALaterKillIntoOom) {
  const auto init = run({.id = "c",
                         .args = {"sh", "-c", std::string(kEatMemory) + "; echo survived; sleep 1000"},
                         .memory_limit = 16 << 20});
  ASSERT_TRUE(init);
  ASSERT_TRUE(poll_until(soon(), [&] { return log_content(log_text("c"), "stdout") == "survived\n"; }));
  ASSERT_TRUE(poll_until(soon(), [&] { return events_.saw_oom("c"); }));
  // The monitor settles the kill 200 ms after it; nothing outside shows that, except the answer below.
  const auto settled = Deadline::after(std::chrono::milliseconds(600));
  poll_until(settled, [] { return false; });
  ASSERT_EQ(::kill(init->pid, SIGKILL), 0);
  const auto record = events_.wait_exit("c");
  ASSERT_TRUE(record);
  EXPECT_FALSE(record->oom_killed);
  EXPECT_GE(record->oom_kills, 1U);
}

TEST_F(MonitorTest, TerminalOutputHasNoCarriageReturnsAndItsSizeIsSet) {
  ASSERT_TRUE(create({.id = "c", .args = {"sh", "-c", "test -t 1 && echo terminal; stty size"}, .tty = true}));
  ASSERT_TRUE(monitor_->resize("c", 41, 123, soon()));
  ASSERT_TRUE(start("c"));
  ASSERT_TRUE(events_.wait_exit("c"));
  EXPECT_EQ(log_content(log_text("c"), "stdout"), "terminal\n41 123\n");
}

TEST_F(MonitorTest, AttachedClientTalksToStdinAndSeesRawOutput) {
  ASSERT_TRUE(run({.id = "c", .args = {"cat"}, .stdin_open = true}));
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  auto in = monitor_->attach("c", {.want_stdin = true, .out = write_end.get(), .err = -1}, soon());
  ASSERT_TRUE(in) << in.error().message;
  write_end.reset();
  ASSERT_TRUE(write_all(in->get(), "hello\nno newline"));
  std::string seen;
  char buffer[64];
  while (seen.size() < 16) {
    const ssize_t got = ::read(read_end.get(), buffer, sizeof buffer);
    ASSERT_GT(got, 0);
    seen.append(buffer, static_cast<std::size_t>(got));
  }
  EXPECT_EQ(seen, "hello\nno newline");
  in->reset();
  ASSERT_TRUE(monitor_->close_stdin("c", soon()));
  EXPECT_EQ(events_.wait_exit("c")->exit_code, 0U);
}

TEST_F(MonitorTest, GrandchildThatHoldsThePipeDelaysNoExitRecord) {
  const auto init = monitor_->start_infra(soon());
  ASSERT_TRUE(init) << init.error().message;
  const std::string ns = fmt::format("/proc/{}/ns/pid", init->pid);
  ASSERT_TRUE(run({.id = "c",
                   .args = {"sh", "-c", "setsid sh -c 'sleep 0.7; echo late' & echo early; exit 3"},
                   .pid_namespace = ns}));
  const auto record = events_.wait_exit("c");
  ASSERT_TRUE(record);
  EXPECT_EQ(record->exit_code, 3U);
  EXPECT_EQ(log_content(log_text("c"), "stdout"), "early\n");
  EXPECT_TRUE(poll_until(soon(), [&] { return log_content(log_text("c"), "stdout") == "early\nlate\n"; }));
}

TEST_F(MonitorTest, InfraProcessReapsAndIsConfined) {
  const auto infra = monitor_->start_infra(soon());
  ASSERT_TRUE(infra) << infra.error().message;
  const std::string proc = fmt::format("/proc/{}", infra->pid);
  const std::string status = *read_file(proc + "/status");
  for (const char* wanted : {"CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "NSpid:"})
    EXPECT_NE(status.find(wanted), std::string::npos) << wanted;
  EXPECT_NE(status.find("Uid:\t65535\t65535\t65535\t65535"), std::string::npos);
  EXPECT_TRUE(list_dir(proc + "/root")->empty());
  EXPECT_EQ(list_dir(proc + "/fd")->size(), 3U);
  char exe[256] = {};
  ASSERT_GT(::readlink((proc + "/exe").c_str(), exe, sizeof exe - 1), 0);
  EXPECT_TRUE(std::string_view(exe).starts_with("/memfd:")) << exe;
  // Orphans of a container in its namespace are reaped by it.
  ASSERT_TRUE(
      run({.id = "c",
           .args = {"sh", "-c", "for i in 1 2 3 4 5; do sh -c 'sleep 0.05 & '; done; echo orphaned; exec sleep 1000"},
           .pid_namespace = proc + "/ns/pid"}));
  ASSERT_TRUE(poll_until(soon(), [&] { return log_content(log_text("c"), "stdout") == "orphaned\n"; }));
  EXPECT_TRUE(poll_until(soon(), [&] {
    const auto children = read_file(fmt::format("{}/task/{}/children", proc, infra->pid));
    return children && trim(*children).empty();
  }));
  EXPECT_TRUE(open_process(*infra));
}

TEST_F(MonitorTest, RestartedClientLearnsWhatHappenedMeanwhile) {
  const auto init = run({.id = "c", .args = {"sh", "-c", "cat; exit 9"}, .stdin_open = true});
  ASSERT_TRUE(init);
  ASSERT_TRUE(monitor_->close_stdin("c", soon()));
  monitor_.reset(); // the daemon is gone
  ASSERT_TRUE(poll_until(soon(), [&] { return exit_record("c").has_value(); }));
  auto again = reconnect("pod", later_events_);
  ASSERT_TRUE(again) << again.error().message;
  monitor_ = std::move(*again);
  EXPECT_EQ(monitor_->process(), monitors_.front());
  const auto list = monitor_->list(soon());
  ASSERT_TRUE(list);
  ASSERT_EQ(list->containers.size(), 1U);
  ASSERT_TRUE(list->containers[0].exit);
  EXPECT_EQ(list->containers[0].exit->exit_code, 9U);
  EXPECT_EQ(list->containers[0].pid, static_cast<std::uint64_t>(init->pid));
}

TEST_F(MonitorTest, IgnoresSigtermWhileAContainerRuns) {
  ASSERT_TRUE(run({.id = "c", .args = {"sleep", "1000"}}));
  ASSERT_EQ(::kill(monitors_.front().pid, SIGTERM), 0);
  ASSERT_TRUE(monitor_->list(soon()));
  EXPECT_EQ(monitor_->shutdown(soon()).error().code, Code::failed_precondition);
  EXPECT_EQ(monitor_->forget("c", soon()).error().code, Code::failed_precondition);
  ASSERT_TRUE(monitor_->signal("c", SIGKILL, soon()));
  const auto record = events_.wait_exit("c");
  ASSERT_TRUE(record);
  EXPECT_FALSE(record->oom_killed);
  ASSERT_TRUE(monitor_->forget("c", soon()));
  EXPECT_EQ(monitor_->list(soon())->containers.size(), 0U);
  ASSERT_EQ(::kill(monitors_.front().pid, SIGTERM), 0);
  EXPECT_TRUE(events_.wait_death());
  EXPECT_FALSE(exists(dir_ / "pod/monitor.sock"));
}

TEST_F(MonitorTest, DeathOfTheMonitorIsReported) {
  ASSERT_EQ(::kill(monitors_.front().pid, SIGKILL), 0);
  EXPECT_TRUE(events_.wait_death());
  EXPECT_EQ(monitor_->list(soon()).error().code, Code::unavailable);
}

TEST_F(MonitorTest, SecondMonitorInOneDirectoryIsRefused) {
  const auto second = start_monitor("pod", later_events_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::already_exists);
}

TEST_F(MonitorTest, IsNoChildOfItsStarterAndLeavesNothingOpen) {
  const ProcessId self = monitors_.front();
  const std::string stat = *read_file(fmt::format("/proc/{}/stat", self.pid));
  const auto fields = split_words(std::string_view(stat).substr(stat.rfind(')') + 1));
  EXPECT_NE(fields[1], std::to_string(::getpid()));
  EXPECT_NE(fields[3], std::to_string(::getsid(0)));
  const std::string pid_file = *read_file(dir_ / "pod/monitor.pid");
  EXPECT_EQ(pid_file, fmt::format("{} {}\n", self.pid, self.start_time));
  const auto fds = list_dir(fmt::format("/proc/{}/fd", self.pid));
  ASSERT_TRUE(fds);
  for (const std::string& fd : *fds) {
    char target[256] = {};
    static_cast<void>(!::readlink(fmt::format("/proc/{}/fd/{}", self.pid, fd).c_str(), target, sizeof target - 1));
    EXPECT_TRUE(std::string_view(target).find(KEELSON_TEST_MONITOR) == std::string_view::npos) << target;
  }
}

} // namespace
} // namespace keelson::cri
