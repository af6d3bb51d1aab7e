#include "base/file.hpp"
#include "base/text.hpp"
#include "base/unix_socket.hpp"
#include "cri/monitor/frame_socket.hpp"
#include "tests/cri/monitor/monitor_fixture.hpp"
#include "tests/support/poll_until.hpp"
#include "tests/support/requirements.hpp"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <atomic>
#include <csignal>
#include <cstddef>

namespace keelson::cri {
namespace {

using test::poll_until;

class MonitorExec : public MonitorTest {
 protected:
  void SetUp() override {
    MonitorTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    const auto init = run({.id = "c", .args = {"sleep", "100000"}});
    ASSERT_TRUE(init) << init.error().message;
    init_ = *init;
  }

  std::string output(const monitor::ExecRequest& request) {
    const auto result = monitor_->exec_sync(request);
    if (!result) return "error: " + result.error().message;
    return result->out + result->err;
  }

  std::vector<std::string> processes_of_container() {
    const auto procs = read_file(cgroup("pids", "c") + "/cgroup.procs");
    std::vector<std::string> pids;
    if (procs)
      for (const std::string_view pid : split_words(*procs)) pids.emplace_back(pid);
    return pids;
  }

  ProcessId monitor_process() const { return monitors_.front(); }
  std::size_t monitor_fds() const { return list_dir(fmt::format("/proc/{}/fd", monitor_process().pid))->size(); }

  // Kilobytes of memory that only this process has. A sanitizer's own come on top: nothing can be said then.
  std::int64_t monitor_memory() const {
#ifdef KEELSON_SANITIZED
    return 0;
#endif
    const std::string text = read_file(fmt::format("/proc/{}/smaps_rollup", monitor_process().pid)).value_or("");
    for (const std::string_view line : split(text, '\n'))
      if (line.starts_with("Anonymous:")) return parse_int<std::int64_t>(split_words(line)[1]).value_or(-1);
    return -1;
  }

  ProcessId init_;
};

std::string field(const std::string& status, std::string_view name) {
  for (const std::string_view line : split(status, '\n')) {
    if (!line.starts_with(name)) continue;
    const auto words = split_words(line);
    return join({words.begin() + 1, words.end()}, " ");
  }
  return "absent";
}

TEST_F(MonitorExec, ReturnsOutputAndExitCode) {
  const auto result = monitor_->exec_sync(exec_request("c", {"sh", "-c", "echo out; echo err >&2; exit 3"}));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->exit_code, 3);
  EXPECT_EQ(result->out, "out\n");
  EXPECT_EQ(result->err, "err\n");
  EXPECT_FALSE(result->timed_out);
}

TEST_F(MonitorExec, SharesEveryNamespaceAndCgroupOfTheContainer) {
  for (const char* name : {"pid", "mnt", "ipc", "uts", "net"}) {
    char of_init[64] = {};
    ASSERT_GT(::readlink(fmt::format("/proc/{}/ns/{}", init_.pid, name).c_str(), of_init, sizeof of_init - 1), 0);
    const std::string program = fmt::format("ls -l /proc/self/ns/{}", name);
    EXPECT_NE(output(exec_request("c", {"sh", "-c", program})).find(of_init), std::string::npos) << name;
  }
  auto handle = monitor_->exec(exec_request("c", {"sleep", "1000"}), {}, soon());
  ASSERT_TRUE(handle);
  const std::string wanted = *read_file(fmt::format("/proc/{}/cgroup", init_.pid));
  const std::string got = *read_file(fmt::format("/proc/{}/cgroup", handle->pid()));
  for (const std::string_view line : split(wanted, '\n')) {
    const bool tracked = line.find(":freezer:") != std::string_view::npos || test::has_unified_cgroups();
    EXPECT_NE(got.find(tracked ? std::string(line) + "/keelson-exec-" : std::string(line) + "\n"), std::string::npos)
        << line << " in " << got;
  }
}

TEST_F(MonitorExec, RunsAsTheUserGroupsCapabilitiesAndLimitsThatWereAsked) {
  auto request = exec_request("c", {"cat", "/proc/self/status", "/proc/self/limits", "/proc/self/oom_score_adj"});
  request.uid = 1000;
  request.gid = 1001;
  request.groups = {2000, 3000};
  request.umask = 027;
  request.no_new_privileges = true;
  constexpr std::uint64_t kChown = 1 << 0;
  constexpr std::uint64_t kKill = 1 << 5;
  request.capabilities = {kChown | kKill, kKill, kKill, kKill, kKill};
  request.rlimits = {{RLIMIT_NOFILE, 100, 200}};
  request.oom_score_adj = 700;
  const std::string status = output(request);
  EXPECT_EQ(field(status, "Uid:"), "1000 1000 1000 1000");
  EXPECT_EQ(field(status, "Gid:"), "1001 1001 1001 1001");
  EXPECT_EQ(field(status, "Groups:"), "2000 3000");
  EXPECT_EQ(field(status, "Umask:"), "0027");
  EXPECT_EQ(field(status, "NoNewPrivs:"), "1");
  EXPECT_EQ(field(status, "CapBnd:"), "0000000000000021");
  for (const char* set : {"CapEff:", "CapPrm:", "CapInh:", "CapAmb:"})
    EXPECT_EQ(field(status, set), "0000000000000020") << set;
  EXPECT_EQ(field(status, "Max open files"), "open files 100 200 files");
  EXPECT_TRUE(status.ends_with("\n700\n")) << status;
}

TEST_F(MonitorExec, RootWithoutCapabilitiesHasNone) {
  const std::string status = output(exec_request("c", {"cat", "/proc/self/status"}));
  for (const char* set : {"CapEff:", "CapPrm:", "CapInh:", "CapAmb:", "CapBnd:"})
    EXPECT_EQ(field(status, set), "0000000000000000") << set;
  EXPECT_EQ(field(status, "Groups:"), "");
}

// mkdir fails with EPERM, all else is allowed.
std::string no_mkdir_filter() {
  const sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mkdir, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  return {reinterpret_cast<const char*>(program), sizeof program};
}

TEST_F(MonitorExec, SeccompFilterHoldsWithAndWithoutNoNewPrivileges) {
  for (const bool no_new_privileges : {true, false}) {
    auto request = exec_request("c", {"sh", "-c", "mkdir /tmp/x || cat /proc/self/status"});
    request.no_new_privileges = no_new_privileges;
    request.uid = 1000;
    request.seccomp = no_mkdir_filter();
    const std::string status = output(request);
    EXPECT_EQ(field(status, "Seccomp:"), "2") << status;
    EXPECT_EQ(field(status, "NoNewPrivs:"), no_new_privileges ? "1" : "0");
    EXPECT_EQ(field(status, "CapEff:"), "0000000000000000");
  }
}

TEST_F(MonitorExec, HasOnlyThreeDescriptors) {
  // No pipe in the command: the shell would hold its ends for a moment.
  EXPECT_EQ(output(exec_request("c", {"sh", "-c", "ls /proc/$$/fd; true"})), "0\n1\n2\n");
  for (int fd = 3; fd <= 64; ++fd) {
    auto request = exec_request("c", {"pwd"});
    request.cwd = fmt::format("/proc/self/fd/{}", fd);
    EXPECT_FALSE(monitor_->exec_sync(request)) << request.cwd;
  }
}

TEST_F(MonitorExec, StartFailuresSayWhat) {
  const auto missing = monitor_->exec_sync(exec_request("c", {"no-such-program"}));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::not_found);
  EXPECT_EQ(missing.error().message, "exec: \"no-such-program\": executable file not found in $PATH");
  const auto forbidden = monitor_->exec_sync(exec_request("c", {"/etc"}));
  ASSERT_FALSE(forbidden);
  EXPECT_EQ(forbidden.error().code, Code::permission_denied);
  auto request = exec_request("c", {"pwd"});
  request.cwd = "/nowhere";
  EXPECT_EQ(monitor_->exec_sync(request).error().sys_errno, ENOENT);
  request.cwd = "/";
  request.uid = std::uint64_t{1} << 32;
  EXPECT_EQ(monitor_->exec_sync(request).error().code, Code::invalid_argument);
  request = exec_request("gone", {"pwd"});
  EXPECT_EQ(monitor_->exec_sync(request).error().code, Code::failed_precondition);
}

TEST_F(MonitorExec, TimeoutLeavesNoProcessOfAForkingTree) {
  const std::size_t before = processes_of_container().size();
  auto request = exec_request("c", {"sh", "-c",
                                    "for i in 1 2 3; do setsid sh -c 'sleep 1000 & sleep 1000' & done;"
                                    "(setsid sh -c 'while :; do sleep 0.01 & done' &) ; echo started; sleep 1000"});
  request.timeout_ms = 700;
  const auto result = monitor_->exec_sync(request);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_TRUE(result->timed_out);
  EXPECT_EQ(result->out, "started\n");
  // Zombies of a container's init that does not reap (sleep) keep no cgroup.procs entry of a live process.
  EXPECT_TRUE(poll_until(soon(), [&] {
    std::size_t alive = 0;
    for (const std::string& pid : processes_of_container()) {
      const auto stat = read_file(fmt::format("/proc/{}/stat", pid));
      alive += stat && stat->find(") Z ") == std::string::npos ? 1 : 0;
    }
    return alive == before;
  }));
  EXPECT_TRUE(open_process(init_));
}

TEST_F(MonitorExec, TimeoutWithoutATrackingCgroupKillsTheSession) {
  auto request = exec_request("c", {"sh", "-c", "sleep 1000 & sh -c 'sleep 1000 & sleep 1000' & sleep 1000"});
  request.cgroup_procs.push_back(request.tracking_cgroup + "/cgroup.procs"); // on v2 the only one
  request.tracking_cgroup.clear();
  request.timeout_ms = 300;
  const auto result = monitor_->exec_sync(request);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_TRUE(result->timed_out);
  EXPECT_TRUE(poll_until(soon(), [&] {
    std::size_t alive = 0;
    for (const std::string& pid : processes_of_container()) {
      const auto stat = read_file(fmt::format("/proc/{}/stat", pid));
      alive += stat && stat->find(") Z ") == std::string::npos ? 1 : 0;
    }
    return alive == 1;
  }));
}

TEST_F(MonitorExec, BackgroundProcessOfAFinishedExecStaysInTheContainer) {
  const auto result =
      monitor_->exec_sync(exec_request("c", {"sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & echo done"}));
  ASSERT_TRUE(result);
  EXPECT_EQ(result->out, "done\n");
  EXPECT_TRUE(poll_until(soon(), [&] {
    const auto entries = list_dir(cgroup("freezer", "c"));
    return entries && std::none_of(entries->begin(), entries->end(),
                                   [](const auto& name) { return name.starts_with("keelson-exec"); });
  }));
  EXPECT_EQ(processes_of_container().size(), 2U);
}

TEST_F(MonitorExec, EndlessOutputIsCutAndTheWriterNeverBlocks) {
  auto request = exec_request("c", {"sh", "-c", "yes | head -c 10000000; echo finished >&2"});
  const auto result = monitor_->exec_sync(request, std::size_t{1} << 20);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->out.size(), std::size_t{1} << 20);
  EXPECT_EQ(result->err, "finished\n");
}

TEST_F(MonitorExec, TerminalIsTheContainersOwn) {
  auto request = exec_request("c", {"sh", "-c", "stty size; read line; echo got $line; exit 4"});
  request.tty = true;
  request.rows = 33;
  request.columns = 99;
  auto handle = monitor_->exec(request, {}, soon());
  ASSERT_TRUE(handle) << handle.error().message;
  ASSERT_GE(handle->terminal(), 0);
  ASSERT_TRUE(write_all(handle->terminal(), "word\n"));
  std::string seen;
  char buffer[256];
  for (;;) {
    const ssize_t got = ::read(handle->terminal(), buffer, sizeof buffer);
    if (got <= 0) break; // EIO at its end
    seen.append(buffer, static_cast<std::size_t>(got));
  }
  EXPECT_NE(seen.find("33 99\r\n"), std::string::npos) << seen;
  EXPECT_NE(seen.find("got word\r\n"), std::string::npos) << seen;
  const auto exited = handle->wait(soon());
  ASSERT_TRUE(exited);
  EXPECT_EQ(exited->exit_code, 4U);
}

TEST_F(MonitorExec, HandleSignalsAndWaits) {
  auto handle = monitor_->exec(exec_request("c", {"sleep", "1000"}), {}, soon());
  ASSERT_TRUE(handle) << handle.error().message;
  EXPECT_EQ(handle->wait(Deadline::after(std::chrono::milliseconds(10))).error().code, Code::deadline_exceeded);
  ASSERT_TRUE(handle->signal(SIGTERM));
  const auto exited = handle->wait(soon());
  ASSERT_TRUE(exited) << exited.error().message;
  EXPECT_EQ(exited->exit_code, 143U);
}

TEST_F(MonitorExec, EndsWithTheClientThatAsked) {
  pid_t pid = 0;
  {
    auto handle = monitor_->exec(exec_request("c", {"sh", "-c", "sleep 1000 & sleep 1000"}), {}, soon());
    ASSERT_TRUE(handle);
    pid = handle->pid();
  }
  EXPECT_TRUE(poll_until(soon(), [&] { return !process_id_of(pid); }));
  EXPECT_TRUE(poll_until(soon(), [&] { return monitor_->list(soon())->execs == 0; }));
}

TEST_F(MonitorExec, ClientKilledInTheMiddleLeavesTheMonitorAndNoExec) {
  const pid_t client = ::fork();
  if (client == 0) {
    auto socket = monitor::FrameSocket::connect(dir_ / "pod/monitor.sock");
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    const auto request = exec_request("c", {"sleep", "1000"});
    const auto reply =
        socket->call_with_fds(monitor::Type::exec, request, {null, null, null}, monitor::Type::exec_started, soon());
    if (reply) ::kill(::getpid(), SIGKILL);
    ::_exit(1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(client, &status, 0), client);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_TRUE(poll_until(soon(), [&] { return monitor_->list(soon())->execs == 0; }));
  EXPECT_TRUE(open_process(monitor_process()));
}

TEST_F(MonitorExec, EndsWithTheMonitor) {
  auto handle = monitor_->exec(exec_request("c", {"sleep", "1000"}), {}, soon());
  ASSERT_TRUE(handle);
  const auto process = process_id_of(handle->pid());
  ASSERT_TRUE(process);
  ASSERT_EQ(::kill(monitor_process().pid, SIGKILL), 0);
  EXPECT_EQ(handle->wait(soon()).error().code, Code::unavailable);
  EXPECT_TRUE(poll_until(soon(), [&] { return !is_running(*process); }));
}

TEST_F(MonitorExec, StuckClientAndGarbageHurtNobody) {
  const auto stuck = connect_unix(dir_ / "pod/monitor.sock", 0);
  ASSERT_TRUE(stuck);
  const std::string list = *monitor::encode_frame(monitor::Type::list, 1, monitor::Empty{});
  for (int i = 0; i < 50000; ++i) { // never reads an answer
    const ssize_t sent = ::send(stuck->get(), list.data(), list.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) break;
  }
  const std::string garbage[] = {std::string(100, '\xff'), std::string("\x04\0\0\0\x03\0\0\0\x01\0\0\0garb", 16),
                                 std::string(11, '\0'), std::string("\0\0\0\0\x04\0\x03\0\x01\0\0\0", 12)};
  for (const std::string& bytes : garbage) {
    const auto socket = connect_unix(dir_ / "pod/monitor.sock", 0);
    ASSERT_TRUE(socket);
    ASSERT_TRUE(write_all(socket->get(), bytes));
    ASSERT_TRUE(monitor_->list(soon()));
  }
  EXPECT_EQ(output(exec_request("c", {"echo", "fine"})), "fine\n");
}

TEST_F(MonitorExec, UnknownRequestIsUnimplemented) {
  auto socket = monitor::FrameSocket::connect(dir_ / "pod/monitor.sock");
  ASSERT_TRUE(socket);
  const auto reply =
      socket->call<monitor::Empty>(static_cast<monitor::Type>(999), monitor::Empty{}, monitor::Type::done, soon());
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, Code::unimplemented);
}

TEST_F(MonitorExec, ThousandExecsLeaveDescriptorsAndMemoryFlat) {
  for (int i = 0; i < 20; ++i) ASSERT_EQ(output(exec_request("c", {"true"})), "");
  const std::size_t fds = monitor_fds(); // one more than at rest if the last exec is still being closed
  const std::int64_t memory = monitor_memory();
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(output(exec_request("c", {"true"})), "") << i;
  EXPECT_TRUE(poll_until(soon(), [&] { return monitor_fds() <= fds; })) << monitor_fds() << " against " << fds;
  EXPECT_LE(monitor_memory(), memory + 16);
  // The last one's cgroup goes a moment after its exit was told.
  EXPECT_TRUE(poll_until(soon(), [&] {
    const auto leftovers = list_dir(cgroup("freezer", "c"));
    return leftovers && std::none_of(leftovers->begin(), leftovers->end(),
                                     [](const auto& name) { return name.starts_with("keelson-exec"); });
  }));
}

TEST_F(MonitorExec, TenThousandFailedTerminalExecsLeaveEverythingFlat) {
  auto request = exec_request("c", {"no-such-program"});
  request.tty = true;
  request.cgroup_procs.clear(); // thousands of moves between v1 cgroups would test the kernel's patience
  request.tracking_cgroup.clear();
  for (int i = 0; i < 20; ++i) ASSERT_FALSE(monitor_->exec(request, {}, soon()));
  const std::size_t fds = monitor_fds();
  const std::int64_t memory = monitor_memory();
  std::atomic<int> failed = 0;
  std::vector<std::thread> clients;
  for (int client = 0; client < 4; ++client)
    clients.emplace_back([&] {
      for (int i = 0; i < 2500; ++i) {
        const auto handle = monitor_->exec(request, {}, soon());
        if (!handle && handle.error().code == Code::not_found)
          ++failed;
        else
          ADD_FAILURE() << (handle ? "it ran" : handle.error().message);
      }
    });
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(failed, 10000);
  EXPECT_TRUE(poll_until(soon(), [&] { return monitor_fds() <= fds; })) << monitor_fds() << " against " << fds;
  EXPECT_LE(monitor_memory(), memory + 64); // KiB; four connections at once, where there was one before
  EXPECT_TRUE(poll_until(soon(), [&] { return monitor_->list(soon())->execs == 0; }));
}

std::string sha256_of(const std::string& path) {
  return check_output({"sha256sum", path}).value_or("?").substr(0, 64);
}

// CVE-2019-5736: a container whose programs overwrite whatever executes them.
TEST_F(MonitorExec, ContainerCannotWriteTheMonitorsProgram) {
  const std::string before = sha256_of(KEELSON_TEST_MONITOR);
  const std::string running = fmt::format("/proc/{}/exe", monitor_process().pid);
  const std::string before_running = sha256_of(running);
  // The script's interpreter is /proc/self/exe: what a careless exec resolves to the monitor itself.
  ASSERT_TRUE(write_file_atomic(dir_ / "rootfs/bin/trap", "#!/proc/self/exe\n", 0755));
  auto request = exec_request("c", {"/bin/trap"});
  request.capabilities.bounding = request.capabilities.effective = request.capabilities.permitted = ~std::uint64_t{0};
  static_cast<void>(monitor_->exec_sync(request));
  auto attack = exec_request("c", {"sh", "-c",
                                   "i=0; while [ $i -lt 40 ]; do i=$((i+1)); for p in /proc/[0-9]*; do (echo "
                                   "overwritten > $p/exe) 2>/dev/null; done; done; echo over"});
  attack.capabilities = request.capabilities;
  auto attacker = monitor_->exec(attack, {}, soon());
  ASSERT_TRUE(attacker);
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(monitor_->exec_sync(exec_request("c", {"true"}))) << i;
  ASSERT_TRUE(attacker->wait(soon()));
  EXPECT_EQ(sha256_of(KEELSON_TEST_MONITOR), before);
  EXPECT_EQ(sha256_of(running), before_running);
}

TEST_F(MonitorExec, NoZombieStays) {
  for (int i = 0; i < 10; ++i) ASSERT_EQ(output(exec_request("c", {"sh", "-c", "sleep 0.01 & true"})), "");
  EXPECT_TRUE(poll_until(soon(), [&] {
    const auto children = read_file(fmt::format("/proc/{0}/task/{0}/children", monitor_process().pid));
    return children && split_words(*children).size() == 1; // the container's init
  }));
}

} // namespace
} // namespace keelson::cri
