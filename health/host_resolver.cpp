#include "health/host_resolver.hpp"

#include "base/text.hpp"

#include <netdb.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <thread>

namespace keelson::health {

namespace {

Result<std::vector<SocketAddress>> look_up(const std::string& host, std::uint16_t port, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int status = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  if (status != 0) return fail(Code::unavailable, "lookup {}: {}", printable(host), ::gai_strerror(status));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, &::freeaddrinfo);
  std::vector<SocketAddress> addresses;
  for (const addrinfo* a = list; a != nullptr && addresses.size() < 8; a = a->ai_next) {
    if (a->ai_addrlen > sizeof(sockaddr_storage)) continue;
    SocketAddress address;
    std::memcpy(&address.storage, a->ai_addr, a->ai_addrlen);
    address.size = a->ai_addrlen;
    addresses.push_back(address);
  }
  if (addresses.empty()) return fail(Code::unavailable, "lookup {}: no address", printable(host));
  return addresses;
}

} // namespace

struct HostResolver::State {
  unsigned limit = 0;
  std::atomic<unsigned> running{0};
};

HostResolver::HostResolver(unsigned limit)
    : state_(std::make_shared<State>()) {
  state_->limit = limit;
}

std::optional<SocketAddress> parse_address(const std::string& host, std::uint16_t port) {
  auto found = look_up(host, port, AI_NUMERICHOST);
  if (!found) return std::nullopt;
  return found->front();
}

void HostResolver::resolve(const std::string& host, std::uint16_t port, Done done) {
  if (host.empty() || host.size() > 253 || host.find('\0') != std::string::npos) {
    done(fail(Code::invalid_argument, "\"{}\" is not a host name", printable(host, 80)));
    return;
  }
  if (const auto address = parse_address(host, port)) {
    done(std::vector<SocketAddress>{*address});
    return;
  }
  if (state_->running.fetch_add(1) >= state_->limit) {
    state_->running.fetch_sub(1);
    done(
        fail(Code::resource_exhausted, "lookup {}: {} look-ups are under way already", printable(host), state_->limit));
    return;
  }
  try {
    std::thread([state = state_, host, port, done] {
      auto result = look_up(host, port, 0);
      state->running.fetch_sub(1);
      done(std::move(result));
    }).detach();
  } catch (const std::system_error& e) {
    state_->running.fetch_sub(1);
    done(fail_errno(e.code().value(), "lookup {}: start a thread", printable(host)));
  }
}

} // namespace keelson::health
