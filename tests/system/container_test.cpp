// Containers: their life, and what runs in them.
#include "base/file.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "tests/system/node_fixture.hpp"

#include <gmock/gmock.h>

#include <thread>

namespace keelson::test {

namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::UnorderedElementsAre;

constexpr int kInvalidArgument = 3;
constexpr int kNotFound = 5;
constexpr int kAlreadyExists = 6;
constexpr int kFailedPrecondition = 9;

class Containers : public NodeTest {
 protected:
  std::vector<std::string> list(const json::object& filter = {}) {
    std::vector<std::string> ids;
    const auto reply = use().ok("ListContainers", {{"filter", filter}});
    for (const auto& item : reply.at("containers").as_array()) ids.push_back(text(item, "/id"));
    return ids;
  }
  static json::object configured(const std::string& name) {
    json::object config = container_config(name, "");
    config.erase("command");
    config["image"] = json::object{{"image", kConfigured}};
    return config;
  }
};

TEST_F(Containers, GoThroughTheirStates) {
  const std::string pod = use().run_pod("states");
  auto config = container_config("c", "sleep 1000");
  config["labels"] = json::object{{"role", "main"}};
  config["annotations"] = json::object{{"hash", "f00"}};
  const std::string id = use().create(pod, config);
  auto status = use().status(id);
  EXPECT_EQ(text(status, "/state"), "CONTAINER_CREATED");
  EXPECT_GT(number(status, "/created_at"), 1'700'000'000'000'000'000);
  EXPECT_EQ(number(status, "/started_at"), 0);
  EXPECT_EQ(number(status, "/finished_at"), 0);
  EXPECT_EQ(text(status, "/labels/role"), "main");
  EXPECT_EQ(text(status, "/annotations/hash"), "f00");
  EXPECT_EQ(text(status, "/image/image"), kBusybox);
  EXPECT_THAT(text(status, "/image_ref"), HasSubstr("sha256:"));
  EXPECT_EQ(text(status, "/image_id"), images().busybox().config_digest);
  use().start(id);
  use().start(id); // again: the same
  status = use().status(id);
  EXPECT_EQ(text(status, "/state"), "CONTAINER_RUNNING");
  EXPECT_GE(number(status, "/started_at"), number(status, "/created_at"));
  EXPECT_TRUE(eventually([&] { return content(fmt::format("/proc/{}/comm", use().pid_of(id))) == "sleep"; }));
  use().ok("StopContainer", {{"container_id", id}, {"timeout", 0}});
  status = use().wait_exited(id);
  EXPECT_EQ(number(status, "/exit_code"), 137);
  EXPECT_GE(number(status, "/finished_at"), number(status, "/started_at"));
  EXPECT_EQ(use().code("StartContainer", {{"container_id", id}}), kFailedPrecondition);
  use().ok("RemoveContainer", {{"container_id", id}});
  use().ok("RemoveContainer", {{"container_id", id}});
  EXPECT_EQ(use().code("ContainerStatus", {{"container_id", id}}), kNotFound);
  EXPECT_THAT(list(), ElementsAre());
  EXPECT_THAT(cgroups_with(node().cgroup_parent(), id), ElementsAre());
}

TEST_F(Containers, AreListedByIdStateSandboxAndLabels) {
  const std::string pod = use().run_pod("list");
  const std::string other = use().run_pod("other");
  auto labelled = container_config("labelled", "sleep 1000");
  labelled["labels"] = json::object{{"app", "x"}};
  const std::string one = use().run(pod, labelled);
  const std::string two = use().create(pod, container_config("two", "true"));
  const std::string three = use().run(other, "three", "true");
  use().wait_exited(three);
  EXPECT_THAT(list(), UnorderedElementsAre(one, two, three));
  EXPECT_THAT(list({{"pod_sandbox_id", pod}}), UnorderedElementsAre(one, two));
  EXPECT_THAT(list({{"state", {{"state", "CONTAINER_RUNNING"}}}}), ElementsAre(one));
  EXPECT_THAT(list({{"state", {{"state", "CONTAINER_CREATED"}}}}), ElementsAre(two));
  EXPECT_THAT(list({{"state", {{"state", "CONTAINER_EXITED"}}}}), ElementsAre(three));
  EXPECT_THAT(list({{"label_selector", {{"app", "x"}}}}), ElementsAre(one));
  EXPECT_THAT(list({{"id", two.substr(0, 12)}}), ElementsAre(two));
}

TEST_F(Containers, TheSameRequestTwiceAtOnceMakesOne) {
  const std::string pod = use().run_pod("once");
  const auto config = container_config("c", "true");
  std::string ids[2];
  {
    std::vector<std::thread> callers;
    for (std::string& id : ids)
      callers.emplace_back([&] {
        const json::object request{{"pod_sandbox_id", pod}, {"config", config}};
        id = text(node().call("CreateContainer", request).json, "/container_id");
      });
    for (auto& caller : callers) caller.join();
  }
  EXPECT_EQ(ids[0], ids[1]);
  EXPECT_THAT(list(), ElementsAre(ids[0]));
  auto different = config;
  different["args"] = json::array{"else"};
  EXPECT_EQ(use().code("CreateContainer", {{"pod_sandbox_id", pod}, {"config", different}}), kAlreadyExists);
}

// The four combinations of the CRI's command and args with the image's entry point and command.
TEST_F(Containers, RunTheCommandThatTheRulesGive) {
  const std::string pod = use().run_pod("commands");
  EXPECT_EQ(use().output(pod, configured("neither")), "entry default\n");
  auto args = configured("args");
  args["args"] = json::array{"given"};
  EXPECT_EQ(use().output(pod, args), "entry given\n");
  auto command = configured("command");
  command["command"] = json::array{"/bin/echo", "own"};
  EXPECT_EQ(use().output(pod, command), "own\n"); // the image's command is dropped
  auto both = configured("both");
  both["command"] = json::array{"/bin/echo", "own"};
  both["args"] = json::array{"given"};
  EXPECT_EQ(use().output(pod, both), "own given\n");
}

TEST_F(Containers, HaveEnvironmentDirectoryAndVolumeOfTheImage) {
  const std::string pod = use().run_pod("image");
  auto config = configured("c");
  config["command"] = json::array{"/bin/sh", "-c", "echo $A $B $C; pwd; id -u; cat /data/file"};
  config["envs"] = json::array{json::object{{"key", "B"}, {"value", base64_encode("given")}},
                               json::object{{"key", "C"}, {"value", base64_encode("new line\nin it")}}};
  EXPECT_THAT(use().output(pod, config),
              testing::StartsWith("image given new line in it\n/work\n1000\nfrom the image\n"));
  auto elsewhere = configured("elsewhere");
  elsewhere["command"] = json::array{"/bin/sh", "-c", "pwd"};
  elsewhere["working_dir"] = "/tmp/made/here";
  EXPECT_EQ(use().output(pod, elsewhere), "/tmp/made/here\n");
}

TEST_F(Containers, EndWithTheirExitCodeAndReason) {
  const std::string pod = use().run_pod("codes");
  const auto end_of = [&](const std::string& name, const std::string& script) {
    return use().wait_exited(use().run(pod, name, script));
  };
  auto end = end_of("zero", "true");
  EXPECT_EQ(number(end, "/exit_code"), 0);
  EXPECT_EQ(text(end, "/reason"), "Completed");
  end = end_of("seven", "exit 7");
  EXPECT_EQ(number(end, "/exit_code"), 7);
  EXPECT_EQ(text(end, "/reason"), "Error");
  const std::string killed = use().run(pod, "killed", "sleep 1000");
  ::kill(use().pid_of(killed), SIGKILL);
  end = use().wait_exited(killed);
  EXPECT_EQ(number(end, "/exit_code"), 137);
  EXPECT_EQ(text(end, "/reason"), "Error"); // a kill is not an OOM kill
}

TEST_F(Containers, OutOfMemoryIsToldApartFromAKill) {
  const std::string pod = use().run_pod("oom");
  auto config = container_config("c", "dd if=/dev/zero of=/dev/null bs=20M count=1");
  // As tight as the conformance suite's.
  at(config, "linux")["resources"] =
      json::object{{"memory_limit_in_bytes", 15 << 20}, {"memory_swap_limit_in_bytes", 15 << 20}};
  const auto end = use().wait_exited(use().run(pod, config));
  EXPECT_EQ(number(end, "/exit_code"), 137) << json::to_text(end);
  EXPECT_EQ(text(end, "/reason"), "OOMKilled");
}

TEST_F(Containers, StopSignalComesFirstAndKillAfterTheGracePeriod) {
  const std::string pod = use().run_pod("stop");
  const std::string polite =
      use().run(pod, "polite", "trap 'echo asked; exit 3' TERM; echo up; while true; do sleep 0.05; done");
  ASSERT_TRUE(use().wait_log(polite, "up"));
  use().ok("StopContainer", {{"container_id", polite}, {"timeout", 30}});
  auto end = use().wait_exited(polite);
  EXPECT_EQ(number(end, "/exit_code"), 3);
  EXPECT_EQ(use().log_of(polite).out, "up\nasked\n");
  // One that does not listen is killed, not before the grace period is over and not long after.
  const std::string stubborn = use().run(pod, "stubborn", "trap '' TERM; echo up; while true; do sleep 0.05; done");
  ASSERT_TRUE(use().wait_log(stubborn, "up"));
  const auto before = std::chrono::steady_clock::now();
  use().ok("StopContainer", {{"container_id", stubborn}, {"timeout", 1}});
  const auto took = std::chrono::steady_clock::now() - before;
  end = use().wait_exited(stubborn);
  EXPECT_EQ(number(end, "/exit_code"), 137);
  EXPECT_EQ(text(end, "/reason"), "Error");
  EXPECT_GE(took, std::chrono::seconds(1));
  EXPECT_LT(took, std::chrono::seconds(15));
  use().ok("StopContainer", {{"container_id", stubborn}, {"timeout", 1}}); // again: nothing
}

TEST_F(Containers, TheStopSignalIsTheConfigsElseTheImages) {
  const std::string pod = use().run_pod("signals");
  const std::string script = "trap 'exit 10' USR1; trap 'exit 12' HUP; trap 'exit 15' TERM; echo up; "
                             "while true; do sleep 0.05; done";
  auto by_image = configured("image");
  by_image["command"] = json::array{"/bin/sh", "-c", script};
  auto by_config = by_image;
  by_config["metadata"].as_object()["name"] = "config";
  by_config["log_path"] = "config.log";
  by_config["stop_signal"] = "SIGNAL_SIGHUP";
  for (const auto& [config, code, name] :
       {std::tuple{by_image, 10, "SIGNAL_SIGUSR1"}, {by_config, 12, "SIGNAL_SIGHUP"}}) {
    const std::string id = use().run(pod, config);
    ASSERT_TRUE(use().wait_log(id, "up"));
    EXPECT_EQ(text(use().status(id), "/stop_signal"), name);
    use().ok("StopContainer", {{"container_id", id}, {"timeout", 30}});
    EXPECT_EQ(number(use().wait_exited(id), "/exit_code"), code);
  }
}

TEST_F(Containers, AShorterStopOvertakesALongerOne) {
  const std::string pod = use().run_pod("overtake");
  const std::string id = use().run(pod, "c", "trap '' TERM; echo up; while true; do sleep 0.05; done");
  ASSERT_TRUE(use().wait_log(id, "up"));
  std::thread slow([&] { (void)node().call("StopContainer", {{"container_id", id}, {"timeout", 300}}); });
  use().ok("StopContainer", {{"container_id", id}, {"timeout", 0}});
  slow.join(); // ends with the container
  EXPECT_EQ(number(use().wait_exited(id), "/exit_code"), 137);
}

TEST_F(Containers, RemoveKillsWhatRuns) {
  const std::string pod = use().run_pod("remove");
  const std::string id = use().run(pod, "c", "sleep 1000 & sleep 1000");
  const pid_t pid = use().pid_of(id);
  use().ok("RemoveContainer", {{"container_id", id}});
  EXPECT_FALSE(exists(fmt::format("/proc/{}", pid)));
  EXPECT_THAT(cgroups_with(node().cgroup_parent(), id), ElementsAre());
  for (const char* place : {"/containers/"}) EXPECT_FALSE(exists(node().root() + place + id)); // its writable layer
  EXPECT_FALSE(exists(node().state() + "/containers/" + id));
}

TEST_F(Containers, ACommandThatIsNotThereSaysSo) {
  const std::string pod = use().run_pod("absent");
  auto config = container_config("c", "");
  config["command"] = json::array{"/bin/no-such-program"};
  const json::object request{{"pod_sandbox_id", pod}, {"config", config}};
  const auto created = node().call("CreateContainer", request);
  auto failed = created;
  // runc tells it at create or at start, as its release has it.
  if (created.ok()) failed = node().call("StartContainer", {{"container_id", text(created.json, "/container_id")}});
  EXPECT_NE(failed.code, 0);
  EXPECT_THAT(failed.message, HasSubstr("no-such-program"));
}

TEST_F(Containers, AnImageThatIsNotHereSaysSo) {
  const std::string pod = use().run_pod("noimage");
  auto config = container_config("c", "true");
  config["image"] = json::object{{"image", "registry.test/never:1"}};
  const auto reply = node().call("CreateContainer", {{"pod_sandbox_id", pod}, {"config", config}});
  EXPECT_EQ(reply.code, kNotFound);
  EXPECT_THAT(reply.message, HasSubstr("pull"));
}

TEST_F(Containers, ATerminalIsOneStreamAndATty) {
  const std::string pod = use().run_pod("tty");
  auto config =
      container_config("c", "test -t 0 && test -t 1 && echo terminal; echo error >&2; readlink /proc/self/fd/1");
  config["tty"] = true;
  config["stdin"] = true;
  const std::string id = use().run(pod, config);
  use().wait_exited(id);
  const auto log = use().log_of(id);
  EXPECT_THAT(log.out, HasSubstr("terminal"));
  EXPECT_THAT(log.out, HasSubstr("error"));
  EXPECT_THAT(log.out, HasSubstr("/dev/pts/0"));
  EXPECT_EQ(log.err, "");
}

TEST_F(Containers, StdinStaysOpenOnlyIfAskedFor) {
  const std::string pod = use().run_pod("stdin");
  EXPECT_EQ(use().output(pod, "cat; echo ended"), "ended\n");
  auto config = container_config("open", "cat; echo ended");
  config["stdin"] = true;
  config["stdin_once"] = true;
  const std::string id = use().run(pod, config);
  const auto stdin_of = link_of(use().pid_of(id), "fd/0");
  EXPECT_THAT(stdin_of, Not(HasSubstr("null"))) << stdin_of;
  EXPECT_EQ(text(use().status(id), "/state"), "CONTAINER_RUNNING");
}

TEST_F(Containers, DescriptorsOfTheHostDoNotReachThem) {
  const std::string pod = use().run_pod("descriptors");
  const std::string id = use().run(pod, "c", "sleep 1000");
  const auto names = list_dir(fmt::format("/proc/{}/fd", use().pid_of(id)));
  ASSERT_TRUE(names);
  EXPECT_THAT(*names, ElementsAre("0", "1", "2"));                        // CVE-2024-21626
  EXPECT_EQ(use().exec_shell(id, "ls /proc/self/fd | wc -l").out, "4\n"); // ls itself has one more
  for (int number = 3; number <= 16; ++number) {
    auto config = container_config(fmt::format("wd-{}", number), "ls ../../../../../root");
    config["working_dir"] = fmt::format("/proc/self/fd/{}", number);
    const json::object request{{"pod_sandbox_id", pod}, {"config", config}};
    const auto reply = node().call("CreateContainer", request);
    if (!reply.ok()) continue;
    EXPECT_NE(use().code("StartContainer", {{"container_id", text(reply.json, "/container_id")}}), 0);
  }
}

TEST_F(Containers, AUserOutOfRangeIsRefused) {
  const std::string pod = use().run_pod("users");
  use().pull(kBadUser);
  auto config = container_config("image", "id -u");
  config["image"] = json::object{{"image", kBadUser}};
  EXPECT_EQ(use().code("CreateContainer", {{"pod_sandbox_id", pod}, {"config", config}}), kInvalidArgument);
  for (const std::int64_t uid : {std::int64_t{-1}, std::int64_t{1} << 31, std::int64_t{1} << 32}) {
    auto bad = container_config(fmt::format("uid{}", uid), "id -u");
    at(bad, "linux.security_context")["run_as_user"] = json::object{{"value", uid}};
    EXPECT_EQ(use().code("CreateContainer", {{"pod_sandbox_id", pod}, {"config", bad}}), kInvalidArgument) << uid;
  }
  auto unknown = container_config("unknown", "id -u");
  at(unknown, "linux.security_context")["run_as_username"] = "stranger";
  EXPECT_NE(use().code("CreateContainer", {{"pod_sandbox_id", pod}, {"config", unknown}}), 0);
  EXPECT_THAT(list(), ElementsAre());
}

} // namespace

} // namespace keelson::test
