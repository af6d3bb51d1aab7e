// The client of the daemon's local API (daemon/admin/admin_api.hpp). One connection per call. Calls block.
#pragma once

#include "base/error.hpp"
#include "base/json.hpp"

#include <functional>
#include <string>

namespace keelson::daemon::ctl {

class Client {
 public:
  explicit Client(std::string socket)
      : socket_(std::move(socket)) {}

  // An error answer of the daemon is an Error with its code and message. unavailable: nobody answers on the socket; the
  // message says what to do.
  Result<json::value> get(const std::string& path) const;
  Result<json::value> post(const std::string& path, const json::object& body) const;

  // Each line of the answer as it comes; the handler ends the call by returning false. Success when the daemon ends the
  // answer well.
  using LineHandler = std::function<bool(const json::value& line)>;
  Result<> stream(const std::string& method, const std::string& path, const json::object& body,
                  const LineHandler& handler) const;

  const std::string& socket() const { return socket_; }

 private:
  Result<json::value> call(const std::string& method, const std::string& path, const std::string& body) const;
  std::string socket_;
};

} // namespace keelson::daemon::ctl
