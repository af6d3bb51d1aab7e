// What kubelet relies on beyond the words of the protocol.
#include "base/file.hpp"
#include "base/json.hpp"
#include "tests/system/node_fixture.hpp"

#include <gmock/gmock.h>

#include <csignal>
#include <thread>

namespace keelson::test {

namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr int kFailedPrecondition = 9;

class Kubelet : public OwnNodeTest {
 protected:
  // A node whose OCI runtime does what the shell text says first; "$*" are the arguments.
  void start_with_runtime(const std::string& shell_text) {
    const std::string wrapper = dir_ / "runc";
    ASSERT_TRUE(write_file_atomic(wrapper, "#!/bin/sh\n" + shell_text + "\nexec runc \"$@\"\n", 0755));
    start_node({.yaml = fmt::format("{{runtime: {{handlers: [{{name: runc, path: {}}}]}}}}", wrapper)});
  }
  std::string sandbox_state(const std::string& id) {
    return text(user_->ok("PodSandboxStatus", {{"pod_sandbox_id", id}}), "/status/state");
  }
  TempDir dir_{"kubelet"};
};

TEST_F(Kubelet, FindsTheImagesInUseByTheReferenceInAList) {
  start_node();
  if (HasFatalFailure()) return;
  user_->run(user_->run_pod("gc"), "c", "sleep 1000");
  const auto listed = user_->ok("ListContainers").at("containers").at(0);
  const auto image = user_->ok("ListImages").at("images").at(0);
  EXPECT_EQ(text(listed, "/image_ref"), text(image, "/id"));
  EXPECT_EQ(text(listed, "/image_id"), text(image, "/id"));
}

TEST_F(Kubelet, ShowsTheImagesNameThoughItAsksWithTheId) {
  start_node();
  if (HasFatalFailure()) return;
  const std::string pod = user_->run_pod("named");
  auto config = container_config("c", "sleep 1000");
  config["image"] = json::object{{"image", images().busybox().config_digest}};
  const std::string by_tag = user_->create(pod, config);
  EXPECT_EQ(text(user_->status(by_tag), "/image/image"), kBusybox);
  config["metadata"].as_object()["name"] = "d";
  config["image"].as_object()["user_specified_image"] = "busybox:mine";
  EXPECT_EQ(text(user_->status(user_->create(pod, config)), "/image/image"), "busybox:mine");
  ASSERT_TRUE(own_->restart());
  EXPECT_EQ(text(user_->status(by_tag), "/image/image"), kBusybox);
}

TEST_F(Kubelet, GetsAnswersWhileManyStopsWaitForTheirGracePeriod) {
  constexpr int kStops = 80; // at a node's shutdown kubelet stops all containers at once
  start_node();
  if (HasFatalFailure()) return;
  const std::string pod = user_->run_pod("stops");
  const std::string stubborn = user_->run(pod, "c", "trap '' TERM; echo up; while true; do sleep 1; done");
  ASSERT_TRUE(user_->wait_log(stubborn, "up"));
  std::vector<std::thread> stops;
  std::atomic<int> failed = 0;
  for (int i = 0; i < kStops; ++i)
    stops.emplace_back([&] {
      if (own_->call("StopContainer", {{"container_id", stubborn}, {"timeout", 300}}, std::chrono::seconds(120)).code !=
          0)
        ++failed;
    });
  // A handler's thread for each of them, and the daemon's others.
  const auto threads = [&] { return std::stoi(proc_status(own_->pid(), "Threads")); };
  EXPECT_TRUE(eventually([&] { return threads() > kStops; })) << threads();
  EXPECT_EQ(user_->code("Version", {}), 0);
  user_->ok("StopContainer", {{"container_id", stubborn}, {"timeout", 0}});
  for (std::thread& stop : stops) stop.join();
  EXPECT_EQ(failed, 0);
}

TEST_F(Kubelet, SeesAContainerThatCannotBeStartedAsEnded) {
  start_with_runtime("case \" $* \" in *\" start \"*) echo 'no such luck' >&2; exit 1;; esac");
  if (HasFatalFailure()) return;
  const std::string pod = user_->run_pod("unstarted");
  const std::string id = user_->create(pod, container_config("c", "sleep 1000"));
  const auto reply = own_->call("StartContainer", {{"container_id", id}});
  EXPECT_NE(reply.code, 0);
  EXPECT_THAT(reply.message, HasSubstr("no such luck"));
  const auto status = user_->wait_exited(id);
  EXPECT_EQ(number(status, "/exit_code"), 128);
  EXPECT_EQ(text(status, "/reason"), "StartError");
  EXPECT_THAT(text(status, "/message"), HasSubstr("no such luck"));
  EXPECT_EQ(user_->code("StartContainer", {{"container_id", id}}), kFailedPrecondition);
}

TEST_F(Kubelet, MountsAnImageAsAVolume) {
  start_node();
  if (HasFatalFailure()) return;
  const std::string pod = user_->run_pod("image-volume");
  auto config = container_config(
      "c", "cat /data/etc/passwd; touch /data/x 2>&1; ls /sub; /data/bin/busybox echo ran; sleep 1000");
  const auto volume = [](const char* path, const char* sub_path) {
    return json::object{{"container_path", path}, {"image", {{"image", kBusybox}}}, {"image_sub_path", sub_path}};
  };
  config["mounts"] = json::array{volume("/data", ""), volume("/sub", "etc")};
  const std::string id = user_->run(pod, config);
  ASSERT_TRUE(user_->wait_log(id, "ran"));
  EXPECT_THAT(user_->log_of(id).out, HasSubstr("app:"));
  EXPECT_THAT(user_->log_of(id).out, HasSubstr("Read-only file system"));
  ASSERT_TRUE(own_->restart());
  EXPECT_THAT(user_->exec(id, {"cat", "/data/etc/passwd"}).out, HasSubstr("app:"));
  EXPECT_EQ(text(user_->status(id), "/mounts/1/image/image_ref"), images().busybox().config_digest);
  config["metadata"].as_object()["name"] = "absent";
  config["mounts"].as_array()[0].at("image").as_object()["image"] = "registry.test/absent:1";
  const auto reply = own_->call("CreateContainer", {{"pod_sandbox_id", pod}, {"config", config}});
  EXPECT_THAT(reply.message, HasSubstr("registry.test/absent:1"));
}

TEST_F(Kubelet, FindsTheSocketBackSoonThoughACommandRunsOn) {
  start_node();
  if (HasFatalFailure()) return;
  const std::string id = user_->run(user_->run_pod("busy"), "c", "sleep 1000");
  std::thread command([&] {
    (void)own_->call("ExecSync", {{"container_id", id}, {"cmd", texts({"sh", "-c", "echo > /up; sleep 600"})}});
  });
  EXPECT_TRUE(eventually([&] { return user_->exec(id, {"test", "-e", "/up"}).exit_code == 0; }));
  const auto ended = own_->end(); // waits less than the command takes
  EXPECT_TRUE(ended && ended->code() == 0);
  command.join();
  ASSERT_TRUE(own_->start());
  EXPECT_EQ(text(user_->status(id), "/state"), "CONTAINER_RUNNING");
}

TEST_F(Kubelet, ReplacesAPodWhoseSharedPidNamespaceEnded) {
  start_node();
  if (HasFatalFailure()) return;
  auto shared = pod_config("shared");
  at(shared, "linux.security_context")["namespace_options"] = json::object{{"pid", "POD"}};
  const std::string pod = user_->run_pod(shared);
  auto config = container_config("c", "sleep 1000");
  at(config, "linux.security_context")["namespace_options"] = json::object{{"pid", "POD"}};
  const std::string id = user_->run(pod, config);
  ASSERT_EQ(::kill(static_cast<pid_t>(number(user_->pod_info(pod), "/pid")), SIGKILL), 0);
  EXPECT_TRUE(eventually([&] { return sandbox_state(pod) == "SANDBOX_NOTREADY"; }));
  EXPECT_EQ(number(user_->wait_exited(id), "/exit_code"), 137);
}

TEST_F(Kubelet, StopsASandboxOnlyWhenItIsMade) {
  // A CNI plug-in that waits for a file.
  const std::string plugin_dir = dir_ / "bin";
  const std::string config_dir = dir_ / "net.d";
  ASSERT_TRUE(make_dirs(plugin_dir, 0755));
  ASSERT_TRUE(make_dirs(config_dir, 0755));
  const std::string script = fmt::format(
      "#!/bin/sh\ncat >/dev/null\necho $CNI_COMMAND >> {0}/calls\n"
      "if [ $CNI_COMMAND = ADD ]; then while ! test -e {0}/go; do sleep 0.02; done\n"
      "echo '{{\"cniVersion\": \"1.0.0\", \"interfaces\": [{{\"name\": \"eth0\", \"sandbox\": \"/x\"}}], \"ips\": "
      "[{{\"address\": \"10.9.0.2/24\", \"interface\": 0}}]}}'; fi\n",
      dir_.path());
  ASSERT_TRUE(write_file_atomic(plugin_dir + "/slow", script, 0755));
  ASSERT_TRUE(write_file_atomic(config_dir + "/1.conflist",
                                R"({"cniVersion": "1.0.0", "name": "slow", "plugins": [{"type": "slow"}]})", 0644));
  start_node({.yaml = fmt::format("{{network: {{mode: cni, cni: {{configDir: {}, pluginDirs: [{}]}}}}}}", config_dir,
                                  plugin_dir)});
  if (HasFatalFailure()) return;
  WireReply made;
  std::thread run([&] { made = own_->call("RunPodSandbox", {{"config", pod_config("slow")}}); });
  EXPECT_TRUE(eventually([&] { return content(dir_ / "calls") == "ADD"; }));
  EXPECT_THAT(user_->ok("ListPodSandbox").at("items").as_array(), testing::IsEmpty()); // it is not there yet
  // Somebody who knows its id none the less.
  const auto ids = list_dir(own_->state() + "/sandboxes");
  ASSERT_TRUE(ids);
  ASSERT_EQ(ids->size(), 1U);
  std::thread stop([&] { user_->ok("StopPodSandbox", {{"pod_sandbox_id", ids->front()}}); });
  ASSERT_TRUE(write_file_atomic(dir_ / "go", ""));
  run.join();
  stop.join();
  EXPECT_EQ(made.code, 0) << made.message;
  EXPECT_EQ(sandbox_state(ids->front()), "SANDBOX_NOTREADY");
  EXPECT_THAT(content(dir_ / "calls"), testing::EndsWith("DEL"));
}

} // namespace

} // namespace keelson::test
