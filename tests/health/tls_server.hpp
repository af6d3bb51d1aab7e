// An HTTPS server of the test's own with a self-signed certificate that has a short key and names another host.
#pragma once

#include "base/error.hpp"
#include "tests/health/loopback_server.hpp"

#include <memory>
#include <string>

namespace keelson::health {

class TlsServer {
 public:
  static Result<std::unique_ptr<TlsServer>> start(const std::string& directory, std::string response);
  ~TlsServer();
  std::uint16_t port() const;

 private:
  struct State;
  explicit TlsServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

} // namespace keelson::health
