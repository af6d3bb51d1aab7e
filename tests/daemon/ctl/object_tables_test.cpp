#include "daemon/ctl/object_tables.hpp"

#include <gtest/gtest.h>

namespace keelson::daemon::ctl {
namespace {

json::value pod(const char* text) {
  return json::parse(text).value();
}

TableStyle style() {
  return {false, false, parse_rfc3339("2026-11-22T18:00:00Z").value()};
}

TEST(PodStatus, NamesWhatAContainerWaitsFor) {
  EXPECT_EQ(pod_status_text(pod(R"({"status":{"phase":"Running","containerStatuses":[
    {"state":{"running":{}},"ready":true},{"state":{"waiting":{"reason":"CrashLoopBackOff"}}}]}})")),
            "CrashLoopBackOff");
}

TEST(PodStatus, CountsInitContainersThatAreDone) {
  const char* text = R"({"spec":{"initContainers":[{"name":"a"},{"name":"b"}]},"status":{"phase":"Pending",
    "initContainerStatuses":[{"name":"a","state":{"terminated":{"exitCode":0}}},{"name":"b","state":{"running":{}}}]}})";
  EXPECT_EQ(pod_status_text(pod(text)), "Init:1/2");
}

TEST(PodStatus, TellsAFailedInitContainer) {
  EXPECT_EQ(pod_status_text(pod(R"({"spec":{"initContainers":[{"name":"a"}]},"status":{"phase":"Pending",
    "initContainerStatuses":[{"name":"a","state":{"terminated":{"exitCode":3,"reason":"Error"}}}]}})")),
            "Init:Error");
}

TEST(PodStatus, ASidecarThatHasStartedIsNoInitialization) {
  EXPECT_EQ(pod_status_text(pod(R"({"spec":{"initContainers":[{"name":"s","restartPolicy":"Always"}]},
    "status":{"phase":"Running","initContainerStatuses":[{"name":"s","started":true,"state":{"running":{}}}],
    "containerStatuses":[{"state":{"running":{}},"ready":true}]}})")),
            "Running");
}

TEST(PodStatus, DeletionWins) {
  EXPECT_EQ(pod_status_text(pod(R"({"metadata":{"deletionTimestamp":"2026-11-22T18:00:00Z"},
    "status":{"phase":"Running"}})")),
            "Terminating");
  EXPECT_EQ(pod_status_text(pod("{}")), "Pending");
}

TEST(PodsTable, ShowsReadinessRestartsAndAddress) {
  json::array pods;
  pods.push_back(
      pod(R"({"metadata":{"namespace":"default","name":"web"},"spec":{"containers":[{"name":"c"},{"name":"d"}]},
    "status":{"phase":"Running","startTime":"2026-11-22T17:00:00Z","podIP":"10.88.0.2","qosClass":"Burstable",
    "containerStatuses":[{"name":"c","ready":true,"restartCount":2,"state":{"running":{}},
      "lastState":{"terminated":{"finishedAt":"2026-11-22T17:55:00Z"}}},{"name":"d","ready":false,"state":{"running":{}}}]}})"));
  EXPECT_EQ(pods_table(pods, style()).render({}),
            "NAMESPACE   NAME   READY   STATUS    RESTARTS     AGE   IP          QOS\n"
            "default     web    1/2     Running   2 (5m ago)   60m   10.88.0.2   Burstable\n");
}

TEST(ContainersTable, ShowsHowAContainerEnded) {
  json::array containers;
  containers.push_back(pod(R"({"id":"0123456789abcdef","name":"c","pod":"web","namespace":"default","image":"busybox",
    "state":"exited","exitCode":137,"reason":"OOMKilled","finishedAt":"2026-11-22T17:59:30Z",
    "createdAt":"2026-11-22T17:50:00Z","attempt":3})"));
  EXPECT_EQ(containers_table(containers, style()).render({false, 0, false}),
            "0123456789abc   default   web   c   busybox   Exited (137 OOMKilled) 30s ago   3   10m\n");
}

TEST(ImagesTable, GivesEveryTagARowAndUntaggedOnesToo) {
  json::array images;
  images.push_back(pod(R"({"id":"sha256:aaaaaaaaaaaaaaaa","tags":["h:5000/b:1","h:5000/b:2"],"size":1500000})"));
  images.push_back(pod(R"({"id":"sha256:bbbbbbbbbbbbbbbb","tags":[],"digests":["h/x@sha256:cc"],"size":10})"));
  EXPECT_EQ(images_table(images, style()).render({false, 0, false}), "h:5000/b   1        aaaaaaaaaaaaa   1.5MB\n"
                                                                     "h:5000/b   2        aaaaaaaaaaaaa   1.5MB\n"
                                                                     "h/x        <none>   bbbbbbbbbbbbb     10B\n");
}

} // namespace
} // namespace keelson::daemon::ctl
