#include "health/prober.hpp"
#include "tests/health/grpc_server.hpp"
#include "tests/health/loopback_server.hpp"
#include "tests/health/process_figures.hpp"
#include "tests/health/tls_server.hpp"
#include "tests/support/poll_until.hpp"
#include "tests/support/temp_dir.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

namespace keelson::health {
namespace {

using namespace std::chrono_literals;
using Connection = LoopbackServer::Connection;

constexpr auto kPatience = 5s; // for probes that are expected to end by themselves

HttpAction get(std::uint16_t port, std::string path = "/") {
  return {false, "127.0.0.1", port, std::move(path), {}};
}

ProbeOutcome probe_script(Prober& prober, LoopbackServer::Script script, std::chrono::nanoseconds timeout = kPatience) {
  const LoopbackServer server(std::move(script));
  return prober.run(get(server.port()), timeout);
}

std::string ok(std::string_view body) {
  return fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", body.size(), body);
}

TEST(HttpProber, SucceedsAndSendsTheRequest) {
  Prober prober({"kube-probe/9.9", 1});
  std::string seen;
  std::mutex mutex;
  const LoopbackServer server([&](Connection& c) {
    const std::string request = c.read_request();
    {
      const std::lock_guard lock(mutex);
      seen = request;
    }
    c.send(ok("fine"));
  });
  HttpAction action = get(server.port(), "/live?x=1");
  action.headers = {{"Host", "web.example"}, {"X-Custom", "1"}};
  const auto outcome = prober.run(action, kPatience);
  EXPECT_EQ(outcome.verdict, Verdict::success) << outcome.message;
  EXPECT_EQ(outcome.message, "fine");
  const std::lock_guard lock(mutex);
  EXPECT_EQ(seen, "GET /live?x=1 HTTP/1.1\r\nHost: web.example\r\nX-Custom: 1\r\nUser-Agent: kube-probe/9.9\r\n"
                  "Accept: */*\r\nConnection: close\r\n\r\n");
}

TEST(HttpProber, JudgesTheStatus) {
  Prober prober;
  const auto down = probe_script(prober, answer("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"));
  EXPECT_EQ(down.verdict, Verdict::failure);
  EXPECT_EQ(down.message, "HTTP probe failed with statuscode: 503");
  EXPECT_EQ(probe_script(prober, answer("HTTP/1.1 204 No Content\r\n\r\n")).verdict, Verdict::success);
  EXPECT_EQ(probe_script(prober, answer("HTTP/1.0 200 OK\r\n\r\nuntil the end")).message, "until the end");
  EXPECT_EQ(probe_script(prober, answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"))
                .message,
            "abc");
  EXPECT_EQ(
      probe_script(prober, answer("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" + ok("late")))
          .message,
      "late");
}

TEST(HttpProber, TakesWhatGosClientTakes) {
  Prober prober;
  EXPECT_EQ(probe_script(prober, answer("HTTP/1.1 200 OK\n\nbare")).message, "bare"); // printf ... | nc -l
  EXPECT_EQ(probe_script(prober, answer("HTTP/1.1 200\r\n\r\nno reason")).message, "no reason");
  EXPECT_EQ(probe_script(prober, answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n"
                                        "3\r\nabc\r\n0\r\n\r\n"))
                .message,
            "abc");
  const auto no_http = probe_script(prober, answer("SSH-2.0-OpenSSH_9.2\r\n"));
  EXPECT_EQ(no_http.verdict, Verdict::failure);
  EXPECT_NE(no_http.message.find("malformed HTTP response"), std::string::npos) << no_http.message;
}

TEST(HttpProber, RefusedConnectionIsAFailureWithTheAddress) {
  Prober prober;
  const auto port = closed_port();
  const auto outcome = prober.run(get(port, "/x"), kPatience);
  EXPECT_EQ(outcome.verdict, Verdict::failure);
  EXPECT_EQ(outcome.message,
            fmt::format("Get \"http://127.0.0.1:{0}/x\": dial tcp 127.0.0.1:{0}: connect: connection refused", port));
}

TEST(HttpProber, FollowsRedirectsOnTheSameHostOnly) {
  Prober prober;
  const LoopbackServer target([](Connection& c) {
    c.send(c.read_request().rfind("GET /moved?a HTTP", 0) == 0 ? ok("arrived") : "HTTP/1.1 500 No\r\n\r\n");
  });
  const LoopbackServer hop(answer(fmt::format(
      "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{}/moved?a\r\nContent-Length: 0\r\n\r\n", target.port())));
  const auto followed = prober.run(get(hop.port()), kPatience);
  EXPECT_EQ(followed.verdict, Verdict::success);
  EXPECT_EQ(followed.message, "arrived");

  const LoopbackServer elsewhere(answer(fmt::format(
      "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2:{}/\r\nContent-Length: 3\r\n\r\nbye", target.port())));
  const auto stopped = prober.run(get(elsewhere.port()), kPatience);
  EXPECT_EQ(stopped.verdict, Verdict::warning);
  EXPECT_EQ(stopped.message, "Probe terminated redirects, Response body: bye");
  EXPECT_EQ(target.accepted(), 1U) << "the other host was not asked";

  const LoopbackServer circle(answer("HTTP/1.1 301 Moved\r\nLocation: /again\r\n\r\n"));
  const auto endless = prober.run(get(circle.port()), kPatience);
  EXPECT_EQ(endless.verdict, Verdict::failure);
  EXPECT_NE(endless.message.find("stopped after 10 redirects"), std::string::npos) << endless.message;
  EXPECT_EQ(circle.accepted(), 10U);

  EXPECT_EQ(probe_script(prober, answer("HTTP/1.1 302 Found\r\nLocation: file:///etc/shadow\r\n\r\n")).verdict,
            Verdict::failure);
  EXPECT_EQ(probe_script(prober, answer("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n")).verdict, Verdict::warning);
}

TEST(HttpProber, ReadsNoMoreThanTenKibibytes) {
  Prober prober;
  const auto outcome = probe_script(prober, [](Connection& c) {
    c.read_request();
    c.send("HTTP/1.1 200 OK\r\n\r\n");
    const std::string block(64 << 10, 'x');
    while (c.send(block)) {
    }
  });
  EXPECT_EQ(outcome.verdict, Verdict::success);
  EXPECT_TRUE(outcome.message == std::string(10 << 10, 'x'));
  EXPECT_EQ(probe_script(prober, answer("HTTP/1.1 200 OK\r\nContent-Length: 999999999999999999\r\n\r\n" +
                                        std::string(20 << 10, 'y')))
                .verdict,
            Verdict::success);
}

TEST(HttpProber, HttpsTakesAnyCertificate) {
  Prober prober;
  test::TempDir directory;
  for (const char* response : {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "HTTP/1.1 200 OK\r\n\r\nhi"}) {
    auto server = TlsServer::start(directory.path(), response);
    ASSERT_TRUE(server) << server.error().message;
    HttpAction action = get((*server)->port());
    action.tls = true;
    auto outcome = prober.run(action, kPatience);
    EXPECT_EQ(outcome.verdict, Verdict::success) << outcome.message;
    EXPECT_EQ(outcome.message, "hi");
    action.host = "localhost"; // with a server name in the handshake
    EXPECT_EQ(prober.run(action, kPatience).verdict, Verdict::success);
    action.tls = false;
    outcome = prober.run(action, kPatience);
    EXPECT_EQ(outcome.verdict, Verdict::failure) << "plain HTTP to a TLS port";
    EXPECT_EQ(outcome.message.find("deadline"), std::string::npos) << outcome.message;
  }
  HttpAction plain_port = get(0);
  const LoopbackServer server(answer(ok("")));
  plain_port.port = server.port();
  plain_port.tls = true;
  EXPECT_EQ(prober.run(plain_port, 500ms).verdict, Verdict::failure) << "TLS to a plain HTTP port";
}

TEST(HttpProber, UnusableActionsAreFailures) {
  Prober prober;
  HttpAction action = get(80);
  action.host = "";
  EXPECT_EQ(prober.run(action, kPatience).verdict, Verdict::failure);
  action.host = std::string(100'000, 'a');
  EXPECT_EQ(prober.run(action, kPatience).verdict, Verdict::failure);
  action.host = "no-such-host.invalid";
  EXPECT_EQ(prober.run(action, kPatience).verdict, Verdict::failure);
  action.host = "127.0.0.1";
  action.headers = {{"X", "a\nb"}};
  EXPECT_EQ(prober.run(action, kPatience).verdict, Verdict::failure);
}

struct Hostile {
  const char* name;
  bool times_out; // otherwise it ends at once
  LoopbackServer::Script script;
};

bool drip(Connection& c, std::string_view text) {
  for (const char letter : text) {
    if (!c.send({&letter, 1}) || !c.wait(20)) return false;
  }
  return true;
}

void flood(Connection& c, std::string_view text) {
  std::string block;
  while (block.size() < 16 << 10) block += text;
  while (c.send(block)) {
  }
}

// Servers that speak, but never to an end.
std::vector<Hostile> endless_servers() {
  return {
      {"silent", true, [](Connection& c) { c.wait(-1); }},
      {"reads and says nothing", true,
       [](Connection& c) {
         c.read_request();
         c.wait(-1);
       }},
      {"drips its header", true,
       [](Connection& c) {
         c.read_request();
         while (drip(c, "HTTP/1.1 200 OK\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")) {
         }
       }},
      {"drips its body", true,
       [](Connection& c) {
         c.read_request();
         c.send("HTTP/1.1 200 OK\r\n\r\n");
         while (drip(c, "abcdefgh")) {
         }
       }},
      {"promises a body", true,
       [](Connection& c) {
         c.read_request();
         c.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx");
         c.wait(-1);
       }},
      {"endless header", false,
       [](Connection& c) {
         c.read_request();
         c.send("HTTP/1.1 200 OK\r\n");
         flood(c, "X-Header: value\r\n");
       }},
      {"endless header line", false,
       [](Connection& c) {
         c.read_request();
         c.send("HTTP/1.1 200 OK\r\nX: ");
         flood(c, "aaaa");
       }},
      {"endless informational", false,
       [](Connection& c) {
         c.read_request();
         flood(c, "HTTP/1.1 100 Continue\r\n\r\n");
       }},
      {"endless chunk extension", false,
       [](Connection& c) {
         c.read_request();
         c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;");
         flood(c, "aaaa");
       }},
      {"garbage", false,
       [](Connection& c) {
         c.read_request();
         c.send(std::string("\x00\xff\x16\x03garbage\r\n\r\n", 15));
       }},
      {"endless garbage", false,
       [](Connection& c) {
         c.read_request();
         flood(c, "\xff\xfe\x00");
       }},
  };
}

// Servers that end, but not as they should.
std::vector<Hostile> broken_servers() {
  return {
      {"another protocol", false,
       [](Connection& c) {
         c.send("SSH-2.0-OpenSSH_9.2\r\n");
         c.read_request();
       }},
      {"closes at once", false, [](Connection&) {}},
      {"closes after the request", false, [](Connection& c) { c.read_request(); }},
      {"closes in the header", false,
       [](Connection& c) {
         c.read_request();
         c.send("HTTP/1.1 200 OK\r\nX");
       }},
      {"bad chunk", false,
       [](Connection& c) {
         c.read_request();
         c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
       }},
      {"two lengths", false,
       [](Connection& c) {
         c.read_request();
         c.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx");
       }},
      {"short body", false,
       [](Connection& c) {
         c.read_request();
         c.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx");
       }},
  };
}

std::vector<Hostile> hostile_servers() {
  std::vector<Hostile> all = endless_servers();
  for (Hostile& broken : broken_servers()) all.push_back(std::move(broken));
  return all;
}

// All at once, plain and TLS: each ends as a failure in its time, and no thread, descriptor or megabyte stays.
TEST(HttpProber, HostileServersNeitherHangNorGrowIt) {
  Prober prober;
  EXPECT_EQ(probe_script(prober, answer(ok(""))).verdict, Verdict::success); // warm
  const auto fds = open_fds();
  const auto thread_count = threads();
  const long resident = resident_kib();
  {
    struct Running {
      std::string name;
      bool times_out;
      std::unique_ptr<LoopbackServer> server;
      std::atomic<int> ends{0};
      ProbeOutcome outcome;
      std::chrono::steady_clock::duration took{};
    };
    std::vector<std::unique_ptr<Running>> all;
    for (Hostile& hostile : hostile_servers()) {
      for (const bool tls : {false, true}) {
        auto running = std::make_unique<Running>();
        running->name = std::string(hostile.name) + (tls ? " (TLS)" : "");
        running->times_out = hostile.times_out || tls; // some of them wait for a request that TLS never sends
        running->server = std::make_unique<LoopbackServer>(hostile.script);
        HttpAction action = get(running->server->port());
        action.tls = tls;
        const auto began = std::chrono::steady_clock::now();
        prober.start(action, running->times_out ? 400ms : 4s, [r = running.get(), began](ProbeOutcome outcome) {
          r->took = std::chrono::steady_clock::now() - began;
          r->outcome = std::move(outcome);
          ++r->ends;
        });
        all.push_back(std::move(running));
      }
    }
    for (const auto& running : all) {
      ASSERT_TRUE(test::poll_until(Deadline::after(6s), [&] { return running->ends > 0; })) << running->name;
      EXPECT_EQ(running->outcome.verdict, Verdict::failure) << running->name << ": " << running->outcome.message;
      EXPECT_FALSE(running->outcome.message.empty()) << running->name;
      EXPECT_LT(running->took, running->times_out ? 1500ms : 6s) << running->name;
    }
    EXPECT_TRUE(!kMemoryIsOurs || resident_kib() - resident < 32 << 10) << resident_kib() - resident << " KiB";
    for (const auto& running : all) EXPECT_EQ(running->ends, 1) << running->name;
  }
  EXPECT_TRUE(test::poll_until(Deadline::after(2s), [&] { return open_fds() <= fds && threads() <= thread_count; }))
      << open_fds() << " descriptors of " << fds << ", " << threads() << " threads of " << thread_count;
}

TEST(HttpProber, TimeoutSaysWhereItWaited) {
  Prober prober;
  const auto header = probe_script(
      prober, [](Connection& c) { c.wait(-1); }, 100ms);
  EXPECT_NE(header.message.find("context deadline exceeded (Client.Timeout exceeded while awaiting headers)"),
            std::string::npos)
      << header.message;
  const auto body = probe_script(
      prober,
      [](Connection& c) {
        c.send("HTTP/1.1 200 OK\r\n\r\nx");
        c.wait(-1);
      },
      100ms);
  EXPECT_NE(body.message.find("while reading body"), std::string::npos) << body.message;
}

TEST(TcpProber, SucceedsOnAcceptAndFailsOnRefusal) {
  Prober prober;
  const LoopbackServer server([](Connection& c) { c.wait(-1); });
  EXPECT_EQ(prober.run(TcpAction{"127.0.0.1", server.port()}, kPatience).verdict, Verdict::success);
  EXPECT_EQ(prober.run(TcpAction{"localhost", server.port()}, kPatience).verdict, Verdict::success);
  const auto port = closed_port();
  const auto refused = prober.run(TcpAction{"127.0.0.1", port}, kPatience);
  EXPECT_EQ(refused.verdict, Verdict::failure);
  EXPECT_EQ(refused.message, fmt::format("dial tcp 127.0.0.1:{}: connect: connection refused", port));
}

// Debian's gRPC is not instrumented: ThreadSanitizer sees none of its locks and complains of all that it does.
#ifdef __SANITIZE_THREAD__
#define KEELSON_SKIP_GRPC_UNDER_TSAN() GTEST_SKIP() << "gRPC is not instrumented"
#else
#define KEELSON_SKIP_GRPC_UNDER_TSAN() static_cast<void>(0)
#endif

TEST(GrpcProber, JudgesTheServingStatus) {
  KEELSON_SKIP_GRPC_UNDER_TSAN();
  Prober prober;
  const GrpcServer server;
  const auto check = [&](const char* service) {
    return prober.run(GrpcAction{"127.0.0.1", server.port(), service}, kPatience);
  };
  EXPECT_EQ(check("").verdict, Verdict::success);
  EXPECT_EQ(check("up").message, "service healthy");
  EXPECT_EQ(check("down").verdict, Verdict::failure);
  EXPECT_EQ(check("down").message, "service unhealthy (responded with \"NOT_SERVING\")");
  EXPECT_EQ(check("other").verdict, Verdict::failure);
  EXPECT_NE(check("other").message.find("unknown service"), std::string::npos);
  EXPECT_EQ(prober.run(GrpcAction{"localhost", server.port(), ""}, kPatience).verdict, Verdict::success);
}

TEST(GrpcProber, SaysWhatIsMissing) {
  KEELSON_SKIP_GRPC_UNDER_TSAN();
  Prober prober;
  const GrpcServer server;
  const auto late = prober.run(GrpcAction{"127.0.0.1", server.port(), "hang"}, 300ms);
  EXPECT_EQ(late.verdict, Verdict::failure);
  EXPECT_EQ(late.message, "timeout: health rpc did not complete within 0.3s");
  const GrpcServer without(false);
  const auto unimplemented = prober.run(GrpcAction{"127.0.0.1", without.port(), ""}, kPatience);
  EXPECT_EQ(unimplemented.verdict, Verdict::failure);
  EXPECT_NE(unimplemented.message.find("does not implement the grpc health protocol"), std::string::npos)
      << unimplemented.message;
  const auto refused = prober.run(GrpcAction{"127.0.0.1", closed_port(), ""}, kPatience);
  EXPECT_EQ(refused.verdict, Verdict::failure);
  EXPECT_NE(refused.message.find("failed to connect service"), std::string::npos) << refused.message;
}

TEST(GrpcProber, HostileServersEndWithTheTimeout) {
  KEELSON_SKIP_GRPC_UNDER_TSAN();
  Prober prober;
  for (const auto& script : std::vector<LoopbackServer::Script>{
           [](Connection& c) { c.wait(-1); },
           [](Connection& c) { flood(c, std::string_view("\x00\x00\x00\x04\x00\x00\x00\x00\x00", 9)); },
           [](Connection& c) { flood(c, "\xff\xfe garbage"); },
           answer(ok("")),
       }) {
    const LoopbackServer server(script);
    const auto began = std::chrono::steady_clock::now();
    const auto outcome = prober.run(GrpcAction{"127.0.0.1", server.port(), ""}, 300ms);
    EXPECT_EQ(outcome.verdict, Verdict::failure) << outcome.message;
    EXPECT_LT(std::chrono::steady_clock::now() - began, 2s);
  }
}

TEST(Prober, CancelledProbesAreNotReported) {
  KEELSON_SKIP_GRPC_UNDER_TSAN();
  const auto fds = open_fds();
  const LoopbackServer server([](Connection& c) { c.wait(-1); });
  const GrpcServer grpc;
  std::atomic<int> ends{0};
  std::vector<Prober::Cancel> cancels;
  {
    Prober prober;
    for (int i = 0; i < 20; ++i) {
      cancels.push_back(prober.start(get(server.port()), 60s, [&](const ProbeOutcome&) { ++ends; }));
      cancels.push_back(
          prober.start(GrpcAction{"127.0.0.1", grpc.port(), "hang"}, 60s, [&](const ProbeOutcome&) { ++ends; }));
    }
    ASSERT_TRUE(test::poll_until(Deadline::after(5s), [&] { return server.accepted() == 20; }));
    for (std::size_t i = 0; i < cancels.size() / 2; ++i) cancels[i]();
    cancels.front()();
    EXPECT_TRUE(prober.run(get(closed_port()), kPatience).verdict == Verdict::failure); // the thread is alive
  }
  EXPECT_EQ(ends, 0);
  for (const auto& cancel : cancels) cancel(); // after the prober's death
  EXPECT_GE(open_fds(), fds);
}

TEST(ExecProber, JudgesTheExitCode) {
  const ExecAction action{{"check", "a b"}};
  const auto outcome_of = [&](Result<ExecOutcome> result) {
    return run_exec_probe(action, 1500ms, [&](const auto& argv, auto timeout) {
      EXPECT_EQ(argv, action.command);
      EXPECT_EQ(timeout, 1500ms);
      return result;
    });
  };
  EXPECT_EQ(outcome_of(ExecOutcome{0, false, "fine"}).verdict, Verdict::success);
  EXPECT_EQ(outcome_of(ExecOutcome{1, false, "no file"}).verdict, Verdict::failure);
  EXPECT_EQ(outcome_of(ExecOutcome{1, false, "no file"}).message, "no file");
  EXPECT_EQ(outcome_of(ExecOutcome{0, true, ""}).verdict, Verdict::failure);
  EXPECT_EQ(outcome_of(ExecOutcome{0, true, ""}).message, "command \"check a b\" timed out after 1.5s");
  EXPECT_EQ(outcome_of(fail(Code::deadline_exceeded, "late")).verdict, Verdict::failure);
  EXPECT_EQ(outcome_of(fail(Code::unavailable, "no monitor")).verdict, Verdict::error);
  EXPECT_EQ(outcome_of(ExecOutcome{1, false, std::string(1 << 20, 'x')}).message.size(), kMaxProbeOutput);
  EXPECT_EQ(run_exec_probe({}, 1s, {}).verdict, Verdict::error);
  EXPECT_EQ(run_exec_probe(action, 1s, {}).verdict, Verdict::error);
}

} // namespace
} // namespace keelson::health
