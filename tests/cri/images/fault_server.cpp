#include "tests/cri/images/fault_server.hpp"

#include "base/text.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cstdlib>

namespace keelson::test {

namespace {

bool readable(int fd, int stop) {
  pollfd fds[2] = {{fd, POLLIN, 0}, {stop, POLLIN, 0}};
  while (::poll(fds, 2, 20000) < 0) {
  }
  return fds[1].revents == 0 && fds[0].revents != 0;
}

bool send_all(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t sent = ::send(fd, data.data(), data.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    data.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

std::optional<FaultRequest> read_request(int fd, int stop) {
  std::string text;
  std::size_t end = std::string::npos;
  std::size_t wanted = 0;
  while (end == std::string::npos || text.size() < wanted) {
    char buffer[4096];
    if (!readable(fd, stop)) return std::nullopt;
    const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
    if (got <= 0) return std::nullopt;
    text.append(buffer, static_cast<std::size_t>(got));
    end = text.find("\r\n\r\n");
    if (end == std::string::npos) continue;
    const auto length = to_lower(text).find("\r\ncontent-length:");
    wanted = end + 4 + (length < end ? std::strtoul(text.c_str() + length + 17, nullptr, 10) : 0);
  }
  FaultRequest request;
  request.body = text.substr(end + 4);
  const auto lines = split(std::string_view(text).substr(0, end), '\n');
  const auto words = split_words(lines[0]);
  if (words.size() < 2) return std::nullopt;
  request.method = words[0];
  request.path = words[1].substr(0, words[1].find('?'));
  if (request.path.size() < words[1].size()) request.query = words[1].substr(request.path.size() + 1);
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const auto colon = lines[i].find(':');
    if (colon != std::string_view::npos)
      request.headers[to_lower(lines[i].substr(0, colon))] = trim(lines[i].substr(colon + 1));
  }
  return request;
}

} // namespace

FaultServer::FaultServer(Handler handler)
    : handler_(std::move(handler))
    , listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))
    , stop_(::eventfd(0, EFD_CLOEXEC)) {
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof where;
  auto* raw = reinterpret_cast<sockaddr*>(&where);
  if (::bind(listener_.get(), raw, size) != 0 || ::listen(listener_.get(), 64) != 0 ||
      ::getsockname(listener_.get(), raw, &size) != 0)
    std::abort();
  port_ = ntohs(where.sin_port);
  acceptor_ = std::thread([this] { accept_loop(); });
}

FaultServer::~FaultServer() {
  (void)!::eventfd_write(stop_.get(), 1);
  acceptor_.join();
  for (auto& connection : connections_) connection.join();
}

std::vector<FaultRequest> FaultServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void FaultServer::accept_loop() {
  for (;;) {
    pollfd fds[2] = {{listener_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    if (::poll(fds, 2, -1) < 0) continue;
    if (fds[1].revents != 0) return;
    const int connection = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    const std::lock_guard lock(mutex_);
    connections_.emplace_back([this, connection] { serve(connection); });
  }
}

void FaultServer::serve(int connection) {
  const UniqueFd fd(connection);
  const auto request = read_request(connection, stop_.get());
  if (!request) return;
  FaultAnswer answer;
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(*request);
    answer = handler_(*request);
  }
  if (!answer.raw.empty()) {
    (void)send_all(connection, answer.raw);
    return;
  }
  std::string head = "HTTP/1.1 " + std::to_string(answer.status) + " Test\r\nConnection: close\r\n";
  head += "Content-Length: " + std::to_string(answer.length.value_or(answer.body.size())) + "\r\n";
  for (const auto& [name, value] : answer.headers) head += name + ": " + value + "\r\n";
  const auto body = std::string_view(answer.body).substr(0, answer.cut_after.value_or(answer.body.size()));
  if (!send_all(connection, head + "\r\n") || !send_all(connection, body)) return;
  if (answer.stall) (void)readable(connection, stop_.get());
}

} // namespace keelson::test
