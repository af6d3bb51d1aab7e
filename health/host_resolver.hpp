// Host names to addresses. An address costs nothing; a name goes to getaddrinfo(3), which blocks for as long as it
// likes: each look-up therefore has a detached thread of its own, and only a few may be under way.
#pragma once

#include "base/error.hpp"

#include <sys/socket.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace keelson::health {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

std::optional<SocketAddress> parse_address(const std::string& host, std::uint16_t port); // no system call that waits

// Any thread. A look-up under way when it dies goes on, and its Done is called.
class HostResolver {
 public:
  using Done = std::function<void(Result<std::vector<SocketAddress>>)>;

  explicit HostResolver(unsigned limit);
  // Done is called once: here for an address or an error at once, otherwise on the look-up's thread.
  void resolve(const std::string& host, std::uint16_t port, Done done);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

} // namespace keelson::health
