#include "base/file.hpp"
#include "base/process.hpp"
#include "tests/support/leak_check.hpp"
#include "tests/support/mounts.hpp"
#include "tests/support/requirements.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/test_image.hpp"
#include "tests/support/test_registry.hpp"

#include <gmock/gmock.h>
#include <sys/mount.h>

namespace keelson::test {

namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

Result<std::string> fetch(const std::string& url, const std::string& login = "") {
  std::vector<std::string> command = {
      "curl", "-sS", "--fail", "--noproxy", "*", "-H", "Accept: application/vnd.oci.image.manifest.v1+json", url};
  if (!login.empty()) command.insert(command.end(), {"-u", login});
  return check_output(command);
}

TEST(TempDirOnRoot, UnmountsWhatIsBelowIt) {
  KEELSON_REQUIRE(is_root(), "mounting needs root");
  std::string path;
  {
    const TempDir dir;
    const LeakCheck check({.paths = {dir.path()}});
    path = dir.path();
    ASSERT_TRUE(make_dirs(dir / "m", 0700).has_value());
    ASSERT_EQ(::mount("tmpfs", (dir / "m").c_str(), "tmpfs", 0, nullptr), 0);
    ASSERT_EQ(::mount("tmpfs", (dir / "m").c_str(), "tmpfs", 0, nullptr), 0);
    EXPECT_THAT(check.leaks(std::chrono::milliseconds(0)), Contains("mount " + (dir / "m") + " #2"));
  }
  EXPECT_FALSE(exists(path));
  for (const auto& point : mount_points()) EXPECT_FALSE(is_below(point, path)) << point;
}

class Registry : public testing::Test {
 protected:
  void SetUp() override { KEELSON_REQUIRE(has_program("docker-registry"), "docker-registry is not installed"); }
};

TEST_F(Registry, ServesPushedImagesAndSurvivesARestart) {
  const LeakCheck check({.paths = {"/nonexistent"}});
  {
    const auto registry = TestRegistry::start();
    ASSERT_TRUE(registry.has_value()) << registry.error().message;
    const auto image = busybox_image();
    ASSERT_TRUE(image.has_value());
    const auto built = build_image(*image);
    ASSERT_TRUE(built.has_value());
    const auto pushed = push_image(**registry, *built, "library/busybox", "1");
    ASSERT_TRUE(pushed.has_value()) << pushed.error().message;
    ASSERT_TRUE((*registry)->restart().has_value());
    const auto tags = fetch((*registry)->url() + "/v2/library/busybox/tags/list");
    EXPECT_THAT(tags.value_or(""), HasSubstr("\"1\""));
    const auto& [digest, content] = built->blobs[0];
    EXPECT_EQ(read_file((*registry)->blob_path(digest), std::size_t{8} << 20).value_or(""), content);
  }
  EXPECT_THAT(check.leaks(), IsEmpty());
}

TEST_F(Registry, WantsThePasswordItWasGiven) {
  const auto registry = TestRegistry::start({.user = "ann", .password = "secret"});
  ASSERT_TRUE(registry.has_value()) << registry.error().message;
  const auto built = build_image({.layers = {{.entries = {{.name = "file", .content = "hello"}}}}});
  ASSERT_TRUE(built.has_value());
  const auto pushed = push_image(**registry, *built, "small", "1");
  ASSERT_TRUE(pushed.has_value()) << pushed.error().message;
  const auto url = (*registry)->url() + "/v2/small/tags/list";
  EXPECT_TRUE(fetch(url, "ann:secret").has_value());
  EXPECT_FALSE(fetch(url, "ann:wrong").has_value());
  EXPECT_FALSE(fetch(url).has_value());
}

TEST_F(Registry, TakesTheImageOfTheScript) {
  const auto registry = TestRegistry::start({.user = "ann", .password = "secret"});
  ASSERT_TRUE(registry.has_value()) << registry.error().message;
  const std::vector<std::string> command = {
      "env", "KEELSON_REGISTRY_LOGIN=ann:secret", KEELSON_MAKE_IMAGE, "push", (*registry)->host(), "library/busybox:1"};
  const auto digest = check_output(command);
  ASSERT_TRUE(digest.has_value()) << digest.error().message;
  const auto manifest = fetch(
      (*registry)->url() + "/v2/library/busybox/manifests/" + digest->substr(0, digest->find('\n')), "ann:secret");
  ASSERT_TRUE(manifest.has_value()) << manifest.error().message;
  EXPECT_EQ(check_output(command).value_or(""), *digest); // repeatable, byte for byte
}

} // namespace

} // namespace keelson::test
