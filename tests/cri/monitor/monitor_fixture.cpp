#include "tests/cri/monitor/monitor_fixture.hpp"

#include "base/file.hpp"
#include "base/process.hpp"
#include "base/text.hpp"
#include "tests/support/poll_until.hpp"
#include "tests/support/requirements.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

namespace keelson::cri {
namespace {

constexpr const char* kHierarchies[] = {"cpu",     "cpuacct", "cpuset", "memory",  "devices",
                                        "freezer", "blkio",   "pids",   "systemd", "unified"};

constexpr const char* kApplets[] = {"sh",   "cat",    "echo", "sleep",  "true", "false", "id",   "yes", "head",
                                    "seq",  "dd",     "stty", "ls",     "kill", "mkdir", "tr",   "env", "awk",
                                    "nice", "setsid", "test", "printf", "pwd",  "touch", "grep", "tail"};

std::string json_list(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) {
    std::string escaped;
    for (const char c : text) {
      if (c == '"' || c == '\\') escaped += '\\';
      escaped += c;
    }
    out += fmt::format("{}\"{}\"", out.empty() ? "" : ",", escaped);
  }
  return "[" + out + "]";
}

void make_rootfs(const std::string& root) {
  ASSERT_TRUE(make_dirs(root + "/bin", 0755));
  for (const char* name : {"proc", "dev", "sys", "tmp", "etc"}) ASSERT_TRUE(make_dirs(root + "/" + name, 0755));
  const auto busybox = read_file("/bin/busybox", std::size_t{16} << 20);
  ASSERT_TRUE(busybox);
  ASSERT_TRUE(write_file_atomic(root + "/bin/busybox", *busybox, 0755));
  for (const char* applet : kApplets) ASSERT_EQ(::symlink("busybox", (root + "/bin/" + applet).c_str()), 0) << applet;
}

// On unified cgroups every controller is in the one hierarchy.
std::string hierarchy_root(const std::string& controller) {
  return test::has_unified_cgroups() ? "/sys/fs/cgroup" : "/sys/fs/cgroup/" + controller;
}

} // namespace

bool is_running(const ProcessId& id) {
  const auto now = process_id_of(id.pid);
  const auto stat = read_file(fmt::format("/proc/{}/stat", id.pid));
  return now && *now == id && stat && stat->find(") Z ") == std::string::npos;
}

MonitorClient::Events EventLog::callbacks() {
  MonitorClient::Events events;
  events.container_exited = [this](const monitor::ContainerExited& event) {
    const std::lock_guard lock(mutex_);
    exits_.push_back(event);
    changed_.notify_all();
  };
  events.container_oom = [this](const monitor::ContainerOom& event) {
    const std::lock_guard lock(mutex_);
    ooms_.push_back(event);
    changed_.notify_all();
  };
  events.monitor_died = [this] {
    const std::lock_guard lock(mutex_);
    died_ = true;
    changed_.notify_all();
  };
  return events;
}

std::optional<monitor::ExitRecord> EventLog::wait_exit(const std::string& id, std::chrono::seconds patience) {
  std::unique_lock lock(mutex_);
  const auto find = [&] {
    return std::find_if(exits_.begin(), exits_.end(), [&](const auto& e) { return e.id == id; });
  };
  if (!changed_.wait_for(lock, patience, [&] { return find() != exits_.end(); })) return std::nullopt;
  return find()->record;
}

bool EventLog::wait_death() {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(10), [this] { return died_; });
}

bool EventLog::saw_oom(const std::string& id) {
  const std::lock_guard lock(mutex_);
  return std::any_of(ooms_.begin(), ooms_.end(), [&id](const auto& event) { return event.id == id; });
}

void MonitorTest::SetUp() {
  KEELSON_REQUIRE(test::is_root(), "monitors need root");
  KEELSON_REQUIRE(test::has_program("runc"), "runc is not installed");
  KEELSON_REQUIRE(exists("/bin/busybox"), "busybox-static is not installed");
  cgroup_parent_ = fmt::format("keelson-monitor-test-{}", ::getpid());
  for (const char* name : {"logs", "bundles", "runc", "pod"}) ASSERT_TRUE(make_dirs(dir_ / name, 0700));
  make_rootfs(dir_ / "rootfs");
  loop_thread_ = std::thread([this] { loop_.run(); });
  auto binary = MonitorBinary::load(KEELSON_TEST_MONITOR);
  ASSERT_TRUE(binary) << binary.error().message;
  binary_ = std::move(*binary);
  auto client = start_monitor("pod", events_);
  ASSERT_TRUE(client) << client.error().message;
  monitor_ = std::move(*client);
}

void MonitorTest::TearDown() {
  for (const std::string& id : containers_)
    static_cast<void>(check_output({"runc", "--root", dir_ / "runc", "delete", "-f", id}));
  if (monitor_) {
    for (const std::string& id : containers_)
      test::poll_until(Deadline::after(std::chrono::seconds(5)), [&] {
        const auto forgotten = monitor_->forget(id, soon());
        return forgotten || forgotten.error().code == Code::unavailable;
      });
    static_cast<void>(monitor_->shutdown(soon()));
    monitor_.reset();
  }
  for (const ProcessId& id : monitors_)
    EXPECT_TRUE(test::poll_until(Deadline::after(std::chrono::seconds(5)), [&] { return !is_running(id); }))
        << "monitor " << id.pid << " still runs";
  loop_.stop();
  if (loop_thread_.joinable()) loop_thread_.join();
  for (const char* hierarchy : kHierarchies) {
    const std::string path = fmt::format("{}/{}", hierarchy_root(hierarchy), cgroup_parent_);
    EXPECT_TRUE(test::poll_until(Deadline::after(std::chrono::seconds(5)), [&] {
      return ::rmdir(path.c_str()) == 0 || errno == ENOENT;
    })) << path;
    if (test::has_unified_cgroups()) break;
  }
}

Result<MonitorClient> MonitorTest::start_monitor(const std::string& name, EventLog& events) {
  MonitorClient::StartOptions options;
  options.binary_fd = binary_->fd();
  options.dir = dir_ / name;
  options.log_file = dir_ / "logs/monitor.txt";
  options.log_level = "info";
  TRY_ASSIGN(MonitorClient client, MonitorClient::start(options, loop_, events.callbacks(), soon()));
  monitors_.push_back(client.process());
  return client;
}

Result<MonitorClient> MonitorTest::reconnect(const std::string& name, EventLog& events) {
  return MonitorClient::connect(dir_ / name, loop_, events.callbacks(), soon());
}

std::string MonitorTest::bundle(const TestContainer& container) {
  const std::string path = dir_ / ("bundles/" + container.id);
  EXPECT_TRUE(make_dirs(path, 0700));
  const std::string capabilities = R"(["CAP_CHOWN","CAP_KILL","CAP_SETUID","CAP_SETGID","CAP_SYS_CHROOT"])";
  const std::string memory = container.memory_limit == 0
                                 ? std::string()
                                 : fmt::format(R"(,"memory":{{"limit":{0},"swap":{0}}})", container.memory_limit);
  const std::string pid_namespace =
      container.pid_namespace.empty() ? "" : fmt::format(R"(,"path":"{}")", container.pid_namespace);
  const std::string config = fmt::format(
      R"({{"ociVersion":"1.0.2","process":{{"terminal":{0},"user":{{"uid":0,"gid":0}},"args":{1},"env":["PATH=/bin"],"cwd":"/",)"
      R"("capabilities":{{"bounding":{2},"effective":{2},"permitted":{2}}},"noNewPrivileges":true,"oomScoreAdj":0}},)"
      R"("root":{{"path":"{3}","readonly":false}},"hostname":"{4}",)"
      R"("mounts":[{{"destination":"/proc","type":"proc","source":"proc"}},)"
      R"({{"destination":"/dev","type":"tmpfs","source":"tmpfs","options":["nosuid","mode=755","size=65536k"]}},)"
      R"({{"destination":"/dev/pts","type":"devpts","source":"devpts","options":["newinstance","ptmxmode=0666","mode=0620"]}}],)"
      R"("linux":{{"cgroupsPath":"/{5}/{4}","resources":{{"devices":[{{"allow":true,"access":"rwm"}}]{6}}},)"
      R"("namespaces":[{{"type":"pid"{7}}},{{"type":"mount"}},{{"type":"ipc"}},{{"type":"uts"}},{{"type":"network"}}]}}}})",
      container.tty, json_list(container.args), capabilities, dir_ / "rootfs", container.id, cgroup_parent_, memory,
      pid_namespace);
  EXPECT_TRUE(write_file_atomic(path + "/config.json", config));
  return path;
}

monitor::CreateRequest MonitorTest::create_request(const TestContainer& container) {
  monitor::CreateRequest request;
  request.id = container.id;
  request.bundle = bundle(container);
  request.pid_file = request.bundle + "/pid";
  request.runtime_log = request.bundle + "/runc.log";
  request.argv = {"runc", "--root", dir_ / "runc", "--log",        request.runtime_log, "--log-format",
                  "json", "create", "--bundle",    request.bundle, "--pid-file",        request.pid_file};
  if (container.tty) {
    request.console_socket = dir_ / "console.sock";
    request.argv.insert(request.argv.end(), {"--console-socket", request.console_socket});
  }
  request.argv.push_back(container.id);
  request.env = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
  request.log_path = container.log_path.empty() ? log_path(container.id) : container.log_path;
  request.log_max_size = container.log_max_size;
  request.log_max_files = container.log_max_files;
  request.exit_record = dir_ / ("logs/" + container.id + ".exit");
  request.memory_events =
      cgroup("memory", container.id) + (test::has_unified_cgroups() ? "/memory.events" : "/memory.oom_control");
  request.tty = container.tty;
  request.stdin_open = container.stdin_open;
  request.timeout_ms = 20000;
  return request;
}

Result<ProcessId> MonitorTest::create(const TestContainer& container) {
  containers_.push_back(container.id);
  return monitor_->create(create_request(container), soon());
}

Result<> MonitorTest::start(const std::string& id) {
  TRY(check_output({"runc", "--root", dir_ / "runc", "start", id}));
  return {};
}

Result<ProcessId> MonitorTest::run(const TestContainer& container) {
  TRY_ASSIGN(const ProcessId init, create(container));
  TRY(start(container.id));
  return init;
}

monitor::ExecRequest MonitorTest::exec_request(const std::string& id, std::vector<std::string> argv) {
  monitor::ExecRequest request;
  request.id = id;
  request.argv = std::move(argv);
  request.env = {"PATH=/bin", "HOME=/"};
  for (const char* hierarchy : kHierarchies) {
    const std::string path = cgroup(hierarchy, id);
    if (std::string_view(hierarchy) == "freezer")
      request.tracking_cgroup = path;
    else if (exists(path) && !test::has_unified_cgroups())
      request.cgroup_procs.push_back(path + "/cgroup.procs");
  }
  request.timeout_ms = 20000;
  return request;
}

std::string MonitorTest::log_text(const std::string& id) const {
  return read_file(log_path(id), std::size_t{64} << 20).value_or("");
}

std::string MonitorTest::cgroup(const std::string& controller, const std::string& id) const {
  return fmt::format("{}/{}/{}", hierarchy_root(controller), cgroup_parent_, id);
}

std::optional<monitor::ExitRecord> MonitorTest::exit_record(const std::string& id) const {
  const auto text = read_file(dir_ / ("logs/" + id + ".exit"));
  if (!text) return std::nullopt;
  const auto record = monitor::parse_exit_record(*text);
  return record ? std::optional(*record) : std::nullopt;
}

std::vector<std::string> log_lines(const std::string& text) {
  std::vector<std::string> lines;
  for (const std::string_view line : split(text, '\n'))
    if (!line.empty()) lines.emplace_back(line);
  return lines;
}

std::string log_content(const std::string& text, const std::string& stream) {
  std::string content;
  for (const std::string& line : log_lines(text)) {
    constexpr std::size_t kStamp = 31; // with the space behind it
    constexpr std::size_t kHead = kStamp + 9;
    if (line.size() < kHead || line.compare(kStamp, 6, stream) != 0) continue;
    content += line.substr(kHead);
    if (line[kStamp + 7] == 'F') content += '\n';
  }
  return content;
}

} // namespace keelson::cri
