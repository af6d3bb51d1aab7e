// The test support itself: a leak check that sees nothing would let every other test pass.
#include "base/file.hpp"
#include "base/process.hpp"
#include "tests/support/leak_check.hpp"
#include "tests/support/poll_until.hpp"
#include "tests/support/requirements.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/test_image.hpp"

#include <gmock/gmock.h>
#include <sys/mount.h>

#include <csignal>

namespace keelson::test {

namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::chrono::milliseconds kAtOnce{0};

TEST(LeakCheck, SeesFilesAndDescriptors) {
  const TempDir dir;
  const LeakCheck check({.paths = {dir.path()}, .descriptors = true});
  EXPECT_THAT(check.leaks(kAtOnce), IsEmpty());
  {
    const auto file = open_at(AT_FDCWD, dir / "left", O_CREAT | O_WRONLY, 0600);
    ASSERT_TRUE(file.has_value());
    EXPECT_THAT(check.leaks(kAtOnce), Contains(HasSubstr("descriptor")));
  }
  EXPECT_THAT(check.leaks(kAtOnce), Contains("file " + (dir / "left")));
}

TEST(LeakCheck, SeesOrphansOfChildrenAndReapsThem) {
  const LeakCheck check({.paths = {"/nonexistent"}});
  const auto out = check_output({"sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!"});
  ASSERT_TRUE(out.has_value()) << out.error().message;
  const pid_t orphan = std::stoi(*out);
  EXPECT_THAT(check.leaks(kAtOnce), Contains(HasSubstr("process "))); // still the shell, or sleep already
  ::kill(orphan, SIGKILL);
  EXPECT_THAT(check.leaks(), IsEmpty());
}

TEST(TempDir, IsRemovedWithItsContent) {
  std::string path;
  {
    const TempDir dir;
    path = dir.path();
    ASSERT_TRUE(make_dirs(dir / "a/b", 0700).has_value());
    ASSERT_TRUE(write_file_atomic(dir / "a/b/c", "x").has_value());
  }
  EXPECT_FALSE(exists(path));
}

TEST(PollUntil, StopsAtTheDeadline) {
  int asked = 0;
  EXPECT_FALSE(poll_until(Deadline::after(std::chrono::milliseconds(20)), [&] { return ++asked < 0; }));
  EXPECT_GT(asked, 1);
  EXPECT_TRUE(poll_until(Deadline::after(std::chrono::hours(1)), [&] { return ++asked > 5; }));
}

TEST(TestImage, IsTheSameEveryTime) {
  const auto image = busybox_image();
  ASSERT_TRUE(image.has_value()) << image.error().message;
  const auto one = build_image(*image);
  const auto two = build_image(*image);
  ASSERT_TRUE(one.has_value() && two.has_value());
  EXPECT_EQ(one->manifest_digest, two->manifest_digest);
  ASSERT_EQ(one->blobs.size(), 3U);
  for (const auto& [digest, content] : one->blobs) EXPECT_EQ(digest, sha256_digest(content));
}

TEST(TestImage, IsAnOciLayoutOnDisk) {
  const TempDir dir;
  const auto built = build_image({.layers = {{.entries = {{.name = "file", .content = "hello"}}}}});
  ASSERT_TRUE(built.has_value());
  ASSERT_TRUE(write_oci_layout(dir.path(), *built, "1").has_value());
  EXPECT_EQ(read_file(dir / ("blobs/sha256/" + built->manifest_digest.substr(7))).value_or(""), built->manifest);
  EXPECT_THAT(read_file(dir / "index.json").value_or(""), HasSubstr(built->manifest_digest));
}

} // namespace

} // namespace keelson::test
