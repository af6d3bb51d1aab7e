#include "cri/monitor/frame_socket.hpp"

#include "base/unix_socket.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

namespace keelson::cri::monitor {
namespace {

Fail gone() {
  return fail(Code::unavailable, "the pod's monitor has ended");
}

} // namespace

Result<FrameSocket> FrameSocket::connect(const std::string& path) {
  auto fd = connect_unix(path, SOCK_NONBLOCK);
  if (fd) return FrameSocket(std::move(*fd));
  Error error = std::move(fd).error();
  error.code = Code::unavailable;
  return Fail(std::move(error));
}

Result<> FrameSocket::wait(short events, Deadline deadline) {
  for (;;) {
    pollfd poll_for{fd_.get(), events, 0};
    const int ready = ::poll(&poll_for, 1, deadline.poll_timeout());
    if (ready > 0) return {};
    if (ready == 0 && deadline.passed())
      return fail(Code::deadline_exceeded, "the pod's monitor did not answer in time");
    if (ready < 0 && errno != EINTR) return fail_errno(errno, "poll the monitor's socket");
  }
}

Result<> FrameSocket::send(std::string_view frame, const std::vector<int>& fds, Deadline deadline) {
  bool with_fds = true;
  while (!frame.empty()) {
    const auto sent = send_with_fds(fd_.get(), frame, with_fds ? fds : std::vector<int>{});
    if (sent) {
      frame.remove_prefix(*sent);
      with_fds = false;
      continue;
    }
    if (sent.error().sys_errno == EPIPE || sent.error().sys_errno == ECONNRESET) return gone();
    if (sent.error().sys_errno != EAGAIN) return Fail(sent.error());
    TRY(wait(POLLOUT, deadline));
  }
  return {};
}

// Takes what the frame in the making lacks and nothing beyond it: whoever polls the descriptor must see that another
// frame is there. False: nothing there now.
Result<bool> FrameSocket::fill(std::size_t wanted) {
  char buffer[16384];
  auto received = receive_with_fds(fd_.get(), buffer, std::min(wanted, sizeof buffer));
  if (!received && received.error().sys_errno == EAGAIN) return false;
  if (!received && received.error().sys_errno == ECONNRESET) return gone();
  if (!received) return Fail(std::move(received).error());
  if (received->size == 0) return gone();
  in_.append(buffer, received->size);
  std::move(received->fds.begin(), received->fds.end(), std::back_inserter(in_fds_));
  return true;
}

Result<std::optional<ReceivedFrame>> FrameSocket::try_receive() {
  for (;;) {
    std::size_t size = kHeaderSize;
    if (in_.size() >= kHeaderSize) {
      TRY_ASSIGN(const Header header, decode_header(in_));
      size += header.size;
      if (in_.size() >= size) {
        if (in_fds_.size() < header.fds) return fail(Code::internal, "the monitor's answer lacks a descriptor");
        ReceivedFrame frame{header, in_.substr(kHeaderSize, header.size), {}};
        std::move(in_fds_.begin(), in_fds_.begin() + header.fds, std::back_inserter(frame.fds));
        in_fds_.erase(in_fds_.begin(), in_fds_.begin() + header.fds);
        in_.clear();
        return std::optional<ReceivedFrame>(std::move(frame));
      }
    }
    TRY_ASSIGN(const bool more, fill(size - in_.size()));
    if (!more) return std::optional<ReceivedFrame>();
  }
}

Result<ReceivedFrame> FrameSocket::receive(Deadline deadline) {
  for (;;) {
    TRY_ASSIGN(auto frame, try_receive());
    if (frame) return std::move(*frame);
    TRY(wait(POLLIN, deadline));
  }
}

Result<ReceivedFrame> FrameSocket::exchange(const Result<std::string>& frame, const std::vector<int>& fds,
                                            Type reply_type, Deadline deadline) {
  if (!frame) return Fail(frame.error());
  TRY(send(*frame, fds, deadline));
  for (;;) {
    TRY_ASSIGN(ReceivedFrame reply, receive(deadline));
    if (reply.header.tag != tag_) continue; // an event, or the end of an exec that nobody waits for any more
    if (reply.header.type == reply_type) return reply;
    if (reply.header.type != Type::error) return fail(Code::internal, "the monitor gave an answer of another kind");
    TRY_ASSIGN(ErrorReply error, decode<ErrorReply>(reply.payload));
    const bool known = error.code >= 1 && error.code <= 16;
    return Fail(Error{known ? static_cast<Code>(error.code) : Code::unknown, static_cast<int>(error.sys_errno),
                      std::move(error.message)});
  }
}

} // namespace keelson::cri::monitor
