// The image calls.
#include "base/file.hpp"
#include "base/json.hpp"
#include "tests/system/node_fixture.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

namespace keelson::test {

namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr int kInvalidArgument = 3;
constexpr int kNotFound = 5;
constexpr int kUnauthenticated = 16;

class Images : public OwnNodeTest {
 protected:
  void SetUp() override {
    OwnNodeTest::SetUp();
    if (!IsSkipped() && !HasFatalFailure()) start_node({.yaml = "{images: {pinned: ['registry.test/pinned:1']}}"});
  }
  json::value image_status(const std::string& name, bool verbose = false) {
    return user_->ok("ImageStatus", {{"image", {{"image", name}}}, {"verbose", verbose}});
  }
  bool is_present(const std::string& name) { return text(image_status(name), "/image/id") != "<absent>"; }
};

TEST_F(Images, PulledByTagAreFoundByEveryName) {
  const std::string id = images().busybox().config_digest;
  const std::string digest = "registry.test/library/busybox@" + images().busybox().manifest_digest;
  for (const std::string& name : {std::string(kBusybox), id, digest}) {
    const auto status = image_status(name);
    EXPECT_EQ(text(status, "/image/id"), id) << name;
    EXPECT_EQ(text(status, "/image/repo_tags/0"), kBusybox);
    EXPECT_EQ(text(status, "/image/repo_digests/0"), digest);
    EXPECT_GT(number(status, "/image/size"), 100000);
    EXPECT_EQ(text(status, "/image/pinned"), "false");
  }
  EXPECT_FALSE(is_present("registry.test/library/busybox:2"));
  const auto list = user_->ok("ListImages");
  EXPECT_EQ(list.at("images").as_array().size(), 1U);
  const auto none = user_->ok("ListImages", {{"filter", {{"image", {{"image", "registry.test/never:1"}}}}}});
  EXPECT_EQ(none.at("images").as_array().size(), 0U);
}

TEST_F(Images, TheAnswerOfAPullRunsContainers) {
  const std::string digest = "registry.test/library/busybox@" + images().busybox().manifest_digest;
  const std::string ref = text(user_->ok("PullImage", {{"image", {{"image", digest}}}}), "/image_ref");
  auto config = container_config("c", "echo by reference");
  config["image"] = json::object{{"image", ref}};
  EXPECT_EQ(user_->output(user_->run_pod("ref"), config), "by reference\n");
}

TEST_F(Images, StatusTellsTheUser) {
  user_->pull(kConfigured);
  const auto by_name = image_status(kConfigured, true);
  EXPECT_EQ(text(by_name, "/image/username"), "app");
  EXPECT_EQ(text(by_name, "/image/uid"), "<absent>");
  const auto info = json::parse(text(by_name, "/info/info"));
  ASSERT_TRUE(info) << json::to_text(by_name);
  EXPECT_EQ(text(*info, "/imageSpec/config/Entrypoint/0"), "/bin/echo");
  EXPECT_EQ(text(*info, "/imageSpec/config/Labels/maintainer"), "nobody");
  // kubelet checks runAsNonRoot with this: no USER must show as uid 0 or as no name.
  const auto root = image_status(kBusybox);
  EXPECT_EQ(text(root, "/image/username"), "");
}

TEST_F(Images, RemovedByTagAreGoneWithTheirLayers) {
  const auto layers = [&] { return list_dir(own_->root() + "/layers").value_or(std::vector<std::string>{}).size(); };
  const std::size_t before = layers();
  user_->pull(kConfigured);
  EXPECT_GT(layers(), before);
  user_->ok("RemoveImage", {{"image", {{"image", kConfigured}}}});
  user_->ok("RemoveImage", {{"image", {{"image", kConfigured}}}});
  EXPECT_FALSE(is_present(kConfigured));
  EXPECT_TRUE(is_present(kBusybox));
  EXPECT_EQ(layers(), before); // shared ones stay, the others are gone
}

TEST_F(Images, RemovedByManyAtOnceWhileOthersLook) {
  std::atomic<int> failed = 0;
  for (int round = 0; round < 10; ++round) {
    user_->pull(kConfigured);
    std::vector<std::thread> callers;
    for (int i = 0; i < 8; ++i)
      callers.emplace_back([&, method = i % 2 == 0 ? "RemoveImage" : "ImageStatus"] {
        for (int n = 0; n < 20; ++n)
          if (own_->call(method, {{"image", {{"image", kConfigured}}}}).code != 0) ++failed;
      });
    for (std::thread& caller : callers) caller.join();
  }
  EXPECT_EQ(failed, 0);
  EXPECT_FALSE(is_present(kConfigured));
}

TEST_F(Images, AnImageInUseKeepsItsContainersRunning) {
  const std::string pod = user_->run_pod("inuse");
  const std::string id = user_->run(pod, "c", "sleep 1000");
  user_->ok("RemoveImage", {{"image", {{"image", kBusybox}}}});
  EXPECT_EQ(user_->exec(id, {"echo", "alive"}).out, "alive\n");
  EXPECT_EQ(text(user_->status(id), "/image_id"), images().busybox().config_digest);
}

TEST_F(Images, FsInfoTellsWhatTheyUse) {
  const auto info = [&] { return user_->ok("ImageFsInfo"); };
  const auto before = info();
  EXPECT_GT(number(before, "/image_filesystems/0/used_bytes/value"), 100000);
  EXPECT_GT(number(before, "/image_filesystems/0/inodes_used/value"), 10);
  EXPECT_TRUE(text(before, "/image_filesystems/0/fs_id/mountpoint").starts_with("/"));
  EXPECT_EQ(before.at("container_filesystems").as_array().size(), 1U);
  user_->ok("RemoveImage", {{"image", {{"image", kBusybox}}}});
  EXPECT_TRUE(eventually([&] {
    return number(info(), "/image_filesystems/0/used_bytes/value") <
           number(before, "/image_filesystems/0/used_bytes/value");
  }));
}

TEST_F(Images, AbsentOnesAndBadNamesSayWhich) {
  auto reply = own_->call("PullImage", {{"image", {{"image", "registry.test/absent:1"}}}});
  EXPECT_EQ(reply.code, kNotFound) << reply.message;
  EXPECT_THAT(reply.message, HasSubstr("registry.test/absent"));
  reply = own_->call("PullImage", {{"image", {{"image", "Not A Name"}}}});
  EXPECT_EQ(reply.code, kInvalidArgument) << reply.message;
  EXPECT_FALSE(own_->call("PullImage", {{"image", {{"image", "127.0.0.1:1/nobody/listens:1"}}}}).ok());
}

TEST_F(Images, ARegistryWithAPasswordWantsTheRightOne) {
  auto started = TestRegistry::start({.user = "ann", .password = "s3cret"});
  ASSERT_TRUE(started) << started.error().message;
  TestRegistry& registry = **started;
  ASSERT_TRUE(push_image(registry, images().busybox(), "private", "1"));
  const std::string name = registry.host() + "/private:1";
  const auto pull = [&](const json::object& auth) {
    return own_->call("PullImage", {{"image", {{"image", name}}}, {"auth", auth}});
  };
  auto reply = pull({});
  EXPECT_EQ(reply.code, kUnauthenticated) << reply.message;
  reply = pull({{"username", "ann"}, {"password", "wrong-w0rd"}});
  EXPECT_EQ(reply.code, kUnauthenticated) << reply.message;
  EXPECT_THAT(reply.message, Not(HasSubstr("wrong-w0rd")));
  EXPECT_TRUE(pull({{"username", "ann"}, {"password", "s3cret"}}).ok());
  user_->ok("RemoveImage", {{"image", {{"image", name}}}});
  EXPECT_TRUE(pull({{"auth", base64_encode("ann:s3cret")}}).ok());
  user_->ok("RemoveImage", {{"image", {{"image", name}}}});
  // From the node's file, in docker's form.
  ASSERT_TRUE(write_file_atomic(own_->dir() + "/auth.json", fmt::format(R"({{"auths":{{"{}":{{"auth":"{}"}}}}}})",
                                                                        registry.host(), base64_encode("ann:s3cret"))));
  EXPECT_TRUE(pull({}).ok());
  EXPECT_THAT(own_->log(), Not(HasSubstr("s3cret")));
}

TEST_F(Images, PinnedOnesAreMarked) {
  ASSERT_TRUE(push_image(images().registry(), images().busybox(), "pinned", "1"));
  user_->pull("registry.test/pinned:1");
  EXPECT_EQ(text(image_status("registry.test/pinned:1"), "/image/pinned"), "true");
}

TEST_F(Images, SurviveARestart) {
  ASSERT_TRUE(own_->restart());
  EXPECT_TRUE(is_present(kBusybox));
  EXPECT_EQ(user_->output(user_->run_pod("again"), "echo runs"), "runs\n");
}

} // namespace

} // namespace keelson::test
