#include "base/file.hpp"
#include "base/text.hpp"
#include "cri/monitor/line_framer.hpp"
#include "cri/monitor/log_file.hpp"
#include "cri/monitor/runtime_log.hpp"
#include "tests/support/temp_dir.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <random>

namespace keelson::cri::monitor {
namespace {

class Collected final : public LineSink {
 public:
  void line(bool full, std::string_view first, std::string_view second) override {
    lines.push_back((full ? "F " : "P ") + std::string(first) + std::string(second));
  }
  std::string content() const {
    std::string text;
    for (const std::string& line : lines) text += line.substr(2) + (line[0] == 'F' ? "\n" : "");
    return text;
  }
  std::vector<std::string> lines;
};

using Lines = std::vector<std::string>;

TEST(LineFramer, JoinsALineOfSeveralReads) {
  Collected sink;
  LineFramer framer(false);
  framer.feed("a\nb", sink);
  framer.feed("c", sink);
  framer.feed("d\n\ne", sink);
  EXPECT_EQ(sink.lines, (Lines{"F a", "F bcd", "F "}));
  framer.flush(sink);
  EXPECT_EQ(sink.lines.back(), "P e");
  framer.flush(sink);
  EXPECT_EQ(sink.lines.size(), 4U);
}

TEST(LineFramer, LineOfExactlyTheLimitIsFull) {
  Collected sink;
  LineFramer framer(false);
  framer.feed(std::string(LineFramer::kMaxLine, 'x') + "\n", sink);
  framer.feed(std::string(LineFramer::kMaxLine + 1, 'y') + "\n", sink);
  ASSERT_EQ(sink.lines.size(), 3U);
  EXPECT_EQ(sink.lines[0][0], 'F');
  EXPECT_EQ(sink.lines[1].size(), LineFramer::kMaxLine + 2);
  EXPECT_EQ(sink.lines[2], "F y");
}

TEST(LineFramer, CarriageReturnIsDroppedForTerminalsOnly) {
  Collected terminal;
  LineFramer terminal_framer(true);
  terminal_framer.feed("a\r", terminal);
  terminal_framer.feed("\nb\r\n\r\nc\rd\r\n", terminal);
  EXPECT_EQ(terminal.lines, (Lines{"F a", "F b", "F ", "F c\rd"}));
  Collected pipe;
  LineFramer pipe_framer(false);
  pipe_framer.feed("a\r\n", pipe);
  EXPECT_EQ(pipe.lines, (Lines{"F a\r"}));
}

TEST(LineFramer, RandomChunksLoseNothing) {
  std::mt19937 random(7);
  std::string text;
  while (text.size() < 600000)
    text += std::string(random() % 40000, static_cast<char>('a' + random() % 26)) + (random() % 3 ? "\n" : "");
  Collected sink;
  LineFramer framer(false);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = 1 + random() % 70000;
    framer.feed(std::string_view(text).substr(at, size), sink);
    at += size;
  }
  framer.flush(sink);
  EXPECT_EQ(sink.content(), text);
  for (const std::string& line : sink.lines) ASSERT_LE(line.size(), LineFramer::kMaxLine + 2);
}

class LogFileTest : public ::testing::Test {
 protected:
  LogFile open(std::uint64_t max_size, std::uint64_t max_files) {
    auto log = LogFile::open({dir_ / "0.log", max_size, max_files}, scratch_);
    EXPECT_TRUE(log) << log.error().message;
    return std::move(*log);
  }
  std::vector<std::string> files() const { return *list_dir(dir_.path()); }
  std::string text(const std::string& name) const { return *read_file(dir_ / name, std::size_t{8} << 20); }

  test::TempDir dir_{"log"};
  Scratch scratch_ = std::move(*Scratch::allocate());
};

TEST_F(LogFileTest, NeverExceedsItsSizeAndKeepsItsCountInOrder) {
  LogFile log = open(1000, 4);
  for (int i = 0; i < 5000; ++i) log.append("head ", "line ", fmt::format("{:04}", i));
  log.flush();
  const auto names = files();
  ASSERT_EQ(names.size(), 4U);
  std::string all;
  for (std::size_t i = 1; i < names.size(); ++i) all += text(names[i]);
  all += text("0.log");
  for (const std::string& name : names) EXPECT_LE(text(name).size(), 1000U) << name;
  const auto lines = split(trim(all), '\n');
  for (std::size_t i = 0; i < lines.size(); ++i)
    ASSERT_EQ(lines[i], fmt::format("head line {:04}", 5000 - lines.size() + i));
}

TEST_F(LogFileTest, RotatedNameIsKubeletsForm) {
  LogFile log = open(10, 2);
  log.append("", "123456789", "");
  log.append("", "abcdefghi", "");
  log.flush();
  const auto names = files();
  ASSERT_EQ(names.size(), 2U);
  ASSERT_EQ(names[1].size(), std::string("0.log.20261122-185500").size());
  EXPECT_EQ(names[1][14], '-');
  EXPECT_EQ(text(names[1]), "123456789\n");
  EXPECT_EQ(text("0.log"), "abcdefghi\n");
}

TEST_F(LogFileTest, LineOverTheLimitIsWrittenWhole) {
  LogFile log = open(10, 2);
  log.append("", std::string(5000, 'x'), "");
  log.append("", "small", "");
  log.flush();
  EXPECT_EQ(text("0.log"), "small\n");
  EXPECT_EQ(text(files()[1]).size(), 5001U);
}

TEST_F(LogFileTest, CountOfOneKeepsOnlyTheActiveFile) {
  LogFile log = open(10, 1);
  for (int i = 0; i < 10; ++i) log.append("", "12345678", "");
  log.flush();
  EXPECT_EQ(files(), (Lines{"0.log"}));
}

TEST_F(LogFileTest, ContinuesAnExistingFile) {
  ASSERT_TRUE(write_file_atomic(dir_ / "0.log", "old line\n"));
  LogFile log = open(12, 3);
  log.append("", "new", "");
  log.flush();
  EXPECT_EQ(text("0.log"), "new\n");
  EXPECT_EQ(files().size(), 2U);
}

TEST_F(LogFileTest, SurvivesTheLossOfItsDirectory) {
  LogFile log = open(10, 2);
  ASSERT_TRUE(remove_tree(dir_ / "0.log"));
  for (int i = 0; i < 5; ++i) log.append("", "12345678", "");
  log.flush();
  EXPECT_EQ(text("0.log"), "12345678\n");
}

TEST_F(LogFileTest, TakesNoFifoAndNoSymlink) {
  ASSERT_EQ(::mkfifo((dir_ / "fifo").c_str(), 0600), 0);
  EXPECT_FALSE(LogFile::open({dir_ / "fifo", 0, 5}, scratch_));
  ASSERT_EQ(::symlink("0.log", (dir_ / "link").c_str()), 0);
  EXPECT_EQ(LogFile::open({dir_ / "link", 0, 5}, scratch_).error().sys_errno, ELOOP);
}

TEST(LogTimestamp, IsRfc3339WithNanoseconds) {
  const std::string stamp = log_timestamp();
  ASSERT_EQ(stamp.size(), 30U);
  EXPECT_EQ(stamp[10], 'T');
  EXPECT_EQ(stamp[19], '.');
  EXPECT_EQ(stamp.back(), 'Z');
}

TEST(RuntimeLog, LastErrorWins) {
  EXPECT_EQ(
      last_runtime_error("{\"level\":\"error\",\"msg\":\"first\"}\n"
                         "garbage {\"level\n"
                         "{\"level\":\"warning\",\"msg\":\"a warning\"}\n"
                         "{\"level\":\"error\",\"msg\":\"exec: \\\"x\\\": not\\u0020found\\n\",\"time\":\"t\"}\n"),
      "exec: \"x\": not found ");
  EXPECT_EQ(last_runtime_error(""), "");
  EXPECT_EQ(last_runtime_error("{\"level\":\"error\",\"msg\":\"cut\\"), "cut\\");
}

} // namespace
} // namespace keelson::cri::monitor
