// The monitor's event loop: epoll with one callable per descriptor. One thread.
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace keelson::cri::monitor {

class FdWatch;

// Must outlive its watches.
class Poller {
 public:
  static Result<Poller> open();

  // Waits once, -1 for no limit, and runs the handlers of what is ready. True if there was something.
  Result<bool> run_once(int timeout_ms);

 private:
  friend class FdWatch;
  struct Node {
    int fd = -1;
    std::function<void(std::uint32_t)> handler;
  };

  explicit Poller(UniqueFd fd)
      : fd_(std::move(fd)) {}
  void retire(std::unique_ptr<Node> node);

  UniqueFd fd_;
  std::array<epoll_event, 16> ready_{};
  std::vector<std::unique_ptr<Node>> retired_; // kept until the batch ends: a handler may remove itself
};

// Calls its handler while the descriptor is ready (level-triggered). The descriptor stays the owner's, who must keep it
// open until the watch is reset.
class FdWatch {
 public:
  FdWatch() = default;
  FdWatch(FdWatch&& other) noexcept
      : poller_(other.poller_)
      , node_(std::move(other.node_)) {}
  FdWatch& operator=(FdWatch&& other) noexcept;
  ~FdWatch() { reset(); }

  static Result<FdWatch> add(Poller& poller, int fd, std::uint32_t events, std::function<void(std::uint32_t)> handler);
  void set_events(std::uint32_t events);
  void reset();
  explicit operator bool() const { return node_ != nullptr; }

 private:
  Poller* poller_ = nullptr;
  std::unique_ptr<Poller::Node> node_;
};

} // namespace keelson::cri::monitor
