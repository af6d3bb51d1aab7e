#include "base/file.hpp"
#include "daemon/pods/termination_message.hpp"
#include "tests/support/temp_dir.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

namespace keelson::daemon {
namespace {

ContainerRecord record(const std::string& file) {
  ContainerRecord out;
  out.state = RecordState::exited;
  out.exit_code = 1;
  out.termination_file = file;
  return out;
}

TEST(TerminationMessage, IsCutAndCleaned) {
  const keelson::test::TempDir dir;
  ASSERT_TRUE(write_file_atomic(dir / "m", std::string(10000, 'x')));
  EXPECT_EQ(termination_message(record(dir / "m"), message_limit(1)).size(), 4096U);
  EXPECT_EQ(termination_message(record(dir / "m"), message_limit(12)).size(), 1024U);
  ASSERT_TRUE(write_file_atomic(dir / "m", "a\xff"
                                           "b"));
  EXPECT_EQ(termination_message(record(dir / "m"), 100), "a\\xffb");
}

TEST(TerminationMessage, IgnoresWhatIsNoFile) {
  const keelson::test::TempDir dir;
  ASSERT_EQ(::symlink("/etc/passwd", (dir / "link").c_str()), 0);
  EXPECT_EQ(termination_message(record(dir / "link"), 100), "");
  ASSERT_EQ(::mkfifo((dir / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(termination_message(record(dir / "fifo"), 100), "");
}

TEST(TerminationMessage, FallsBackToTheLogOfAFailure) {
  const keelson::test::TempDir dir;
  ASSERT_TRUE(write_file_atomic(dir / "log", "2026-11-22T20:00:00.000000000Z stdout P half \n"
                                             "2026-11-22T20:00:00.000000001Z stdout F line\n"
                                             "2026-11-22T20:00:00.000000002Z stderr F failed: no more\n"));
  ContainerRecord failed = record("");
  failed.log_path = dir / "log";
  EXPECT_EQ(termination_message(failed, 4096), "");
  failed.fall_back_to_logs = true;
  EXPECT_EQ(termination_message(failed, 4096), "half line\nfailed: no more\n");
  EXPECT_EQ(termination_message(failed, 8), "no more\n");
  failed.exit_code = 0;
  EXPECT_EQ(termination_message(failed, 4096), "");
}

TEST(TailOfLog, SurvivesGarbage) {
  EXPECT_EQ(tail_of_log("", 10), "");
  EXPECT_EQ(tail_of_log("no spaces\n\n \n  \n", 100), "");
  EXPECT_LE(tail_of_log(std::string(100000, ' '), 10).size(), 10U);
}

} // namespace
} // namespace keelson::daemon
