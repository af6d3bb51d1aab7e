// A TCP server of the test's own on 127.0.0.1: each connection runs a script on a thread of its own. The scripts of
// this folder are the servers that a probe has to survive. Destruction ends all scripts.
#pragma once

#include "base/unique_fd.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace keelson::health {

class LoopbackServer {
 public:
  // One connection, as a script sees it. Every call ends when the server stops.
  class Connection {
   public:
    Connection(int fd, int stop_fd)
        : fd_(fd)
        , stop_fd_(stop_fd) {}
    std::string read_request();       // to the empty line, or what came until the peer closed
    bool send(std::string_view data); // false: the peer is gone, or the server stops
    bool wait(int milliseconds);      // false: the server stops, or the peer has closed
    int fd() const { return fd_; }

   private:
    bool ready(short events, int milliseconds);
    int fd_;
    int stop_fd_;
  };
  using Script = std::function<void(Connection&)>;

  explicit LoopbackServer(Script script);
  ~LoopbackServer();

  std::uint16_t port() const { return port_; }
  unsigned accepted() const { return accepted_; }
  std::vector<std::string> requests() const; // of read_request()
  void remember(std::string request);

 private:
  void accept_loop();

  Script script_;
  std::uint16_t port_ = 0; // before listener_, whose construction sets it
  UniqueFd listener_;
  UniqueFd stop_fd_;
  std::atomic<unsigned> accepted_{0};
  mutable std::mutex mutex_; // guards requests_
  std::vector<std::string> requests_;
  std::vector<std::thread> connections_; // touched by the accepting thread only
  std::thread acceptor_;
};

// Answers each request with this text and closes. {port} stands for the server's own port.
LoopbackServer::Script answer(std::string text);

// A port of 127.0.0.1 that nobody listens on, at the time of the call.
std::uint16_t closed_port();

} // namespace keelson::health
