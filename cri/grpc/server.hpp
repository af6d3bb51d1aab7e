// CRI over gRPC on a unix socket: a thin face of Runtime.
#pragma once

#include "base/error.hpp"

#include <memory>
#include <string>

namespace keelson::cri {

class Runtime;

struct GrpcServerOptions {
  std::string socket;   // path, at most 107 bytes
  std::string group;    // by name or number, the socket's; empty: the process' own
  int max_threads = 64; // of calls that are being answered at once
};

// Answers calls on threads of its own from start() until shutdown() or destruction. The runtime must outlive it.
class GrpcServer {
 public:
  // The socket gets mode 0660. not_found if there is no such group, already_exists if another process answers on it; a
  // stale file is replaced.
  static Result<std::unique_ptr<GrpcServer>> start(const GrpcServerOptions& options, Runtime& runtime);
  ~GrpcServer();
  // No new calls; those under way get a moment to finish and are cancelled then. Event streams end at once.
  void shutdown();

 private:
  struct State;
  explicit GrpcServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

} // namespace keelson::cri
