// Root file systems over images that lie in archives: no registry needed.
#include "base/file.hpp"
#include "cri/images/image_store.hpp"
#include "cri/images/rootfs_store.hpp"
#include "tests/support/leak_check.hpp"
#include "tests/support/requirements.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/test_image.hpp"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>

namespace keelson::cri {
namespace {

using test::TestImage;

class RootfsTest : public testing::Test {
 protected:
  void SetUp() override {
    KEELSON_REQUIRE(test::is_root(), "needs root: mounts");
    ImageStoreOptions o;
    o.root = root;
    o.platform = "linux/amd64";
    auto opened = ImageStore::open(o);
    ASSERT_TRUE(opened) << opened.error().message;
    images = std::move(*opened);
    reopen(false);
    ASSERT_TRUE(make_dirs(target, 0755));
  }
  void TearDown() override {
    roots.reset();
    images.reset();
    EXPECT_EQ(std::vector<std::string>(), leaks.leaks());
  }
  void reopen(bool legacy) {
    RootfsOptions o;
    o.root = root;
    o.legacy_mount = legacy;
    o.usage_max_age = std::chrono::milliseconds(0);
    auto opened = RootfsStore::open(o, *images);
    ASSERT_TRUE(opened) << opened.error().message;
    roots = std::move(*opened);
  }
  Image load(const TestImage& image, const std::string& name) {
    const auto built = test::build_image(image);
    EXPECT_TRUE(built);
    EXPECT_TRUE(test::write_oci_layout(dir / "layout", *built, name));
    auto loaded = images->load(dir / "layout");
    EXPECT_TRUE(loaded) << loaded.error().message;
    EXPECT_TRUE(remove_tree(dir / "layout"));
    return loaded->at(0);
  }
  static TestImage image_of(std::vector<test::TarEntry> entries) {
    TestImage image;
    image.layers.push_back({std::move(entries), test::LayerForm::tar});
    return image;
  }

  test::LeakCheck leaks;
  test::TempDir dir{"rootfs"};
  // A long path: option strings are short.
  const std::string root = dir / (std::string(120, 'r') + "/" + std::string(120, 's'));
  const std::string target = dir / "target";
  std::unique_ptr<ImageStore> images;
  std::unique_ptr<RootfsStore> roots;
};

class RootfsMounts : public RootfsTest, public testing::WithParamInterface<bool> {};

TEST_P(RootfsMounts, StacksAsManyLayersAsAnImageMayHave) {
  TestImage image;
  for (int i = 0; i < 127; ++i)
    image.layers.push_back(
        {{{"layer" + std::to_string(i), S_IFREG | 0644, std::to_string(i)}, {"top", S_IFREG | 0644, std::to_string(i)}},
         test::LayerForm::tar});
  const auto loaded = load(image, "example.com/many:1");
  reopen(GetParam());
  const auto prepared = roots->prepare("c", loaded, target);
  ASSERT_TRUE(prepared) << prepared.error().message;
  EXPECT_EQ("126", read_file(target + "/top").value_or("?"));
  EXPECT_EQ("0", read_file(target + "/layer0").value_or("?"));
  EXPECT_EQ(128U, list_dir(target)->size());
  EXPECT_TRUE(write_file_atomic(target + "/written", "w"));
  const auto upper = roots->upper_path("c");
  ASSERT_TRUE(upper);
  EXPECT_TRUE(exists(*upper + "/written"));
  EXPECT_TRUE(RootfsStore::unmount(target));
  EXPECT_TRUE(RootfsStore::unmount(target));
  ASSERT_TRUE(roots->mount("c", target));
  EXPECT_EQ("w", read_file(target + "/written").value_or("?"));
  EXPECT_TRUE(RootfsStore::unmount(target));
  EXPECT_TRUE(roots->remove("c"));
}

INSTANTIATE_TEST_SUITE_P(Ways, RootfsMounts, testing::Bool());

TEST_F(RootfsTest, AnImageWithoutLayersIsAnEmptyRoot) {
  const auto loaded = load(TestImage(), "example.com/nothing:1");
  ASSERT_TRUE(roots->prepare("c", loaded, target));
  EXPECT_TRUE(list_dir(target)->empty());
  EXPECT_TRUE(write_file_atomic(target + "/x", "x"));
  EXPECT_TRUE(RootfsStore::unmount(target));
  EXPECT_TRUE(roots->remove("c"));
  ASSERT_TRUE(roots->mount_image_readonly("v", loaded, target));
  EXPECT_TRUE(list_dir(target)->empty());
  EXPECT_TRUE(roots->unmount_image("v", target));
  EXPECT_TRUE(roots->list().empty());
}

TEST_F(RootfsTest, ImagesAreMountedReadOnly) {
  auto image = image_of({{"a", S_IFREG | 0644, "a"}});
  const auto one = load(image, "example.com/one:1");
  image.layers.push_back({{{"b", S_IFREG | 0644, "b"}}});
  const auto two = load(image, "example.com/two:1");
  for (const auto& loaded : {one, two}) {
    ASSERT_TRUE(roots->mount_image_readonly("v", loaded, target));
    EXPECT_EQ("a", read_file(target + "/a").value_or("?"));
    const auto written = write_file_atomic(target + "/x", "x");
    ASSERT_FALSE(written);
    EXPECT_EQ(EROFS, written.error().sys_errno);
    EXPECT_TRUE(images->remove(loaded.id));
    EXPECT_EQ("a", read_file(target + "/a").value_or("?"));
    EXPECT_TRUE(roots->unmount_image("v", target));
  }
  EXPECT_TRUE(list_dir(root + "/layers")->empty());
}

TEST_F(RootfsTest, TheRootsOwnerAndModeAreTheImages) {
  const auto loaded = load(image_of({{"./", S_IFDIR | 0711, "", "", "", 12, 34}}), "example.com/r:1");
  ASSERT_TRUE(roots->prepare("c", loaded, target));
  struct stat info {};
  ASSERT_EQ(0, ::stat(target.c_str(), &info));
  EXPECT_EQ(0711U, info.st_mode & 07777);
  EXPECT_EQ(12U, info.st_uid);
  EXPECT_EQ(34U, info.st_gid);
  ASSERT_EQ(0, ::stat((root + "/containers/c").c_str(), &info));
  EXPECT_EQ(0700U, info.st_mode & 07777);
  EXPECT_TRUE(RootfsStore::unmount(target));
  EXPECT_TRUE(roots->remove("c"));
}

TEST_F(RootfsTest, UsageIsTheWritableLayers) {
  const auto loaded = load(image_of({{"big", S_IFREG | 0644, std::string(1 << 20, 'x')}}), "example.com/u:1");
  ASSERT_TRUE(roots->prepare("c", loaded, target));
  EXPECT_EQ(0U, roots->usage("c")->inodes);
  ASSERT_TRUE(make_dirs(target + "/d/e", 0755));
  ASSERT_TRUE(write_file_atomic(target + "/d/e/f", std::string(300000, 'y')));
  ::sync();
  const auto usage = roots->usage("c");
  ASSERT_TRUE(usage);
  EXPECT_EQ(3U, usage->inodes);
  EXPECT_GE(usage->bytes, 300000U);
  EXPECT_LT(usage->bytes, 400000U);
  EXPECT_TRUE(RootfsStore::unmount(target));
  EXPECT_TRUE(roots->remove("c"));
  EXPECT_EQ(Code::not_found, roots->usage("c").error().code);
}

TEST_F(RootfsTest, AFailedPrepareLeavesNothing) {
  const auto loaded = load(image_of({{"a", S_IFREG | 0644, "a"}}), "example.com/f:1");
  EXPECT_FALSE(roots->prepare("c", loaded, dir / "absent"));
  EXPECT_TRUE(roots->list().empty());
  EXPECT_FALSE(roots->prepare("../c", loaded, target));
  EXPECT_FALSE(roots->prepare("", loaded, target));
  ASSERT_TRUE(roots->prepare("c", loaded, target));
  EXPECT_EQ(Code::already_exists, roots->prepare("c", loaded, dir / "absent").error().code);
  EXPECT_EQ("a", read_file(target + "/a").value_or("?"));
  EXPECT_TRUE(RootfsStore::unmount(target));
  EXPECT_TRUE(roots->remove("c"));
  ASSERT_TRUE(images->remove(loaded.id));
  EXPECT_EQ(Code::failed_precondition, roots->prepare("c", loaded, target).error().code);
}

TEST_F(RootfsTest, RemoveDoesNotReachThroughAMount) {
  const auto loaded = load(image_of({{"a", S_IFREG | 0644, "a"}}), "example.com/m:1");
  ASSERT_TRUE(roots->prepare("c", loaded, target));
  const std::string inside = root + "/containers/c/upper/mnt";
  ASSERT_TRUE(make_dirs(inside, 0755));
  ASSERT_EQ(0, ::mount("tmpfs", inside.c_str(), "tmpfs", 0, "size=64k"));
  ASSERT_TRUE(write_file_atomic(inside + "/precious", "x"));
  EXPECT_TRUE(RootfsStore::unmount(target));
  EXPECT_TRUE(roots->remove("c"));
  EXPECT_TRUE(roots->list().empty());
  roots.reset(); // the deletion has been tried
  const auto left = list_dir(root + "/containers");
  ASSERT_TRUE(left);
  ASSERT_EQ(1U, left->size());
  const std::string moved = root + "/containers/" + left->front() + "/upper/mnt";
  EXPECT_TRUE(exists(moved + "/precious"));
  ASSERT_EQ(0, ::umount(moved.c_str()));
  reopen(false);
  roots.reset();
  EXPECT_TRUE(list_dir(root + "/containers")->empty());
}

// Threats: CVE-2022-23648.
TEST_F(RootfsTest, VolumeContentComesFromInsideOnly) {
  ASSERT_TRUE(make_dirs(dir / "host", 0755));
  ASSERT_TRUE(write_file_atomic(dir / "host/secret", "secret"));
  test::TarEntry owned{"data/file", S_IFREG | 0640, "content", "", "", 9, 10};
  const auto loaded = load(image_of({{"data", S_IFDIR | 0750, "", "", "", 7, 8},
                                     owned,
                                     {"data/link", S_IFLNK | 0777, "", dir / "host/secret"},
                                     {"data/pipe", S_IFIFO | 0600},
                                     {"evil", S_IFLNK | 0777, "", dir / "host"},
                                     {"up", S_IFLNK | 0777, "", "../../../../../.." + dir.path() + "/host"},
                                     {"file", S_IFREG | 0644, "f"}}),
                           "example.com/v:1");
  ASSERT_TRUE(roots->prepare("c", loaded, target));
  int count = 0;
  const auto copy = [&](const std::string& path) {
    const std::string out = dir / ("copy" + std::to_string(count++));
    EXPECT_TRUE(make_dirs(out, 0755));
    const auto copied = RootfsStore::copy_volume_content(target, path, out);
    EXPECT_TRUE(copied) << copied.error().message;
    return out;
  };
  const std::vector<std::string> outside = {"/evil", "/up",     "../../../../" + dir.path() + "/host",   dir / "host",
                                            "/file", "/absent", "/data/../../../" + dir.path() + "/host"};
  for (const auto& path : outside) EXPECT_TRUE(list_dir(copy(path))->empty()) << path;
  const auto out = copy("/data/");
  EXPECT_EQ((std::vector<std::string>{"file", "link", "pipe"}), *list_dir(out));
  EXPECT_EQ("content", read_file(out + "/file").value_or("?"));
  struct stat info {};
  ASSERT_EQ(0, ::stat(out.c_str(), &info));
  EXPECT_EQ(0750U, info.st_mode & 07777);
  EXPECT_EQ(7U, info.st_uid);
  ASSERT_EQ(0, ::stat((out + "/file").c_str(), &info));
  EXPECT_EQ(0640U, info.st_mode & 07777);
  EXPECT_EQ(9U, info.st_uid);
  ASSERT_EQ(0, ::lstat((out + "/link").c_str(), &info));
  EXPECT_TRUE(S_ISLNK(info.st_mode));
  EXPECT_EQ(Code::resource_exhausted, RootfsStore::copy_volume_content(target, "/data", dir / "copy0", 3).error().code);
  EXPECT_TRUE(RootfsStore::unmount(target));
  EXPECT_TRUE(roots->remove("c"));
}

} // namespace
} // namespace keelson::cri
