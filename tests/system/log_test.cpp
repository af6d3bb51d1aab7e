// Container logs: the format that kubelet reads, rotation, and reopening.
#include "base/file.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "base/time.hpp"
#include "tests/system/node_fixture.hpp"

#include <gmock/gmock.h>

namespace keelson::test {

namespace {

using testing::HasSubstr;

constexpr int kFailedPrecondition = 9;

class Logs : public NodeTest {};

TEST_F(Logs, LinesHaveTimeStreamTagAndText) {
  const std::string pod = use().run_pod("lines");
  const std::string id = use().run(pod, "c", "echo one; echo two >&2; printf tail");
  use().wait_exited(id);
  const auto log = use().log_of(id);
  EXPECT_EQ(log.err, "two\n");
  EXPECT_EQ(log.out, "one\ntail");
  std::string last_time;
  for (const auto line : split(trim(log.raw), '\n')) {
    const auto words = split(line, ' ');
    ASSERT_GE(words.size(), 4U) << line;
    EXPECT_TRUE(parse_rfc3339(words[0])) << line;
    EXPECT_TRUE(words[1] == "stdout" || words[1] == "stderr") << line;
    EXPECT_EQ(words[2], words[3] == "tail" ? "P" : "F") << line;
  }
}

TEST_F(Logs, LongLinesAreCutInPartsAndNothingIsLost) {
  const std::string pod = use().run_pod("long");
  const std::string id = use().run(pod, "c", "head -c 100000 /dev/zero | busybox tr '\\0' x; echo end");
  use().wait_exited(id);
  const auto log = use().log_of(id);
  EXPECT_EQ(log.out, std::string(100000, 'x') + "end\n");
  const auto lines = split(trim(log.raw), '\n');
  EXPECT_GT(lines.size(), 5U);
  for (const auto line : lines) EXPECT_LE(line.size(), 16384U + 64);
  EXPECT_THAT(std::string(lines.back()), HasSubstr(" stdout F "));
}

TEST_F(Logs, ReopenWritesToANewFileAndLosesNothing) {
  const std::string pod = use().run_pod("reopen");
  const std::string id = use().run(pod, "c", "i=0; while test $i -lt 400; do echo $i; i=$((i+1)); sleep 0.005; done");
  ASSERT_TRUE(use().wait_log(id, "20\n"));
  const std::string path = text(use().status(id), "/log_path");
  ASSERT_EQ(::rename(path.c_str(), (path + ".old").c_str()), 0);
  use().ok("ReopenContainerLog", {{"container_id", id}});
  EXPECT_TRUE(exists(path));
  use().wait_exited(id);
  std::string wanted;
  for (int i = 0; i < 400; ++i) wanted += fmt::format("{}\n", i);
  EXPECT_EQ(parse_log(read_file(path + ".old").value_or("")).out + use().log_of(id).out, wanted);
  EXPECT_NE(use().log_of(id).out, "");
  EXPECT_EQ(use().code("ReopenContainerLog", {{"container_id", id}}), kFailedPrecondition);
}

class OwnLogs : public OwnNodeTest {};

TEST_F(OwnLogs, AreRotatedByTheWriterAtTheLimit) {
  NodeOptions options;
  options.yaml = "{runtime: {logMaxSize: 65536, logMaxFiles: 3}}";
  start_node(std::move(options));
  if (HasFatalFailure()) return;
  const std::string pod = user_->run_pod("rotated");
  const std::string id = user_->run(pod, "c", "busybox seq 1 20000");
  user_->wait_exited(id);
  const std::string path = text(user_->status(id), "/log_path");
  const auto names = list_dir(path.substr(0, path.rfind('/')));
  ASSERT_TRUE(names);
  EXPECT_EQ(names->size(), 3U) << join(*names, " ");
  for (const std::string& name : *names)
    EXPECT_LE(read_file(path.substr(0, path.rfind('/')) + "/" + name, 1 << 20).value_or("").size(), 65536U + 256)
        << name;
  EXPECT_THAT(user_->log_of(id).out, testing::EndsWith("\n20000\n"));
}

} // namespace

} // namespace keelson::test
