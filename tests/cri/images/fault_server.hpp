// An HTTP server on loopback that misbehaves as a test tells it to.
#pragma once

#include "base/unique_fd.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace keelson::test {

struct FaultRequest {
  std::string method;
  std::string path; // without the query
  std::string query;
  std::map<std::string, std::string> headers; // names in lower case
  std::string body;
};

struct FaultAnswer {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
  std::optional<std::size_t> cut_after = {}; // send this much of the body, then close the connection
  bool stall = false;                        // after cut_after (or nothing) stay silent until the peer gives up
  std::optional<std::size_t> length = {};    // Content-Length that is not the body's
  std::string raw = {};                      // instead of all this: these bytes
};

// Each connection has a thread and serves one request. The handler runs under a lock. The destructor ends all of them.
class FaultServer {
 public:
  using Handler = std::function<FaultAnswer(const FaultRequest&)>;
  explicit FaultServer(Handler handler);
  ~FaultServer();
  FaultServer(const FaultServer&) = delete;
  FaultServer& operator=(const FaultServer&) = delete;

  std::string host() const { return "127.0.0.1:" + std::to_string(port_); }
  std::string url() const { return "http://" + host(); }
  std::vector<FaultRequest> requests() const;

 private:
  void accept_loop();
  void serve(int connection);

  Handler handler_;
  UniqueFd listener_;
  UniqueFd stop_; // readable when the server ends
  int port_ = 0;
  mutable std::mutex mutex_; // guards requests_, handler_ calls, connections_
  std::vector<FaultRequest> requests_;
  std::vector<std::thread> connections_;
  std::thread acceptor_;
};

} // namespace keelson::test
