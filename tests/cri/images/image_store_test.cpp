// Pulls from a real registry into a real directory, looks at what lies there, and stacks it.
#include "base/file.hpp"
#include "cri/images/image_store.hpp"
#include "cri/images/rootfs_store.hpp"
#include "tests/support/leak_check.hpp"
#include "tests/support/mounts.hpp"
#include "tests/support/requirements.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/test_image.hpp"
#include "tests/support/test_registry.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

namespace keelson::cri {
namespace {

using test::LayerForm;
using test::TestImage;
using test::TestRegistry;

class ImageStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    KEELSON_REQUIRE(test::is_root(), "needs root: owners, devices, mounts");
    KEELSON_REQUIRE(test::has_program("docker-registry"), "needs docker-registry");
    auto started = TestRegistry::start();
    ASSERT_TRUE(started) << started.error().message;
    registry = std::move(*started);
    open();
  }

  void TearDown() override {
    store.reset();
    registry.reset();
    store.reset();
    EXPECT_EQ(std::vector<std::string>(), leaks.leaks());
  }

  ImageStoreOptions options() {
    ImageStoreOptions o;
    o.root = dir / "root";
    o.platform = "linux/amd64";
    o.retry_delay = std::chrono::milliseconds(1);
    return o;
  }
  void open() {
    store.reset();
    auto opened = ImageStore::open(options());
    ASSERT_TRUE(opened) << opened.error().message;
    store = std::move(*opened);
  }

  test::BuiltImage push(const TestImage& image, const std::string& repository, const std::string& tag) {
    auto built = test::build_image(image);
    EXPECT_TRUE(built) << built.error().message;
    const auto pushed = test::push_image(*registry, *built, repository, tag);
    EXPECT_TRUE(pushed) << pushed.error().message;
    return *built;
  }
  std::string ref(const std::string& name) const { return registry->host() + "/" + name; }
  Result<Image> pull(const std::string& name) {
    PullRequest request;
    request.reference = ref(name);
    return store->pull(request);
  }
  std::vector<std::string> entries(const std::string& path) const {
    return list_dir(dir / ("root/" + path)).value_or(std::vector<std::string>{"?"});
  }

  test::LeakCheck leaks;
  test::TempDir dir{"images"};
  std::unique_ptr<TestRegistry> registry;
  std::unique_ptr<ImageStore> store;
};

TestImage two_layers(LayerForm form) {
  TestImage image;
  image.config = R"({"User":"1000:5","Env":["A=b"],"Cmd":["/bin/sh"],"Volumes":{"/data":{}},"Labels":{"k":"v"}})";
  image.layers.push_back({{{"etc", S_IFDIR | 0755},
                           {"etc/keep", S_IFREG | 0644, "kept"},
                           {"etc/gone", S_IFREG | 0644, "gone"},
                           {"opaque", S_IFDIR | 0755},
                           {"opaque/below", S_IFREG | 0644, "below"},
                           {"secret", S_IFDIR | 0700, "", "", "", 7, 8},
                           {"secret/a", S_IFREG | 04755, "suid", "", "", 5, 6}},
                          form});
  image.layers.push_back({{{"etc/.wh.gone", S_IFREG | 0644},
                           {"opaque/.wh..wh..opq", S_IFREG | 0644},
                           {"opaque/above", S_IFREG | 0644, "above"},
                           {"secret/b", S_IFREG | 0600, "b"},
                           {"secret/c", S_IFREG | 0600, "", "", "secret/b"},
                           {"dev-null", S_IFCHR | 0666, "", "", "", 0, 0, makedev(1, 3)},
                           {"pipe", S_IFIFO | 0640},
                           {"link", S_IFLNK | 0777, "", "etc/keep"}},
                          form});
  return image;
}

TEST_F(ImageStoreTest, PullsAndFindsByEveryName) {
  const auto built = push(two_layers(LayerForm::tar_gzip), "app", "1");
  std::set<PullPhase> phases;
  PullRequest request;
  request.reference = ref("app:1");
  request.progress = [&](const PullProgress& progress) { phases.insert(progress.phase); };
  const auto image = store->pull(request);
  ASSERT_TRUE(image) << image.error().message;
  EXPECT_EQ(built.config_digest, image->id);
  EXPECT_EQ(std::vector<std::string>{ref("app:1")}, image->repo_tags);
  EXPECT_EQ(std::vector<std::string>{ref("app@" + built.manifest_digest)}, image->repo_digests);
  EXPECT_EQ("1000:5", image->config.user);
  EXPECT_EQ(std::vector<std::string>{"/data"}, image->config.volumes);
  EXPECT_EQ(2U, image->layers.size());
  EXPECT_GT(image->size, 0U);
  EXPECT_EQ(1U, phases.count(PullPhase::downloading));
  EXPECT_EQ(1U, phases.count(PullPhase::done));
  for (const std::string& name : {ref("app:1"), ref("app@" + built.manifest_digest), image->id, image->id.substr(7),
                                  image->id.substr(7, 12), image->id.substr(0, 20)}) {
    const auto found = store->find(name);
    ASSERT_TRUE(found) << name << ": " << found.error().message;
    EXPECT_EQ(image->id, found->id);
  }
  EXPECT_EQ(Code::not_found, store->find(ref("app:2")).error().code);
  EXPECT_EQ(Code::not_found, pull("app:2").error().code);
  EXPECT_TRUE(entries("images/ingest").empty());
  EXPECT_EQ(2U, entries("layers").size());
  open(); // from the disk
  ASSERT_EQ(1U, store->list().size());
  EXPECT_EQ(image->size, store->list()[0].size);
}

class ImageForms : public ImageStoreTest, public testing::WithParamInterface<LayerForm> {};

TEST_P(ImageForms, StackedContentIsTheImages) {
  push(two_layers(GetParam()), "app", "1");
  const auto image = pull("app:1");
  ASSERT_TRUE(image) << image.error().message;
  auto roots = RootfsStore::open({dir / "root"}, *store);
  ASSERT_TRUE(roots) << roots.error().message;
  const std::string target = dir / "rootfs";
  ASSERT_TRUE(make_dirs(target, 0755));
  const auto prepared = (*roots)->prepare("c1", *image, target);
  ASSERT_TRUE(prepared) << prepared.error().message;
  EXPECT_EQ("kept", read_file(target + "/etc/keep").value_or("?"));
  EXPECT_FALSE(exists(target + "/etc/gone"));
  EXPECT_EQ((std::vector<std::string>{"keep"}), list_dir(target + "/etc").value_or(std::vector<std::string>{}));
  EXPECT_EQ((std::vector<std::string>{"above"}), list_dir(target + "/opaque").value_or(std::vector<std::string>{}));
  struct stat info {};
  ASSERT_EQ(0,
            ::stat((target + "/secret").c_str(), &info)); // implicit in the upper layer: the lower one's owner and mode
  EXPECT_EQ(0700U, info.st_mode & 07777);
  EXPECT_EQ(7U, info.st_uid);
  ASSERT_EQ(0, ::stat((target + "/secret/a").c_str(), &info));
  EXPECT_EQ(04755U, info.st_mode & 07777);
  EXPECT_EQ(5U, info.st_uid);
  EXPECT_EQ(6U, info.st_gid);
  ASSERT_EQ(0, ::stat((target + "/secret/c").c_str(), &info));
  EXPECT_EQ(2U, info.st_nlink);
  ASSERT_EQ(0, ::stat((target + "/dev-null").c_str(), &info));
  EXPECT_TRUE(S_ISCHR(info.st_mode));
  EXPECT_EQ(makedev(1, 3), info.st_rdev);
  EXPECT_EQ(0666U, info.st_mode & 07777);
  ASSERT_EQ(0, ::lstat((target + "/link").c_str(), &info));
  EXPECT_TRUE(S_ISLNK(info.st_mode));
  EXPECT_TRUE(RootfsStore::unmount(target));
  EXPECT_TRUE((*roots)->remove("c1"));
}

INSTANTIATE_TEST_SUITE_P(Forms, ImageForms, testing::Values(LayerForm::tar, LayerForm::tar_gzip, LayerForm::tar_zstd));

TEST_F(ImageStoreTest, LayersLiveAsLongAsAnImageOrARootfsNeedsThem) {
  auto first = two_layers(LayerForm::tar_gzip);
  push(first, "a", "1");
  first.layers.push_back({{{"more", S_IFREG | 0644, "more"}}});
  push(first, "b", "1");
  const auto a = pull("a:1");
  const auto b = pull("b:1");
  ASSERT_TRUE(a && b);
  EXPECT_EQ(3U, entries("layers").size()); // two are shared
  auto roots = RootfsStore::open({dir / "root"}, *store);
  ASSERT_TRUE(roots);
  const std::string target = dir / "rootfs";
  ASSERT_TRUE(make_dirs(target, 0755));
  ASSERT_TRUE((*roots)->prepare("c1", *b, target));
  EXPECT_TRUE(store->remove(b->id));
  EXPECT_TRUE(store->remove(b->id)); // again
  EXPECT_EQ(1U, store->list().size());
  EXPECT_EQ(3U, entries("layers").size());
  EXPECT_EQ("more", read_file(target + "/more").value_or("?"));
  open(); // holds are on the disk
  EXPECT_EQ(3U, entries("layers").size());
  roots = RootfsStore::open({dir / "root"}, *store);
  EXPECT_EQ(std::vector<std::string>{"c1"}, (*roots)->list());
  EXPECT_TRUE((*roots)->unmount(target));
  EXPECT_TRUE((*roots)->remove("c1"));
  EXPECT_TRUE((*roots)->remove("c1"));
  EXPECT_EQ(2U, entries("layers").size());
  EXPECT_TRUE(store->remove(ref("a:1")));
  EXPECT_TRUE(entries("layers").empty());
  EXPECT_TRUE(entries("images/blobs/sha256").empty());
  roots->reset(); // deletes in the background until then
  EXPECT_TRUE(entries("containers").empty());
}

TEST_F(ImageStoreTest, RemovingATagUntags) {
  push(two_layers(LayerForm::tar), "a", "1");
  const auto image = pull("a:1");
  ASSERT_TRUE(image);
  ASSERT_TRUE(store->tag(image->id, "other:2"));
  EXPECT_EQ((std::vector<std::string>{ref("a:1"), "docker.io/library/other:2"}), store->find(image->id)->repo_tags);
  EXPECT_TRUE(store->remove("other:2"));
  EXPECT_EQ((std::vector<std::string>{ref("a:1")}), store->find(image->id)->repo_tags);
  EXPECT_TRUE(store->remove(ref("a:1")));
  EXPECT_TRUE(store->list().empty());
}

TEST_F(ImageStoreTest, AMovedTagLeavesTheOldImageUnderItsDigest) {
  const auto old_image = push(two_layers(LayerForm::tar), "a", "1");
  const auto before = pull("a:1");
  auto changed = two_layers(LayerForm::tar);
  changed.layers.push_back({{{"new", S_IFREG | 0644, "new"}}});
  push(changed, "a", "1");
  const auto after = pull("a:1");
  ASSERT_TRUE(before && after);
  EXPECT_NE(before->id, after->id);
  const auto old = store->find(before->id);
  ASSERT_TRUE(old);
  EXPECT_TRUE(old->repo_tags.empty());
  EXPECT_EQ(std::vector<std::string>{ref("a@" + old_image.manifest_digest)}, old->repo_digests);
  EXPECT_EQ(after->id, store->find(ref("a:1"))->id);
}

TEST_F(ImageStoreTest, EqualPullsShareOneTransfer) {
  const auto built = push(two_layers(LayerForm::tar_gzip), "a", "1");
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (int i = 0; i < 8; ++i) threads.emplace_back([&] { good += pull("a:1") ? 1 : 0; });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(8, good);
  const std::string log = registry->log();
  std::size_t fetched = 0;
  const std::string line = "GET /v2/a/blobs/" + built.blobs.front().first;
  for (auto at = log.find(line); at != std::string::npos; at = log.find(line, at + 1)) ++fetched;
  EXPECT_LE(fetched, 2U); // the access log and the application log name a request once each
}

TEST_F(ImageStoreTest, DirectoriesAreClosedToOthers) {
  push(two_layers(LayerForm::tar), "a", "1");
  ASSERT_TRUE(pull("a:1"));
  for (const std::string name : {"", "/images", "/layers", "/images/blobs/sha256"}) {
    struct stat info {};
    ASSERT_EQ(0, ::stat((dir / ("root" + name)).c_str(), &info));
    EXPECT_EQ(0700U, info.st_mode & 07777) << name;
  }
  ASSERT_EQ(0, ::chmod((dir / "root/layers").c_str(), 0755)); // an older installation
  open();
  struct stat info {};
  ASSERT_EQ(0, ::stat((dir / "root/layers").c_str(), &info));
  EXPECT_EQ(0700U, info.st_mode & 07777);
}

TEST_F(ImageStoreTest, LoadsWhatTheArchiveNames) {
  const auto built = test::build_image(two_layers(LayerForm::tar_zstd));
  ASSERT_TRUE(built);
  ASSERT_TRUE(test::write_oci_layout(dir / "layout", *built, "example.com/loaded:3"));
  const auto loaded = store->load(dir / "layout");
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(std::vector<std::string>{"example.com/loaded:3"}, loaded->at(0).repo_tags);
  EXPECT_EQ(built->config_digest, store->find("example.com/loaded:3")->id);
  ASSERT_TRUE(test::write_oci_layout(dir / "tagged", *built, "latest"));
  EXPECT_EQ(Code::invalid_argument, store->load(dir / "tagged").error().code);
  EXPECT_TRUE(store->load(dir / "tagged", "given:1"));
  EXPECT_EQ(2U, store->find(built->config_digest)->repo_tags.size());
}

TEST_F(ImageStoreTest, LoadsTarsOfBothForms) {
  auto plain = two_layers(LayerForm::tar);
  const auto built = test::build_image(plain);
  ASSERT_TRUE(built);
  std::vector<test::TarEntry> members;
  members.push_back({"manifest.json", S_IFREG | 0644,
                     R"([{"Config":"config.json","RepoTags":["saved:1"],"Layers":["l0/layer.tar","l1/layer.tar"]}])"});
  members.push_back({"config.json", S_IFREG | 0644, built->blobs.back().second});
  members.push_back({"l0/layer.tar", S_IFREG | 0644, built->blobs[0].second});
  members.push_back({"l1", S_IFDIR | 0755});
  members.push_back({"l1/layer.tar", S_IFLNK | 0777, "", "../stored"});
  members.push_back({"stored", S_IFREG | 0644, built->blobs[1].second});
  ASSERT_TRUE(write_file_atomic(dir / "docker.tar", *test::make_tar(members)));
  const auto loaded = store->load(dir / "docker.tar");
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(built->config_digest, loaded->at(0).id);
  EXPECT_EQ(std::vector<std::string>{"docker.io/library/saved:1"}, loaded->at(0).repo_tags);
  EXPECT_EQ((std::vector<std::string>{"blobs", "holds", "index.json", "ingest"}), entries("images"));
}

TEST_F(ImageStoreTest, UsageFollowsTheContent) {
  EXPECT_EQ(0U, store->usage().bytes);
  push(two_layers(LayerForm::tar), "a", "1");
  const auto image = pull("a:1");
  ASSERT_TRUE(image);
  EXPECT_EQ(dir / "root", store->usage().mountpoint);
  EXPECT_EQ(image->size, store->usage().bytes);
  EXPECT_GE(store->usage().inodes, 10U);
  ASSERT_TRUE(store->remove(image->id));
  EXPECT_EQ(0U, store->usage().bytes);
}

} // namespace
} // namespace keelson::cri
