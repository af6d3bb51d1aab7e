#include "cri/monitor/connection.hpp"

#include "base/unix_socket.hpp"

#include <cerrno>
#include <iterator>

namespace keelson::cri::monitor {

Result<> Connection::watch(Poller& poller, std::function<void(Connection&)> on_readable) {
  TRY_ASSIGN(watch_,
             FdWatch::add(poller, fd_.get(), EPOLLIN, [this, handler = std::move(on_readable)](std::uint32_t events) {
               if ((events & EPOLLOUT) != 0) drain_queue();
               if ((events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) handler(*this);
             }));
  return {};
}

void Connection::close() {
  watch_.reset();
  fd_.reset();
  in_ = std::string();
  in_fds_.clear();
  queue_.clear();
  queued_ = 0;
}

// One recvmsg. False if nothing came.
bool Connection::fill() {
  char buffer[16384];
  auto received = receive_with_fds(fd_.get(), buffer, sizeof buffer);
  if (!received) {
    if (received.error().sys_errno != EAGAIN) close();
    return false;
  }
  if (received->size == 0) {
    close();
    return false;
  }
  in_.append(buffer, received->size);
  std::move(received->fds.begin(), received->fds.end(), std::back_inserter(in_fds_));
  if (in_fds_.size() > 2 * kMaxFds) close();
  return !closed();
}

std::optional<Frame> Connection::receive() {
  while (!closed()) {
    if (in_.size() >= kHeaderSize) {
      const auto header = decode_header(in_);
      if (!header) break;
      const std::size_t size = kHeaderSize + header->size;
      if (in_.size() >= size) {
        if (in_fds_.size() < header->fds) break;
        Frame frame{*header, in_.substr(kHeaderSize, header->size), {}};
        std::move(in_fds_.begin(), in_fds_.begin() + header->fds, std::back_inserter(frame.fds));
        in_fds_.erase(in_fds_.begin(), in_fds_.begin() + header->fds);
        in_ = in_.substr(size); // a copy, so that a large frame's memory is given back
        return frame;
      }
    }
    if (!fill()) return std::nullopt;
  }
  close();
  return std::nullopt;
}

void Connection::send(std::string frame, std::vector<UniqueFd> fds) {
  if (closed()) return;
  queued_ += frame.size();
  queue_.push_back({std::move(frame), std::move(fds), 0});
  drain_queue();
  if (queued_ > kMaxQueued) close();
}

void Connection::drain_queue() {
  while (!queue_.empty()) {
    Outgoing& next = queue_.front();
    std::vector<int> numbers;
    if (next.sent == 0)
      for (const UniqueFd& fd : next.fds) numbers.push_back(fd.get());
    const auto sent = send_with_fds(fd_.get(), std::string_view(next.frame).substr(next.sent), numbers);
    if (!sent && sent.error().sys_errno != EAGAIN) return close();
    if (!sent) break;
    next.sent += *sent;
    queued_ -= *sent;
    if (next.sent == next.frame.size()) queue_.erase(queue_.begin());
  }
  if (waits_for_room_ == !queue_.empty()) return;
  waits_for_room_ = !queue_.empty();
  watch_.set_events(waits_for_room_ ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

} // namespace keelson::cri::monitor
