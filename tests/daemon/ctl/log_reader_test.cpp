#include "base/file.hpp"
#include "daemon/ctl/log_line.hpp"
#include "daemon/ctl/log_reader.hpp"
#include "tests/support/temp_dir.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <thread>

namespace keelson::daemon::ctl {
namespace {

std::string line(const std::string& text, char tag = 'F', const char* stream = "stdout") {
  return fmt::format("2026-11-22T18:00:00.000000001Z {} {} {}\n", stream, tag, text);
}

class LogReading : public testing::Test {
 protected:
  void append(const std::string& name, const std::string& text) {
    const UniqueFd fd(::open((dir / name).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
    ASSERT_TRUE(fd);
    ASSERT_TRUE(write_all(fd.get(), text));
  }
  void rotate(const std::string& to) { ASSERT_EQ(::rename((dir / "0.log").c_str(), (dir / to).c_str()), 0); }

  LogReader open(std::optional<std::uint64_t> tail = std::nullopt) {
    auto reader = LogReader::open(dir / "0.log", tail);
    EXPECT_TRUE(reader) << (reader ? "" : reader.error().message);
    return std::move(*reader);
  }
  std::vector<std::string> texts(LogReader& reader) {
    std::vector<std::string> out;
    EXPECT_TRUE(reader.drain([&](std::string_view text) {
      const auto parsed = parse_log_line(text);
      out.emplace_back(parsed ? parsed->text : text);
      return true;
    }));
    return out;
  }
  using Texts = std::vector<std::string>;

  test::TempDir dir{"logs"};
};

TEST_F(LogReading, RotatedFilesComeFirstOldestFirst) {
  append("0.log.20261122-170000", line("a"));
  append("0.log.20261122-170000-001", line("b"));
  append("0.log.20261122-180000", line("c"));
  append("0.log.20261122-160000.gz", "not text");
  append("0.log", line("d"));
  LogReader reader = open();
  EXPECT_EQ(texts(reader), (Texts{"a", "b", "c", "d"}));
}

TEST_F(LogReading, TailGoesAcrossFilesAndKeepsPartialBeginnings) {
  append("0.log.20261122-170000", line("a") + line("b1", 'P'));
  append("0.log", line("b2") + line("c"));
  LogReader two = open(2);
  EXPECT_EQ(texts(two), (Texts{"b1", "b2", "c"}));
  LogReader one = open(1);
  EXPECT_EQ(texts(one), (Texts{"c"}));
  LogReader none = open(0);
  EXPECT_EQ(texts(none), (Texts{}));
  LogReader all = open(99);
  EXPECT_EQ(texts(all), (Texts{"a", "b1", "b2", "c"}));
}

TEST_F(LogReading, TailOfALongLogReadsOnlyWhatItNeeds) {
  std::string text;
  for (int i = 0; i < 20000; ++i) text += line(fmt::format("line {}", i));
  append("0.log", text);
  LogReader reader = open(3);
  EXPECT_EQ(texts(reader), (Texts{"line 19997", "line 19998", "line 19999"}));
}

TEST_F(LogReading, SeveralRotationsBetweenTwoReadsLoseNothing) {
  append("0.log", line("a"));
  LogReader reader = open();
  EXPECT_EQ(texts(reader), (Texts{"a"}));
  append("0.log", line("b"));
  rotate("0.log.20261122-170000");
  append("0.log", line("c"));
  rotate("0.log.20261122-180000");
  append("0.log", line("d"));
  EXPECT_EQ(texts(reader), (Texts{"b", "c", "d"}));
}

TEST_F(LogReading, WhatWasPrunedIsSkippedAndTheRestIsRead) {
  append("0.log", line("a"));
  LogReader reader = open();
  EXPECT_EQ(texts(reader), (Texts{"a"}));
  append("0.log", line("b"));
  rotate("0.log.20261122-170000");
  append("0.log", line("c"));
  rotate("0.log.20261122-180000");
  ASSERT_EQ(::unlink((dir / "0.log.20261122-170000").c_str()), 0);
  append("0.log", line("d"));
  EXPECT_EQ(texts(reader), (Texts{"b", "c", "d"})); // the open file is read although its name is gone
}

TEST_F(LogReading, AHalfWrittenLineWaitsForItsEnd) {
  const std::string whole = line("hello");
  append("0.log", whole.substr(0, 40));
  LogReader reader = open();
  EXPECT_EQ(texts(reader), (Texts{}));
  append("0.log", whole.substr(40));
  EXPECT_EQ(texts(reader), (Texts{"hello"}));
}

TEST_F(LogReading, TruncationStartsAnew) {
  append("0.log", line("a") + line("b"));
  LogReader reader = open();
  EXPECT_EQ(texts(reader).size(), 2U);
  ASSERT_EQ(::truncate((dir / "0.log").c_str(), 0), 0);
  append("0.log", line("c"));
  EXPECT_EQ(texts(reader), (Texts{"c"}));
}

TEST_F(LogReading, AMissingLogIsNamed) {
  const auto reader = LogReader::open(dir / "none.log", std::nullopt);
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().code, Code::not_found);
  EXPECT_NE(reader.error().message.find("none.log"), std::string::npos);
}

TEST_F(LogReading, FollowsAWriterThatRotatesAllTheTime) {
  constexpr int kLines = 3000;
  append("0.log", line("0"));
  LogReader reader = open();
  std::thread writer([this] {
    for (int i = 1; i < kLines; ++i) {
      append("0.log", line(std::to_string(i)));
      if (i % 100 == 0) rotate(fmt::format("0.log.20261122-{:06}", i));
    }
    append("0.log", line(std::to_string(kLines)));
  });
  Texts seen;
  const Deadline deadline = Deadline::after(std::chrono::seconds(60));
  while (seen.size() < kLines + 1 && !deadline.passed()) {
    ASSERT_TRUE(reader.wait(Deadline::after(std::chrono::milliseconds(200))));
    for (std::string& text : texts(reader)) seen.push_back(std::move(text));
  }
  writer.join();
  ASSERT_EQ(seen.size(), static_cast<std::size_t>(kLines + 1));
  for (int i = 0; i <= kLines; ++i) ASSERT_EQ(seen[static_cast<std::size_t>(i)], std::to_string(i));
}

TEST(ParseLogLine, RefusesOtherForms) {
  EXPECT_FALSE(parse_log_line(""));
  EXPECT_FALSE(parse_log_line("no time here"));
  EXPECT_FALSE(parse_log_line("2026 stdin F x"));
  EXPECT_FALSE(parse_log_line("2026 stdout X x"));
  const auto empty = parse_log_line("2026 stderr F");
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->text, "");
  EXPECT_EQ(parse_log_line("2026 stdout P:x a b")->text, "a b");
}

TEST(LineJoiner, JoinsEachStreamByItself) {
  LineJoiner joiner;
  EXPECT_FALSE(joiner.add({"t1", "stdout", true, "out-"}));
  EXPECT_FALSE(joiner.add({"t2", "stderr", true, "err-"}));
  const auto out = joiner.add({"t3", "stdout", false, "end"});
  ASSERT_TRUE(out);
  EXPECT_EQ(out->text, "out-end");
  EXPECT_EQ(out->time, "t1");
  const auto rest = joiner.rest();
  ASSERT_TRUE(rest);
  EXPECT_EQ(rest->text, "err-");
  EXPECT_FALSE(joiner.rest());
}

TEST(LineJoiner, AnEndlessLineComesInPieces) {
  LineJoiner joiner;
  const std::string part(16384, 'x');
  std::size_t given = 0;
  std::size_t pieces = 0;
  for (int i = 0; i < 1000; ++i) {
    if (const auto piece = joiner.add({"t", "stdout", true, part})) {
      EXPECT_FALSE(piece->complete);
      given += piece->text.size();
      ++pieces;
    }
  }
  if (const auto last = joiner.add({"t", "stdout", false, ""})) given += last->text.size();
  EXPECT_EQ(given, 1000 * part.size());
  EXPECT_GT(pieces, 10U);
}

} // namespace
} // namespace keelson::daemon::ctl
