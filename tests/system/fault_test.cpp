// What goes wrong on a node: full and read-only disks, missing programs, damaged records, dead monitors, a runtime that
// hangs. Each gives a clear message and loses nothing else.
#include "base/file.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "tests/system/node_fixture.hpp"

#include <gmock/gmock.h>
#include <sys/mount.h>

#include <csignal>

namespace keelson::test {

namespace {

using testing::AnyOf;
using testing::HasSubstr;

constexpr int kDeadlineExceeded = 4;

// A small file system, unmounted at the end.
class SmallDisk {
 public:
  explicit SmallDisk(const char* options) {
    mounted_ = ::mount("small", dir_.path().c_str(), "tmpfs", 0, options) == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(dir_.path().c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  const std::string& path() const { return dir_.path(); }
  // Fills it to the last byte; remove the file to have room again.
  std::string fill() const {
    const std::string file = path() + "/ballast";
    shell("dd if=/dev/zero of=" + file + " bs=64k 2>/dev/null; dd if=/dev/zero of=" + file +
          ".2 bs=1 count=100000 2>/dev/null");
    return file;
  }
  void free() const { shell("rm -f " + path() + "/ballast*"); }

 private:
  TempDir dir_{"disk"};
  bool mounted_ = false;
};

class Faults : public OwnNodeTest {
 protected:
  // Why a daemon with these options does not start.
  std::string refusal(NodeOptions options) {
    Node broken(std::move(options));
    const auto started = broken.start();
    return started ? "<it started>" : started.error().message;
  }
};

TEST_F(Faults, AFullStateDirectoryIsToldAndRoomMendsIt) {
  SmallDisk disk("size=16m");
  ASSERT_TRUE(disk.mounted());
  start_node({.state = disk.path() + "/state"});
  if (HasFatalFailure()) return;
  const std::string pod = user_->run_pod("before");
  const std::string id = user_->run(pod, "c", "sleep 1000");
  disk.fill();
  auto reply = own_->call("RunPodSandbox", {{"config", pod_config("full")}});
  EXPECT_FALSE(reply.ok());
  EXPECT_THAT(reply.message, HasSubstr("No space left"));
  reply = own_->call("CreateContainer", {{"pod_sandbox_id", pod}, {"config", container_config("full", "true")}});
  EXPECT_THAT(reply.message, HasSubstr("No space left"));
  EXPECT_EQ(user_->exec(id, {"echo", "alive"}).out, "alive\n");
  disk.free();
  EXPECT_EQ(user_->output(pod, "echo again"), "again\n");
  disk.fill();
  // Ending pods is how a full disk gets room: it works, if at the second try.
  (void)own_->call("StopPodSandbox", {{"pod_sandbox_id", pod}});
  user_->ok("StopPodSandbox", {{"pod_sandbox_id", pod}});
  user_->ok("RemovePodSandbox", {{"pod_sandbox_id", pod}});
  disk.free();
  EXPECT_EQ(join(own_->remains(), "\n"), "");
}

TEST_F(Faults, AFullRootIsToldAndRoomMendsIt) {
  SmallDisk disk("size=24m");
  ASSERT_TRUE(disk.mounted());
  start_node({.root = disk.path() + "/root"});
  if (HasFatalFailure()) return;
  const std::string pod = user_->run_pod("before");
  disk.fill();
  auto reply = own_->call("PullImage", {{"image", {{"image", kConfigured}}}});
  EXPECT_FALSE(reply.ok());
  EXPECT_THAT(reply.message, AnyOf(HasSubstr("No space left"), HasSubstr("remove images")));
  reply = own_->call("CreateContainer", {{"pod_sandbox_id", pod}, {"config", container_config("full", "true")}});
  EXPECT_FALSE(reply.ok());
  disk.free();
  user_->pull(kConfigured);
  EXPECT_EQ(user_->output(pod, "echo again"), "again\n");
}

TEST_F(Faults, ReadOnlyDirectoriesAreNamed) {
  for (const bool state : {true, false}) {
    SmallDisk disk("size=1m");
    ASSERT_TRUE(disk.mounted());
    ASSERT_EQ(::mount(nullptr, disk.path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0);
    const std::string why = refusal(state ? NodeOptions{.state = disk.path()} : NodeOptions{.root = disk.path()});
    EXPECT_THAT(why, HasSubstr(disk.path()));
    EXPECT_THAT(why, HasSubstr("Read-only file system"));
  }
}

TEST_F(Faults, AMissingRuntimeIsNamed) {
  const std::string why = refusal({.yaml = "{runtime: {handlers: [{name: runc, path: /nowhere/runc}]}}"});
  EXPECT_THAT(why, HasSubstr("/nowhere/runc"));
  EXPECT_THAT(why, HasSubstr("install"));
}

TEST_F(Faults, AMissingSecondRuntimeCostsOnlyItsHandler) {
  start_node({.yaml = "{runtime: {handlers: [{name: runc, path: runc}, {name: kata, path: /nowhere/kata}]}}"});
  if (HasFatalFailure()) return;
  EXPECT_EQ(user_->output(user_->run_pod("plain"), "echo runs"), "runs\n");
  const auto reply = own_->call("RunPodSandbox", {{"config", pod_config("kata")}, {"runtime_handler", "kata"}});
  EXPECT_THAT(reply.message, HasSubstr("kata"));
}

TEST_F(Faults, MissingIptablesIsNamed) {
  const std::string why = refusal({.yaml = "{network: {iptables: {restore4: /nowhere/iptables-restore}}}"});
  EXPECT_THAT(why, HasSubstr("iptables-restore"));
  EXPECT_THAT(why, HasSubstr("install"));
}

TEST_F(Faults, TheSocketsGroupMustExist) {
  EXPECT_THAT(refusal({.yaml = "{cri: {group: no-such-group}}"}), HasSubstr("no-such-group"));
  start_node({.yaml = "{cri: {group: '54321'}}"});
  if (HasFatalFailure()) return;
  EXPECT_EQ(shell("stat -c '%a %g' " + own_->socket()), "660 54321\n");
}

TEST_F(Faults, ASecondDaemonOnTheSameStateIsRefused) {
  start_node();
  if (HasFatalFailure()) return;
  Node second({.root = own_->root(), .state = own_->state()});
  ASSERT_TRUE(second.launch());
  const auto end = second.wait_end();
  ASSERT_TRUE(end) << end.error().message;
  EXPECT_NE(end->code(), 0);
  const std::string why = second.log();
  EXPECT_THAT(why, HasSubstr("another keelsond"));
  EXPECT_THAT(why, HasSubstr(own_->state()));
  user_->ok("Version"); // the first one goes on
}

TEST_F(Faults, DamagedRecordsCostOnlyTheirOwner) {
  start_node();
  if (HasFatalFailure()) return;
  const std::string good = user_->run_pod("good");
  const std::string id = user_->run(good, "c", "sleep 1000");
  const std::string truncated = user_->run(good, "truncated", "sleep 1000");
  const std::string garbled = user_->run_pod("garbled");
  const std::string inner = user_->run(garbled, "inner", "sleep 1000");
  const pid_t pid = user_->pid_of(id);
  const std::string containers = own_->state() + "/containers/";
  ASSERT_TRUE(own_->kill9());
  const std::string record = read_file(containers + truncated + "/record").value_or("");
  ASSERT_TRUE(write_file_atomic(containers + truncated + "/record", record.substr(0, record.size() / 2)));
  ASSERT_TRUE(write_file_atomic(own_->state() + "/sandboxes/" + garbled + "/record", std::string(1000, '\xf0')));
  ASSERT_TRUE(make_dirs(containers + "stray", 0700));
  const auto started = own_->start();
  ASSERT_TRUE(started) << started.error().message;
  EXPECT_EQ(user_->pid_of(id), pid);
  EXPECT_EQ(user_->ok("ListContainers").at("containers").as_array().size(), 1U);
  EXPECT_EQ(user_->ok("ListPodSandbox").at("items").as_array().size(), 1U);
  for (const std::string& gone : {truncated, inner, garbled}) {
    EXPECT_EQ(cgroups_with(own_->cgroup_parent(), gone), std::vector<std::string>{}) << gone;
    EXPECT_FALSE(exists(containers + gone));
  }
  EXPECT_THAT(own_->log(), HasSubstr(garbled));
}

TEST_F(Faults, ADeadMonitorHurtsItsPodOnly) {
  start_node();
  if (HasFatalFailure()) return;
  const std::string hurt = user_->run_pod("hurt");
  const std::string victim = user_->run(hurt, "victim", "sleep 1000");
  const std::string other = user_->run(user_->run_pod("other"), "other", "sleep 1000");
  const pid_t pid = user_->pid_of(victim);
  const auto monitor = static_cast<pid_t>(number(user_->pod_info(hurt), "/monitorPid"));
  ASSERT_GT(monitor, 1);
  ASSERT_EQ(::kill(monitor, SIGKILL), 0);
  EXPECT_TRUE(eventually([&] {
    return text(user_->ok("PodSandboxStatus", {{"pod_sandbox_id", hurt}}), "/status/state") == "SANDBOX_NOTREADY";
  }));
  const auto status = user_->status(victim);
  EXPECT_EQ(text(status, "/state"), "CONTAINER_EXITED");
  EXPECT_EQ(number(status, "/exit_code"), 255);
  // Nothing is left of it, but for what its new parent has to reap.
  EXPECT_TRUE(eventually([&] { return link_of(pid, "exe").starts_with("<"); })) << link_of(pid, "exe");
  EXPECT_EQ(user_->exec(other, {"echo", "unhurt"}).out, "unhurt\n");
}

TEST_F(Faults, AMonitorThatDiesWhileTheDaemonIsAwayIsFound) {
  start_node();
  if (HasFatalFailure()) return;
  const std::string hurt = user_->run_pod("hurt");
  const std::string victim = user_->run(hurt, "victim", "sleep 1000");
  const auto monitor = static_cast<pid_t>(number(user_->pod_info(hurt), "/monitorPid"));
  ASSERT_TRUE(own_->kill9());
  ASSERT_EQ(::kill(monitor, SIGKILL), 0);
  ASSERT_TRUE(own_->start());
  EXPECT_EQ(text(user_->ok("PodSandboxStatus", {{"pod_sandbox_id", hurt}}), "/status/state"), "SANDBOX_NOTREADY");
  EXPECT_EQ(number(user_->status(victim), "/exit_code"), 255);
}

TEST_F(Faults, AMonitorThatHangsKeepsNoDaemonFromStarting) {
  start_node();
  if (HasFatalFailure()) return;
  const std::string hung = user_->run_pod("hung");
  const std::string id = user_->run(hung, "c", "sleep 1000");
  const std::string other = user_->run(user_->run_pod("other"), "c", "sleep 1000");
  const pid_t init = user_->pid_of(id);
  const auto monitor = static_cast<pid_t>(number(user_->pod_info(hung), "/monitorPid"));
  ASSERT_EQ(::kill(monitor, SIGSTOP), 0);
  ASSERT_TRUE(own_->kill9());
  const auto started = own_->start();
  ASSERT_TRUE(started) << started.error().message;
  EXPECT_EQ(text(user_->ok("PodSandboxStatus", {{"pod_sandbox_id", hung}}), "/status/state"), "SANDBOX_NOTREADY");
  EXPECT_EQ(::kill(init, 0), 0); // it runs until its owner decides
  EXPECT_EQ(user_->exec(other, {"echo", "alive"}).out, "alive\n");
  user_->ok("StopPodSandbox", {{"pod_sandbox_id", hung}});
  EXPECT_EQ(number(user_->wait_exited(id), "/exit_code"), 255);
  EXPECT_TRUE(eventually([&] { return ::kill(init, 0) != 0 && ::kill(monitor, 0) != 0; }));
}

TEST_F(Faults, PodsOfAHandlerThatIsGoneCanBeRemoved) {
  start_node({.yaml = "{runtime: {handlers: [{name: runc}, {name: second, path: runc}]}}"});
  if (HasFatalFailure()) return;
  auto config = pod_config("orphan");
  config["log_directory"] = user_->log_directory();
  const auto made = own_->call("RunPodSandbox", {{"config", config}, {"runtime_handler", "second"}});
  ASSERT_TRUE(made.ok()) << made.message;
  const std::string pod = text(made.json, "/pod_sandbox_id");
  const json::object create{
      {"pod_sandbox_id", pod}, {"config", container_config("c", "sleep 1000")}, {"sandbox_config", config}};
  const std::string id = text(user_->ok("CreateContainer", create), "/container_id");
  user_->start(id);
  own_->options().yaml = "{runtime: {handlers: [{name: runc}]}}";
  ASSERT_TRUE(own_->restart());
  EXPECT_EQ(text(user_->status(id), "/state"), "CONTAINER_RUNNING");
  user_->ok("StopPodSandbox", {{"pod_sandbox_id", pod}});
  user_->ok("RemovePodSandbox", {{"pod_sandbox_id", pod}});
}

TEST_F(Faults, ASecondDaemonOnTheSameRootIsRefused) {
  start_node();
  if (HasFatalFailure()) return;
  EXPECT_THAT(refusal({.root = own_->root()}), HasSubstr("root directory " + own_->root()));
}

TEST_F(Faults, AContainerCannotFillTheNodesStateDirectory) {
  start_node();
  if (HasFatalFailure()) return;
  const std::string id = user_->run(user_->run_pod("flood"), "c", "sleep 1000");
  for (const char* file : {"hosts", "hostname", "resolv.conf"}) {
    const auto written = user_->exec_shell(id, fmt::format("dd if=/dev/zero of=/etc/{} bs=64k count=100", file));
    EXPECT_THAT(written.err, HasSubstr("No space left")) << file;
  }
}

TEST_F(Faults, ARuntimeThatHangsIsEndedInTime) {
  TempDir dir("runtime");
  const std::string wrapper = dir / "runc";
  const std::string flag = dir / "hang";
  ASSERT_TRUE(
      write_file_atomic(wrapper,
                        fmt::format("#!/bin/sh\ncase \" $* \" in *\" create \"*) test -e {} && exec sleep 1000;; "
                                    "esac\nexec runc \"$@\"\n",
                                    flag),
                        0755));
  start_node(
      {.yaml = fmt::format("{{runtime: {{createTimeoutSeconds: 2, handlers: [{{name: runc, path: {}}}]}}}}", wrapper)});
  if (HasFatalFailure()) return;
  const std::string pod = user_->run_pod("hang");
  const std::string before = user_->run(pod, "before", "sleep 1000");
  ASSERT_TRUE(write_file_atomic(flag, ""));
  const json::object request{{"pod_sandbox_id", pod}, {"config", container_config("hung", "true")}};
  const auto reply = own_->call("CreateContainer", request);
  EXPECT_EQ(reply.code, kDeadlineExceeded) << reply.message;
  EXPECT_EQ(user_->ok("ListContainers").at("containers").as_array().size(), 1U);
  EXPECT_EQ(user_->exec(before, {"echo", "alive"}).out, "alive\n");
  ASSERT_TRUE(remove_file_at(AT_FDCWD, flag));
  EXPECT_EQ(user_->output(pod, "echo again"), "again\n");
}

} // namespace

} // namespace keelson::test
