// One client of the monitor: frames in, frames out, never blocking. One thread.
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "cri/monitor/poller.hpp"
#include "cri/monitor/protocol.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace keelson::cri::monitor {

struct Frame {
  Header header;
  std::string payload;
  std::vector<UniqueFd> fds;
};

class Connection {
 public:
  static constexpr std::size_t kMaxQueued = std::size_t{1} << 20; // bytes a slow reader may leave unread

  Connection(std::uint64_t id, UniqueFd fd)
      : id_(id)
      , fd_(std::move(fd)) {}
  Result<> watch(Poller& poller, std::function<void(Connection&)> on_readable);

  // The next complete frame, if there is one. Closes itself at the end of the stream, and on a frame that breaks the
  // protocol.
  std::optional<Frame> receive();

  // Queues what the socket does not take now. A client that does not read is closed.
  void send(std::string frame, std::vector<UniqueFd> fds = {});

  void close();
  bool closed() const { return !fd_; }
  std::uint64_t id() const { return id_; }
  bool subscribed = false;

 private:
  struct Outgoing {
    std::string frame;
    std::vector<UniqueFd> fds;
    std::size_t sent = 0;
  };

  bool fill();
  void drain_queue();

  std::uint64_t id_;
  UniqueFd fd_;
  FdWatch watch_;
  std::string in_;
  std::deque<UniqueFd> in_fds_;
  std::vector<Outgoing> queue_;
  std::size_t queued_ = 0;
  bool waits_for_room_ = false;
};

} // namespace keelson::cri::monitor
