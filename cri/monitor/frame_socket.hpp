// Frames over a unix socket for a caller that waits: the daemon's end of a connection to a monitor.
#pragma once

#include "base/time.hpp"
#include "base/unique_fd.hpp"
#include "cri/monitor/protocol.hpp"

#include <deque>
#include <optional>
#include <string>
#include <vector>

namespace keelson::cri::monitor {

struct ReceivedFrame {
  Header header;
  std::string payload;
  std::vector<UniqueFd> fds;
};

// One thread at a time. unavailable: the monitor has closed the connection; deadline_exceeded: no answer in time.
class FrameSocket {
 public:
  static Result<FrameSocket> connect(const std::string& path);

  Result<> send(std::string_view frame, const std::vector<int>& fds, Deadline deadline);
  Result<ReceivedFrame> receive(Deadline deadline);
  // A frame that is complete already, or none. Never waits.
  Result<std::optional<ReceivedFrame>> try_receive();

  // Sends a request and waits for the reply of that type; an error reply becomes the error.
  template <class Reply, class Request>
  Result<Reply> call(Type type, const Request& request, Type reply_type, Deadline deadline) {
    TRY_ASSIGN(const ReceivedFrame frame, exchange(encode_frame(type, ++tag_, request), {}, reply_type, deadline));
    return decode<Reply>(frame.payload);
  }
  template <class Request>
  Result<ReceivedFrame> call_with_fds(Type type, const Request& request, const std::vector<int>& fds, Type reply_type,
                                      Deadline deadline) {
    return exchange(encode_frame(type, ++tag_, request, fds.size()), fds, reply_type, deadline);
  }

  int fd() const { return fd_.get(); }

 private:
  explicit FrameSocket(UniqueFd fd)
      : fd_(std::move(fd)) {}
  Result<ReceivedFrame> exchange(const Result<std::string>& frame, const std::vector<int>& fds, Type reply_type,
                                 Deadline deadline);
  Result<> wait(short events, Deadline deadline);
  Result<bool> fill(std::size_t wanted);

  UniqueFd fd_;
  std::uint32_t tag_ = 0;
  std::string in_;
  std::deque<UniqueFd> in_fds_;
};

} // namespace keelson::cri::monitor
