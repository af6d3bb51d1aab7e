// The event stream that kubelet's evented PLEG reads.
#include "base/json.hpp"
#include "tests/system/node_fixture.hpp"

#include <gmock/gmock.h>

namespace keelson::test {

namespace {

using testing::ElementsAre;

class Events : public NodeTest {
 protected:
  struct Event {
    std::string type;
    std::string id;
    json::value all;
  };
  // A stream of which the daemon has told something: from then on no event is missed.
  std::unique_ptr<WireStream> open_events() {
    auto stream = node().client().open_stream("GetContainerEvents", "{}");
    for (int i = 0; i < 20 && stream; ++i) {
      use().run_pod("marker");
      if (stream->next(std::chrono::milliseconds(500))) return stream;
    }
    ADD_FAILURE() << "no event of 20 new sandboxes";
    return stream;
  }
  // The next event of the stream that is about `id`.
  static Event next_of(WireStream& stream, const std::string& id) {
    for (;;) {
      const auto event = stream.next(std::chrono::seconds(20));
      if (!event) return {"none", id, {}};
      if (text(*event, "/container_id") == id) return {text(*event, "/container_event_type"), id, *event};
    }
  }
};

TEST_F(Events, TellAContainersLife) {
  const auto stream = open_events();
  ASSERT_NE(stream, nullptr);
  const std::string pod = use().run_pod("events");
  const std::string id = use().run(pod, "c", "exit 4");
  use().wait_exited(id);
  std::vector<std::string> types;
  Event stopped;
  for (int i = 0; i < 3; ++i) {
    const Event event = next_of(*stream, id);
    types.push_back(event.type);
    if (event.type == "CONTAINER_STOPPED_EVENT") stopped = event;
    EXPECT_GT(number(event.all, "/created_at"), 1'700'000'000'000'000'000) << "nanoseconds";
    EXPECT_EQ(text(event.all, "/pod_sandbox_status/id"), pod);
    EXPECT_EQ(text(event.all, "/pod_sandbox_status/metadata/name"), "events");
  }
  // The end of a command this short may be seen before its start is answered.
  EXPECT_THAT(types, testing::UnorderedElementsAre("CONTAINER_CREATED_EVENT", "CONTAINER_STARTED_EVENT",
                                                   "CONTAINER_STOPPED_EVENT"));
  EXPECT_EQ(types.front(), "CONTAINER_CREATED_EVENT");
  EXPECT_EQ(text(stopped.all, "/containers_statuses/0/id"), id);
  EXPECT_EQ(text(stopped.all, "/containers_statuses/0/state"), "CONTAINER_EXITED");
  EXPECT_EQ(number(stopped.all, "/containers_statuses/0/exit_code"), 4);
  use().ok("RemoveContainer", {{"container_id", id}});
  EXPECT_EQ(next_of(*stream, id).type, "CONTAINER_DELETED_EVENT");
  use().ok("StopPodSandbox", {{"pod_sandbox_id", pod}});
  EXPECT_EQ(next_of(*stream, pod).type, "CONTAINER_STOPPED_EVENT");
  use().ok("RemovePodSandbox", {{"pod_sandbox_id", pod}});
  EXPECT_EQ(next_of(*stream, pod).type, "CONTAINER_DELETED_EVENT");
}

TEST_F(Events, AStoppedEventOfARunningContainerComesWithItsEnd) {
  const std::string pod = use().run_pod("running");
  const std::string id = use().run(pod, "c", "sleep 1000");
  const auto stream = open_events();
  ASSERT_NE(stream, nullptr);
  ::kill(use().pid_of(id), SIGKILL);
  const Event event = next_of(*stream, id);
  EXPECT_EQ(event.type, "CONTAINER_STOPPED_EVENT");
  EXPECT_EQ(number(event.all, "/containers_statuses/0/exit_code"), 137);
}

TEST_F(Events, ManyListenersComeAndGo) {
  const std::string pod = use().run_pod("listeners");
  for (int i = 0; i < 20; ++i) {
    const auto stream = node().client().open_stream("GetContainerEvents", "{}");
    ASSERT_NE(stream, nullptr);
    stream->cancel();
    stream->finish();
  }
  use().output(pod, "echo still here");
  use().ok("Version");
}

} // namespace

} // namespace keelson::test
