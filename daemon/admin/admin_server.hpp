// The daemon's local API: HTTP/1.1 with JSON on a unix socket that only root (or the daemon's own user) may use. This
// part knows HTTP and connections; what the paths mean is the handler's (daemon/admin/admin_api.hpp).
//
//   curl --unix-socket /run/keelson/keelsond.sock http://node/v1/pods
#pragma once

#include "base/error.hpp"
#include "base/json.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>

namespace keelson::daemon {

struct AdminRequest {
  std::string method;                       // "GET", "POST"
  std::string path;                         // decoded, without the query: "/v1/pods"
  std::map<std::string, std::string> query; // decoded; of a repeated name the last value
  std::string body;
  std::stop_token gone; // stops when the client closes its connection, or the server ends
};

// The lines of an answer that grows. The first one that is sent fixes the answer's status to 200.
class AdminStream {
 public:
  virtual ~AdminStream() = default;
  // One line of JSON. False: the client is gone or does not read; the handler should end.
  virtual bool send(const json::value& line) = 0;
};

// Answers one request, on a thread that may block. An answer without lines is the returned value. After lines, the
// value is the last one, unless it is null; an error is the line {"error": {"code", "message"}}.
using AdminHandler = std::function<Result<json::value>(const AdminRequest& request, AdminStream& stream)>;

struct AdminServerOptions {
  std::string socket;         // path; mode 0600
  unsigned max_threads = 128; // requests that are answered at once; others wait
  std::size_t max_body = std::size_t{1} << 20;
  std::size_t max_header = std::size_t{16} << 10;
  std::size_t max_connections = 1024;
  std::chrono::milliseconds request_timeout = std::chrono::seconds(10); // to send a request
  std::chrono::milliseconds write_timeout = std::chrono::seconds(30);   // without reading a byte of the answer
};

// One request per connection. Threads of its own: one for connections, up to max_threads for handlers.
class AdminServer {
 public:
  // already_exists if another process answers on the socket; a stale file is replaced.
  static Result<std::unique_ptr<AdminServer>> start(AdminServerOptions options, AdminHandler handler);
  ~AdminServer(); // stops requests (see AdminRequest::gone), waits for their handlers, removes the socket

 private:
  struct State;
  explicit AdminServer(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

// The HTTP status for an error, and the error that a status stands for.
unsigned http_status(Code code);

} // namespace keelson::daemon
