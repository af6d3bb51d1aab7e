// Layers as archives really are, hostile ones first: unpacked for real, then everything around the directory is looked
// at.
#include "base/file.hpp"
#include "cri/images/layer_unpack.hpp"
#include "cri/images/sha256.hpp"
#include "cri/images/tree_walk.hpp"
#include "tests/support/requirements.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/test_image.hpp"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <chrono>
#include <random>

namespace keelson::cri {
namespace {

using Entry = test::TarEntry;
using test::LayerForm;

class LayerUnpackTest : public testing::Test {
 protected:
  void SetUp() override {
    KEELSON_REQUIRE(test::is_root(), "needs root: owners, devices, trusted xattrs");
    ASSERT_TRUE(make_dirs(dir / "out/layer", 0755));
    ASSERT_TRUE(make_dirs(dir / "outside", 0755));
    ASSERT_TRUE(write_file_atomic(dir / "outside/victim", "untouched"));
  }
  void TearDown() override {
    // Nothing beside the layer: neither new names nor other content.
    if (!test::is_root()) return;
    EXPECT_EQ((std::vector<std::string>{"blob", "out", "outside"}),
              list_dir(dir.path()).value_or(std::vector<std::string>{}));
    EXPECT_EQ(std::vector<std::string>{"layer"}, list_dir(dir / "out").value_or(std::vector<std::string>{}));
    EXPECT_EQ(std::vector<std::string>{"victim"}, list_dir(dir / "outside").value_or(std::vector<std::string>{}));
    EXPECT_EQ("untouched", read_file(dir / "outside/victim").value_or("?"));
    struct stat info {};
    ASSERT_EQ(0, ::stat((dir / "outside/victim").c_str(), &info));
    EXPECT_EQ(0600U, info.st_mode & 07777);
    EXPECT_EQ(1U, info.st_nlink);
  }

  Result<UnpackedLayer> unpack_bytes(const std::string& blob, UnpackOptions options = {}) {
    EXPECT_TRUE(write_file_atomic(dir / "blob", blob));
    TRY_ASSIGN(const auto file, open_at(AT_FDCWD, dir / "blob", O_RDONLY));
    TRY_ASSIGN(const auto layer, open_dir(dir / "out/layer"));
    options.blob_size = blob.size();
    return unpack_layer(file.get(), layer.get(), options);
  }
  Result<UnpackedLayer> unpack(const std::vector<Entry>& entries, LayerForm form = LayerForm::tar) {
    const auto tar = test::make_tar(entries, form);
    EXPECT_TRUE(tar) << (tar ? "" : tar.error().message);
    return unpack_bytes(*tar);
  }
  std::string layer(const std::string& path) const { return dir / ("out/layer/" + path); }
  std::string opaque(const std::string& path) const {
    char value[8] = {};
    return ::lgetxattr(layer(path).c_str(), "trusted.overlay.opaque", value, sizeof value) > 0 ? value : "";
  }
  bool is_whiteout(const std::string& path) const {
    struct stat info {};
    return ::lstat(layer(path).c_str(), &info) == 0 && S_ISCHR(info.st_mode) && info.st_rdev == 0;
  }

  test::TempDir dir{"layer"};
};

Entry file(const std::string& name, const std::string& content = "x") {
  return Entry{name, S_IFREG | 0644, content};
}
Entry directory(const std::string& name) {
  return Entry{name, S_IFDIR | 0755};
}
Entry symlink_to(const std::string& name, const std::string& target) {
  return Entry{name, S_IFLNK | 0777, "", target};
}

TEST_F(LayerUnpackTest, DiffIdIsTheDigestOfThePlainTar) {
  const auto tar = test::make_tar({file("a")});
  for (const auto form : {LayerForm::tar, LayerForm::tar_gzip, LayerForm::tar_zstd}) {
    const auto unpacked = unpack({file("a")}, form);
    ASSERT_TRUE(unpacked) << unpacked.error().message;
    EXPECT_EQ(sha256_digest(*tar), unpacked->diff_id);
  }
}

TEST_F(LayerUnpackTest, PathsCannotLeave) {
  for (const std::string name : {"../escape", "../../outside/victim", "a/../../outside/victim"})
    EXPECT_FALSE(unpack({file(name, "evil")})) << name;
  ASSERT_TRUE(unpack({file(dir / "outside/victim", "evil")})); // absolute: below the root
  EXPECT_EQ("evil", read_file(layer(dir / "outside/victim")).value_or("?"));
}

TEST_F(LayerUnpackTest, WritingThroughLinksStaysInside) {
  EXPECT_TRUE(unpack({symlink_to("abs", dir / "outside"), file("abs/new", "evil"), file("abs/victim", "evil")}));
  EXPECT_EQ("evil", read_file(layer(dir / "outside/victim")).value_or("?"));
  EXPECT_TRUE(unpack({symlink_to("rel", "../../../../../../../.." + dir.path() + "/outside"), file("rel/x", "evil")}));
  EXPECT_TRUE(unpack({symlink_to("up", "../.."), file("up/escape", "evil")}));
  EXPECT_EQ("evil", read_file(layer("escape")).value_or("?"));
  EXPECT_FALSE(unpack({symlink_to("loop", "loop"), file("loop/x")}));
  EXPECT_FALSE(unpack({symlink_to("p", "/proc/self/root/p"), symlink_to("proc/self/root", "/"), file("p/q")}));
}

TEST_F(LayerUnpackTest, ALinkIsReplacedNotFollowed) {
  ASSERT_TRUE(unpack({symlink_to("l", dir / "outside/victim"), file("l", "own")}));
  struct stat info {};
  ASSERT_EQ(0, ::lstat(layer("l").c_str(), &info));
  EXPECT_TRUE(S_ISREG(info.st_mode));
  EXPECT_EQ("own", read_file(layer("l")).value_or("?"));
  ASSERT_TRUE(unpack({symlink_to("d", dir / "outside"), directory("d"), file("d/f")}));
  ASSERT_EQ(0, ::lstat(layer("d").c_str(), &info));
  EXPECT_TRUE(S_ISDIR(info.st_mode));
}

TEST_F(LayerUnpackTest, HardLinksStayInside) {
  const auto link = [](const std::string& name, const std::string& target) {
    return Entry{name, S_IFREG | 0644, "", "", target};
  };
  EXPECT_FALSE(unpack({link("h", dir / "outside/victim")}));
  EXPECT_FALSE(unpack({link("h", "../../outside/victim")}));
  EXPECT_FALSE(unpack({symlink_to("s", dir / "outside"), link("h", "s/victim")}));
  EXPECT_FALSE(unpack({directory("d"), link("h", "d")}));
  ASSERT_TRUE(unpack({file("a", "one"), symlink_to("sym", dir / "outside/victim"), link("b", "a"), link("c", "sym"),
                      file("b", "two")}));
  EXPECT_EQ("one", read_file(layer("a")).value_or("?")); // the later entry does not write through the link
  struct stat info {};
  ASSERT_EQ(0, ::lstat(layer("c").c_str(), &info));
  EXPECT_TRUE(S_ISLNK(info.st_mode));
}

TEST_F(LayerUnpackTest, WhiteoutsSpeakOfTheLayersBelow) {
  ASSERT_TRUE(unpack({file("own"), file(".wh.own"), file(".wh.gone"), file(".wh.back"), directory("back"),
                      directory("kept"), file("kept/x"), file(".wh.kept"), file("o/.wh..wh..opq"), file("o/y"),
                      file(".wh.w"), file("w/inside"), file("f"), directory("f")}));
  EXPECT_EQ("x", read_file(layer("own")).value_or("?"));
  EXPECT_TRUE(is_whiteout("gone"));
  EXPECT_EQ("y", opaque("back"));
  EXPECT_EQ("y", opaque("kept"));
  EXPECT_TRUE(exists(layer("kept/x")));
  EXPECT_EQ("y", opaque("o"));
  EXPECT_TRUE(exists(layer("o/y")));
  EXPECT_EQ("y", opaque("w"));
  EXPECT_TRUE(exists(layer("w/inside")));
  EXPECT_EQ("y", opaque("f"));
  EXPECT_FALSE(exists(layer("o/.wh..wh..opq")));
}

TEST_F(LayerUnpackTest, KeepsWhatTheImageSays) {
  Entry caps = file("caps");
  caps.mode = S_IFREG | 06755;
  caps.uid = 123456;
  caps.gid = 65534;
  const std::string capability("\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 20);
  caps.xattrs = {{"security.capability", capability}, {"user.note", "n"}, {"trusted.overlay.opaque", "y"}};
  Entry sticky = directory("tmp");
  sticky.mode = S_IFDIR | 01777;
  const std::string decomposed = "e\xcc\x81"; // must not become U+00E9
  ASSERT_TRUE(unpack({caps, sticky, file("tmp/x"), file(decomposed), file("latin\xe9")}));
  struct stat info {};
  ASSERT_EQ(0, ::stat(layer("caps").c_str(), &info));
  EXPECT_EQ(06755U, info.st_mode & 07777);
  EXPECT_EQ(123456U, info.st_uid);
  EXPECT_EQ(65534U, info.st_gid);
  char value[64] = {};
  EXPECT_EQ(20, ::lgetxattr(layer("caps").c_str(), "security.capability", value, sizeof value));
  EXPECT_EQ(-1, ::lgetxattr(layer("caps").c_str(), "trusted.overlay.opaque", value, sizeof value));
  ASSERT_EQ(0, ::stat(layer("tmp").c_str(), &info));
  EXPECT_EQ(01777U, info.st_mode & 07777);
  EXPECT_TRUE(exists(layer(decomposed)));
  EXPECT_TRUE(exists(layer("latin\xe9")));
}

TEST_F(LayerUnpackTest, DanglingParentLinksLeadInside) {
  ASSERT_TRUE(unpack(
      {symlink_to("var/run", "/run"), file("var/run/x"), symlink_to("a", "b/../c"), directory("b"), file("a/y")}));
  EXPECT_TRUE(exists(layer("run/x")));
  EXPECT_TRUE(exists(layer("c/y")));
}

TEST_F(LayerUnpackTest, LinksCannotMakeItDeep) {
  std::vector<Entry> entries;
  std::string part = "d";
  for (int i = 1; i < 200; ++i) part += "/d";
  entries.push_back(file(part + "/f"));
  entries.push_back(symlink_to("s", part));
  entries.push_back(file("s/" + part + "/f"));
  const auto unpacked = unpack(entries);
  ASSERT_FALSE(unpacked);
  EXPECT_EQ(Code::invalid_argument, unpacked.error().code);
  const auto out = open_dir(dir / "out");
  EXPECT_TRUE(remove_tree_at(out->get(), "layer"));
  ASSERT_TRUE(make_dirs(dir / "out/layer", 0755));
}

TEST_F(LayerUnpackTest, ManyWhiteoutsShareAnInode) {
  std::vector<Entry> entries;
  for (int i = 0; i < 20000; ++i) entries.push_back(file("d/.wh..wh..opq", ""));
  for (int i = 0; i < 20000; ++i) entries.push_back(file("d/.wh." + std::to_string(i), ""));
  const auto unpacked = unpack(entries);
  ASSERT_TRUE(unpacked) << unpacked.error().message;
  EXPECT_LT(unpacked->inodes, 5U);
  struct stat info {};
  ASSERT_EQ(0, ::lstat(layer("d/19999").c_str(), &info));
  EXPECT_TRUE(is_whiteout("d/19999"));
  EXPECT_GE(info.st_nlink, 10000U);
}

TEST_F(LayerUnpackTest, ExpansionIsBounded) {
  const auto bomb = test::make_tar({file("zeros", std::string(std::size_t{64} << 20, '\0'))}, LayerForm::tar_zstd);
  ASSERT_TRUE(bomb);
  UnpackOptions options;
  auto unpacked = unpack_bytes(*bomb, options); // zstd: more than 1100 times
  ASSERT_FALSE(unpacked);
  EXPECT_EQ(Code::resource_exhausted, unpacked.error().code);
  options.max_ratio = 1000000;
  options.limits.max_bytes = std::uint64_t{1} << 20;
  unpacked = unpack_bytes(*bomb, options);
  ASSERT_FALSE(unpacked);
  EXPECT_EQ(Code::resource_exhausted, unpacked.error().code);
}

TEST_F(LayerUnpackTest, DamagedArchivesFailAndHarmNothing) {
  const auto good = test::make_tar({directory("a"), file("a/b", std::string(5000, 'b')), symlink_to("l", "a/b"),
                                    Entry{"h", S_IFREG | 0644, "", "", "a/b"}, file(std::string(150, 'n'))},
                                   LayerForm::tar);
  ASSERT_TRUE(good);
  std::mt19937 random(42);
  int failed = 0;
  for (int i = 0; i < 300; ++i) {
    std::string bytes = *good;
    for (int flips = 0; flips < 1 + i % 20; ++flips) bytes[random() % bytes.size()] = static_cast<char>(random());
    if (i % 5 == 0) bytes.resize(random() % bytes.size());
    failed += unpack_bytes(bytes) ? 0 : 1;
    const auto out = open_dir(dir / "out");
    ASSERT_TRUE(remove_tree_at(out->get(), "layer"));
    ASSERT_TRUE(make_dirs(dir / "out/layer", 0755));
  }
  EXPECT_GT(failed, 20);
  for (const std::string& garbage :
       {std::string(10000, '\xff'), std::string("\x1f\x8b\x08garbage"), std::string("\x28\xb5\x2f\xfdgarbage"),
        std::string("PK\x03\x04"), std::string(1000, 'a')})
    EXPECT_FALSE(unpack_bytes(garbage));
  EXPECT_TRUE(unpack_bytes(""));
  EXPECT_TRUE(unpack_bytes(std::string(1024, '\0')));
}

TEST_F(LayerUnpackTest, ATruncatedGzipIsAnError) {
  const auto good = test::make_tar({file("a", std::string(100000, 'a'))}, LayerForm::tar_gzip);
  EXPECT_FALSE(unpack_bytes(good->substr(0, good->size() / 2)));
}

TEST_F(LayerUnpackTest, AFullDiskSaysSo) {
  ASSERT_EQ(0, ::mount("tmpfs", (dir / "out/layer").c_str(), "tmpfs", 0, "size=1m"));
  const auto unpacked = unpack({file("big", std::string(std::size_t{2} << 20, 'x'))});
  EXPECT_EQ(0, ::umount2((dir / "out/layer").c_str(), MNT_DETACH));
  ASSERT_FALSE(unpacked);
  EXPECT_EQ(Code::resource_exhausted, unpacked.error().code);
  EXPECT_EQ(ENOSPC, unpacked.error().sys_errno);
}

TEST(TreeRemovalTest, RemovesWhatIsDeeperThanAPathCanSay) {
  KEELSON_REQUIRE(test::is_root(), "needs root: a tmpfs, where ten thousand directories take no time");
  const test::TempDir dir("deep");
  ASSERT_EQ(0, ::mount("tmpfs", dir.path().c_str(), "tmpfs", 0, "size=128m"));
  auto at = open_dir(dir.path());
  ASSERT_TRUE(at);
  for (int i = 0; i < 5000; ++i) {
    ASSERT_EQ(0, ::mkdirat(at->get(), "d", 0755));
    auto next = open_dir_at(at->get(), "d");
    ASSERT_TRUE(next);
    ASSERT_TRUE(write_file_atomic_at(next->get(), "f", "x"));
    at = std::move(next);
  }
  const auto top = open_dir(dir / "d");
  const auto usage = measure_tree(top->get());
  ASSERT_TRUE(usage);
  EXPECT_EQ(9999U, usage->inodes);
  const auto root = open_dir(dir.path());
  const auto removed = remove_tree_at(root->get(), "d");
  EXPECT_TRUE(removed) << removed.error().message;
  EXPECT_TRUE(list_dir(dir.path())->empty());
}

TEST(TreeRemovalTest, StopsAtAMount) {
  KEELSON_REQUIRE(test::is_root(), "needs root: mounts");
  const test::TempDir dir("mounted");
  ASSERT_TRUE(make_dirs(dir / "t/m", 0755));
  ASSERT_EQ(0, ::mount("tmpfs", (dir / "t/m").c_str(), "tmpfs", 0, "size=64k"));
  ASSERT_TRUE(write_file_atomic(dir / "t/m/precious", "x"));
  const auto root = open_dir(dir.path());
  EXPECT_EQ(Code::failed_precondition, remove_tree_at(root->get(), "t").error().code);
  EXPECT_TRUE(exists(dir / "t/m/precious"));
  ASSERT_EQ(0, ::umount((dir / "t/m").c_str()));
  EXPECT_TRUE(remove_tree_at(root->get(), "t"));
}

} // namespace
} // namespace keelson::cri
