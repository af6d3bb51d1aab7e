// A pulling process is killed at random points; the next one must see a whole store. And disks that are full.
#include "base/file.hpp"
#include "cri/images/image_store.hpp"
#include "tests/cri/images/fault_server.hpp"
#include "tests/support/requirements.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/test_image.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <map>
#include <random>
#include <thread>

namespace keelson::cri {
namespace {

// An honest registry of one image, "app:1".
class OneImageRegistry {
 public:
  explicit OneImageRegistry(const test::BuiltImage& built)
      : built_(built)
      , blobs_(built.blobs.begin(), built.blobs.end())
      , server_([this](const test::FaultRequest& request) { return answer(request); }) {}
  std::string reference() const { return server_.host() + "/app:1"; }

 private:
  test::FaultAnswer answer(const test::FaultRequest& request) const {
    if (request.path == "/v2/app/manifests/1") return {200, {{"Content-Type", built_.manifest_type}}, built_.manifest};
    const auto blob = blobs_.find(request.path.substr(request.path.rfind('/') + 1));
    if (blob == blobs_.end()) return {404, {}, ""};
    const auto range = request.headers.find("range");
    if (range == request.headers.end()) return {200, {}, blob->second};
    const auto start = std::stoul(range->second.substr(6));
    return {206,
            {{"Content-Range", fmt::format("bytes {}-{}/{}", start, blob->second.size() - 1, blob->second.size())}},
            blob->second.substr(start)};
  }

  test::BuiltImage built_;
  std::map<std::string, std::string> blobs_;
  test::FaultServer server_;
};

test::BuiltImage large_image() {
  std::mt19937 random(3);
  test::TestImage image;
  for (int layer = 0; layer < 4; ++layer) {
    test::TestImageLayer made;
    for (int i = 0; i < 40; ++i) {
      std::string content(50000, '\0');
      for (auto& c : content) c = static_cast<char>(random());
      made.entries.push_back({fmt::format("d{}/f{}", layer, i), S_IFREG | 0644, content});
    }
    image.layers.push_back(std::move(made));
  }
  return test::build_image(image).value();
}

ImageStoreOptions options_in(const std::string& root) {
  ImageStoreOptions o;
  o.root = root;
  o.platform = "linux/amd64";
  o.retry_delay = std::chrono::milliseconds(1);
  return o;
}

Result<Image> pull_into(const std::string& root, const std::string& reference) {
  TRY_ASSIGN(const auto store, ImageStore::open(options_in(root)));
  PullRequest request;
  request.reference = reference;
  return store->pull(request);
}

std::size_t entries(const std::string& path) {
  return list_dir(path).value_or(std::vector<std::string>{}).size();
}

TEST(ImageCrash, APullThatIsKilledLeavesNothingVisibleAndIsFinishedByTheNext) {
  KEELSON_REQUIRE(test::is_root(), "needs root: owners of unpacked files");
  const test::TempDir dir("crash");
  const auto built = large_image();
  const OneImageRegistry registry(built);
  std::mt19937 random(1);
  int whole = 0;
  for (int round = 0; round < 15; ++round) {
    const std::string root = dir / std::to_string(round);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) ::_exit(pull_into(root, registry.reference()) ? 0 : 1);
    ::poll(nullptr, 0, static_cast<int>(random() % 150)); // the moment is what the test varies
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(child, ::waitpid(child, &status, 0));
    auto store = ImageStore::open(options_in(root));
    ASSERT_TRUE(store) << store.error().message;
    const auto list = (*store)->list();
    whole += list.empty() ? 0 : 1;
    EXPECT_EQ(list.empty() ? 0U : 4U, entries(root + "/layers"));
    EXPECT_EQ(list.empty() ? 0U : 2U, entries(root + "/images/blobs/sha256"));
    PullRequest request;
    request.reference = registry.reference();
    const auto image = (*store)->pull(request);
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_EQ(4U, entries(root + "/layers"));
    EXPECT_EQ(40U, entries((*store)->layer_path(image->layers[3]) + "/d3"));
    EXPECT_EQ(0U, entries(root + "/images/ingest"));
  }
  EXPECT_LT(whole, 15);
}

TEST(ImageCrash, AFullDiskIsSaidAndFreed) {
  KEELSON_REQUIRE(test::is_root(), "needs root: mounts");
  const test::TempDir dir("full");
  const auto built = large_image();
  const OneImageRegistry registry(built);
  // Fits neither the download; nor, with more room, what it expands to beside it.
  for (const std::string size : {"1m", "9m", "12m"}) {
    const std::string root = dir / size;
    ASSERT_TRUE(make_dirs(root, 0755));
    ASSERT_EQ(0, ::mount("tmpfs", root.c_str(), "tmpfs", 0, ("size=" + size).c_str()));
    {
      auto store = ImageStore::open(options_in(root));
      ASSERT_TRUE(store) << store.error().message;
      PullRequest request;
      request.reference = registry.reference();
      const auto image = (*store)->pull(request);
      ASSERT_FALSE(image);
      EXPECT_EQ(Code::resource_exhausted, image.error().code) << image.error().message;
      EXPECT_NE(std::string::npos, image.error().message.find("remove images")) << image.error().message;
      EXPECT_TRUE((*store)->list().empty());
      EXPECT_EQ(0U, entries(root + "/layers"));
      EXPECT_EQ(0U, entries(root + "/images/ingest"));
      EXPECT_EQ(0U, entries(root + "/images/blobs/sha256"));
    }
    ASSERT_EQ(0, ::umount(root.c_str()));
  }
}

TEST(ImageCrash, DamageOnTheDiskIsSeenAtTheStart) {
  KEELSON_REQUIRE(test::is_root(), "needs root: owners of unpacked files");
  const test::TempDir dir("damage");
  const auto built = large_image();
  const OneImageRegistry registry(built);
  const std::string root = dir / "root";
  const auto image = pull_into(root, registry.reference());
  ASSERT_TRUE(image) << image.error().message;
  const std::string config = root + "/images/blobs/sha256/" + image->id.substr(7);
  const auto content = read_file(config);
  ASSERT_TRUE(content);
  ASSERT_TRUE(write_file_atomic(config, *content + " "));
  {
    const auto store = ImageStore::open(options_in(root));
    ASSERT_TRUE(store);
    EXPECT_TRUE((*store)->list().empty());
  }
  EXPECT_EQ(0U, entries(root + "/layers"));
  ASSERT_TRUE(pull_into(root, registry.reference()));
  ASSERT_TRUE(remove_tree(root + "/layers/" + image->layers[1].substr(7)));
  EXPECT_TRUE((*ImageStore::open(options_in(root)))->list().empty());
  ASSERT_TRUE(write_file_atomic(root + "/images/index.json", "garbage"));
  EXPECT_TRUE((*ImageStore::open(options_in(root)))->list().empty());
  EXPECT_EQ("garbage", read_file(root + "/images/index.json.damaged").value_or("?"));
  ASSERT_TRUE(write_file_atomic(root + "/images/index.json", R"({"version":99,"images":[]})"));
  const auto newer = ImageStore::open(options_in(root));
  ASSERT_FALSE(newer);
  EXPECT_NE(std::string::npos, newer.error().message.find("index.json: version 99"));
}

} // namespace
} // namespace keelson::cri
