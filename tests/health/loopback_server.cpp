#include "tests/health/loopback_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cstdlib>

namespace keelson::health {

namespace {

UniqueFd bound_socket(std::uint16_t& port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    std::abort();
  port = ntohs(address.sin_port);
  return fd;
}

} // namespace

bool LoopbackServer::Connection::ready(short events, int milliseconds) {
  pollfd fds[] = {{fd_, events, 0}, {stop_fd_, POLLIN, 0}};
  const int count = ::poll(fds, 2, milliseconds);
  return count > 0 && fds[1].revents == 0;
}

std::string LoopbackServer::Connection::read_request() {
  std::string request;
  while (request.find("\r\n\r\n") == std::string::npos && ready(POLLIN, -1)) {
    char buffer[4096];
    const ssize_t size = ::recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
    if (size <= 0) break;
    request.append(buffer, static_cast<std::size_t>(size));
  }
  return request;
}

bool LoopbackServer::Connection::send(std::string_view data) {
  while (!data.empty()) {
    if (!ready(POLLOUT, -1)) return false;
    const ssize_t size = ::send(fd_, data.data(), data.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size < 0) return false;
    data.remove_prefix(static_cast<std::size_t>(size));
  }
  return true;
}

bool LoopbackServer::Connection::wait(int milliseconds) {
  pollfd fds[] = {{fd_, POLLRDHUP, 0}, {stop_fd_, POLLIN, 0}};
  return ::poll(fds, 2, milliseconds) == 0;
}

LoopbackServer::LoopbackServer(Script script)
    : script_(std::move(script))
    , listener_(bound_socket(port_))
    , stop_fd_(::eventfd(0, EFD_CLOEXEC)) {
  if (::listen(listener_.get(), 1024) != 0) std::abort();
  acceptor_ = std::thread([this] { accept_loop(); });
}

LoopbackServer::~LoopbackServer() {
  const std::uint64_t one = 1;
  (void)!::write(stop_fd_.get(), &one, sizeof one);
  acceptor_.join();
  for (std::thread& connection : connections_) connection.join();
}

void LoopbackServer::accept_loop() {
  for (;;) {
    pollfd fds[] = {{listener_.get(), POLLIN, 0}, {stop_fd_.get(), POLLIN, 0}};
    if (::poll(fds, 2, -1) < 0 || fds[1].revents != 0) return;
    UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd) continue;
    ++accepted_;
    connections_.emplace_back([this, connection_fd = std::move(fd)] {
      Connection connection(connection_fd.get(), stop_fd_.get());
      script_(connection);
    });
  }
}

std::vector<std::string> LoopbackServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void LoopbackServer::remember(std::string request) {
  const std::lock_guard lock(mutex_);
  requests_.push_back(std::move(request));
}

LoopbackServer::Script answer(std::string text) {
  return [text = std::move(text)](LoopbackServer::Connection& c) {
    c.read_request();
    c.send(text);
  };
}

std::uint16_t closed_port() {
  std::uint16_t port = 0;
  bound_socket(port);
  return port;
}

} // namespace keelson::health
