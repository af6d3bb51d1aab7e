#include "cri/monitor/poller.hpp"

#include <cerrno>

namespace keelson::cri::monitor {

Result<Poller> Poller::open() {
  UniqueFd fd(::epoll_create1(EPOLL_CLOEXEC));
  if (!fd) return fail_errno(errno, "make an epoll descriptor");
  return Poller(std::move(fd));
}

Result<bool> Poller::run_once(int timeout_ms) {
  const int count = ::epoll_wait(fd_.get(), ready_.data(), static_cast<int>(ready_.size()), timeout_ms);
  if (count < 0 && errno != EINTR) return fail_errno(errno, "epoll_wait");
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = ready_[static_cast<std::size_t>(i)];
    if (event.data.ptr != nullptr) static_cast<Node*>(event.data.ptr)->handler(event.events);
  }
  ready_.fill({});
  retired_.clear();
  return count > 0;
}

void Poller::retire(std::unique_ptr<Node> node) {
  ::epoll_ctl(fd_.get(), EPOLL_CTL_DEL, node->fd, nullptr);
  for (epoll_event& event : ready_)
    if (event.data.ptr == node.get()) event.data.ptr = nullptr;
  retired_.push_back(std::move(node));
}

FdWatch& FdWatch::operator=(FdWatch&& other) noexcept {
  if (this == &other) return *this;
  reset();
  poller_ = other.poller_;
  node_ = std::move(other.node_);
  return *this;
}

Result<FdWatch> FdWatch::add(Poller& poller, int fd, std::uint32_t events, std::function<void(std::uint32_t)> handler) {
  FdWatch watch;
  watch.poller_ = &poller;
  watch.node_ = std::make_unique<Poller::Node>(Poller::Node{fd, std::move(handler)});
  epoll_event event{};
  event.events = events;
  event.data.ptr = watch.node_.get();
  if (::epoll_ctl(poller.fd_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    const int add_errno = errno;
    watch.node_.reset();
    return fail_errno(add_errno, "watch descriptor {}", fd);
  }
  return watch;
}

void FdWatch::set_events(std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = node_.get();
  ::epoll_ctl(poller_->fd_.get(), EPOLL_CTL_MOD, node_->fd, &event);
}

void FdWatch::reset() {
  if (node_) poller_->retire(std::move(node_));
}

} // namespace keelson::cri::monitor
