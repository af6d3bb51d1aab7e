#include "base/file.hpp"
#include "base/text.hpp"
#include "base/time.hpp"
#include "base/unix_socket.hpp"
#include "daemon/admin/admin_server.hpp"
#include "daemon/ctl/client.hpp"
#include "daemon/ctl/http_answer.hpp"
#include "tests/support/poll_until.hpp"
#include "tests/support/requirements.hpp"
#include "tests/support/temp_dir.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <atomic>
#include <stdexcept>
#include <thread>

namespace keelson::daemon {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

Deadline patience() {
  return Deadline::after(20s);
}

class AdminServing : public testing::Test {
 protected:
  void start(const std::function<void(AdminServerOptions&)>& change = {}) {
    AdminServerOptions options;
    options.socket = socket;
    if (change) change(options);
    auto started = AdminServer::start(
        options, [this](const AdminRequest& request, AdminStream& stream) { return answer(request, stream); });
    ASSERT_TRUE(started) << started.error().message;
    server = std::move(*started);
  }

  Result<json::value> answer(const AdminRequest& request, AdminStream& stream) {
    if (request.path == "/echo")
      return json::object{{"method", request.method}, {"body", request.body}, {"query", request.query.size()}};
    if (request.path == "/throw") throw std::runtime_error("went wrong");
    if (request.path == "/lines") {
      for (int i = 0; i < 3; ++i) stream.send({{"line", i}});
      return json::object{{"last", true}};
    }
    if (request.path == "/fail-late") {
      stream.send({{"line", 0}});
      return fail(Code::not_found, "no more");
    }
    if (request.path == "/watch") {
      stream.send(json::object{});
      ++watchers;
      while (!request.gone.stop_requested()) ::poll(nullptr, 0, 1);
      --watchers;
      return json::value(nullptr);
    }
    if (request.path == "/flood") {
      const json::value line{{"text", std::string(4096, 'x')}};
      while (stream.send(line)) {
      }
      ++floods_ended;
      return json::value(nullptr);
    }
    return fail(Code::not_found, "no such thing: {}", request.path);
  }

  UniqueFd connect() { return std::move(connect_unix(socket, 0).value()); }

  // Sends the bytes and reads until the server closes.
  std::string exchange(const std::string& bytes) {
    const UniqueFd fd = connect();
    (void)::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    std::string out;
    char block[4096];
    ssize_t got = 0;
    while ((got = ::recv(fd.get(), block, sizeof block, 0)) > 0) out.append(block, static_cast<std::size_t>(got));
    return out;
  }

  test::TempDir dir{"admin"};
  std::string socket = dir / "a.sock";
  std::atomic<int> watchers{0};
  std::atomic<int> floods_ended{0};
  std::unique_ptr<AdminServer> server; // last: its handlers use the others
};

std::size_t open_descriptors() {
  return list_dir("/proc/self/fd").value().size();
}

TEST_F(AdminServing, AnswersWithJson) {
  start();
  const auto answer = ctl::Client(socket).post("/echo?a=1&b=%41", {{"x", 1}});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->at("method"), "POST");
  EXPECT_EQ(answer->at("body"), R"({"x":1})");
  EXPECT_EQ(answer->at("query"), 2);
}

TEST_F(AdminServing, ErrorsKeepTheirCodeAndMessage) {
  start();
  const auto missing = ctl::Client(socket).get("/x");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::not_found);
  EXPECT_EQ(missing.error().message, "no such thing: /x");
  EXPECT_THAT(exchange("GET /x HTTP/1.1\r\nHost: n\r\n\r\n"), StartsWith("HTTP/1.1 404 "));
  EXPECT_EQ(ctl::Client(socket).get("/throw").error().code, Code::internal);
}

TEST_F(AdminServing, StreamsLinesAndLateErrors) {
  start();
  std::vector<std::string> lines;
  ASSERT_TRUE(ctl::Client(socket).stream("GET", "/lines", {}, [&](const json::value& line) {
    lines.push_back(json::to_text(line));
    return true;
  }));
  EXPECT_THAT(lines, testing::ElementsAre(R"({"line":0})", R"({"line":1})", R"({"line":2})", R"({"last":true})"));
  const auto late = ctl::Client(socket).stream("GET", "/fail-late", {}, [](const json::value&) { return true; });
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::not_found);
}

TEST_F(AdminServing, TheSocketIsForItsOwnerOnly) {
  start();
  struct stat info {};
  ASSERT_EQ(::stat(socket.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST_F(AdminServing, AnotherUserIsRefusedEvenWithAnOpenSocket) {
  KEELSON_REQUIRE(test::is_root(), "needs root to become another user");
  start();
  ASSERT_EQ(::chmod(socket.c_str(), 0666), 0);
  ASSERT_EQ(::chmod(dir.path().c_str(), 0755), 0);
  int pipe_fds[2];
  ASSERT_EQ(::pipe2(pipe_fds, O_CLOEXEC), 0);
  const UniqueFd reader(pipe_fds[0]);
  UniqueFd writer(pipe_fds[1]);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setresgid(65534, 65534, 65534) != 0 || ::setresuid(65534, 65534, 65534) != 0) ::_exit(1);
    const std::string text = exchange("GET /echo HTTP/1.1\r\nHost: n\r\n\r\n");
    (void)!::write(writer.get(), text.data(), std::min<std::size_t>(text.size(), 512));
    ::_exit(0);
  }
  writer.reset();
  const std::string text = read_all(reader.get(), 4096).value();
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_THAT(text, StartsWith("HTTP/1.1 403 "));
}

TEST_F(AdminServing, GarbageGetsAnErrorAndHarmsNobody) {
  start();
  using namespace std::string_literals;
  for (const std::string& garbage :
       {"\r\n\r\n\0\xff\xfe garbage"s, std::string("GET\r\n\r\n"), std::string(300, '\0'),
        std::string("GET / HTTP/9.9\r\n\r\n"), std::string("POST /echo HTTP/1.1\r\nContent-Length: -5\r\n\r\n"),
        std::string("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n"),
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello"s})
    EXPECT_THAT(exchange(garbage), StartsWith("HTTP/1.1 400 ")) << printable(garbage);
  EXPECT_THAT(exchange("GET /%zz HTTP/1.1\r\nHost: n\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(exchange("GET relative HTTP/1.1\r\nHost: n\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_TRUE(ctl::Client(socket).get("/echo"));
}

TEST_F(AdminServing, OversizedRequestsAreRefusedWithTheLimit) {
  start([](AdminServerOptions& options) { options.max_body = 1000; });
  const std::string body(200000, 'x');
  EXPECT_THAT(exchange(fmt::format("POST /echo HTTP/1.1\r\nContent-Length: {}\r\n\r\n{}", body.size(), body)),
              testing::AllOf(StartsWith("HTTP/1.1 413 "), HasSubstr("limit of 1000 bytes")));
  EXPECT_THAT(exchange("GET /echo HTTP/1.1\r\nX: " + body), StartsWith("HTTP/1.1 431 "));
  EXPECT_TRUE(ctl::Client(socket).get("/echo"));
}

TEST_F(AdminServing, ASlowRequestTimesOutAndHoldsNobodyUp) {
  start([](AdminServerOptions& options) {
    options.request_timeout = 300ms;
    options.max_threads = 1;
  });
  std::vector<UniqueFd> slow;
  for (int i = 0; i < 20; ++i) {
    slow.push_back(connect());
    ASSERT_EQ(::send(slow.back().get(), "GET /ec", 7, MSG_NOSIGNAL), 7);
  }
  EXPECT_TRUE(ctl::Client(socket).get("/echo"));
  char block[512];
  const ssize_t got = ::recv(slow.front().get(), block, sizeof block, 0);
  ASSERT_GT(got, 0);
  EXPECT_THAT(std::string(block, static_cast<std::size_t>(got)), StartsWith("HTTP/1.1 408 "));
}

TEST_F(AdminServing, AnswersAHundredAtOnce) {
  const std::size_t before = open_descriptors();
  start();
  std::atomic<int> good{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 100; ++i) {
    clients.emplace_back([&, i] {
      for (int round = 0; round < 5; ++round) {
        const auto answer = ctl::Client(socket).post("/echo", {{"i", i}});
        if (answer && answer->at("body") == json::value(fmt::format("{{\"i\":{}}}", i))) ++good;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(good, 500);
  server.reset();
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(AdminServing, AHandlerLearnsThatItsClientHasLeft) {
  start();
  {
    const UniqueFd fd = connect();
    const std::string request = ctl::request_text("GET", "/watch", "");
    ASSERT_GT(::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL), 0);
    ASSERT_TRUE(test::poll_until(patience(), [this] { return watchers == 1; }));
  }
  EXPECT_TRUE(test::poll_until(patience(), [this] { return watchers == 0; }));
}

TEST_F(AdminServing, AClientThatDoesNotReadIsGivenUp) {
  start([](AdminServerOptions& options) { options.write_timeout = 200ms; });
  const UniqueFd fd = connect();
  const std::string request = ctl::request_text("GET", "/flood", "");
  ASSERT_GT(::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL), 0);
  EXPECT_TRUE(test::poll_until(patience(), [this] { return floods_ended == 1; }));
}

TEST_F(AdminServing, EndsWithWatchersAndHalfRequestsAndRemovesItsSocket) {
  const std::size_t before = open_descriptors();
  start();
  UniqueFd watcher = connect();
  UniqueFd half = connect();
  const std::string request = ctl::request_text("GET", "/watch", "");
  ASSERT_GT(::send(watcher.get(), request.data(), request.size(), MSG_NOSIGNAL), 0);
  ASSERT_EQ(::send(half.get(), "GET ", 4, MSG_NOSIGNAL), 4);
  ASSERT_TRUE(test::poll_until(patience(), [this] { return watchers == 1; }));
  server.reset();
  EXPECT_FALSE(exists(socket));
  watcher.reset();
  half.reset();
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(AdminServing, TakesAStaleSocketButNotALiveOne) {
  start();
  AdminServerOptions options;
  options.socket = socket;
  const auto second = AdminServer::start(options, {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::already_exists);
  server.reset();
  { const UniqueFd stale = listen_unix(socket, 0600, 0).value(); }
  ASSERT_TRUE(exists(socket));
  start();
  EXPECT_TRUE(ctl::Client(socket).get("/echo"));
}

TEST(Client, SaysWhatToDoWithoutADaemon) {
  const test::TempDir dir("client");
  const auto absent = ctl::Client(dir / "none.sock").get("/v1/pods");
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().code, Code::unavailable);
  EXPECT_THAT(absent.error().message, HasSubstr("start keelsond"));
  { const UniqueFd stale = listen_unix(dir / "old.sock", 0600, 0).value(); }
  EXPECT_THAT(ctl::Client(dir / "old.sock").get("/").error().message, HasSubstr("nobody answers"));
}

TEST(ParseAnswerHead, RefusesWhatIsNotHttp) {
  EXPECT_FALSE(ctl::parse_answer_head(""));
  EXPECT_FALSE(ctl::parse_answer_head("SSH-2.0-x"));
  EXPECT_FALSE(ctl::parse_answer_head("HTTP/1.1 abc"));
  EXPECT_FALSE(ctl::parse_answer_head("HTTP/1.1 200 OK\r\nContent-Length: x"));
  const auto head = ctl::parse_answer_head("HTTP/1.1 404 Not Found\r\ncontent-length: 12");
  ASSERT_TRUE(head);
  EXPECT_EQ(head->status, 404U);
  EXPECT_EQ(head->content_length, 12U);
}

} // namespace
} // namespace keelson::daemon
