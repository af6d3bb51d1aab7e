// The gRPC health check (grpc.health.v1.Health/Check) over plaintext HTTP/2, each on a connection of its own. Any
// thread. gRPC's headers stay in the .cpp file.
#pragma once

#include "health/probe_call.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace keelson::health {

class GrpcProbe {
 public:
  // on_end runs after the outcome was told or the call was cancelled, on a thread of gRPC.
  static std::shared_ptr<GrpcProbe> start(const GrpcAction& action, const std::string& user_agent,
                                          std::chrono::nanoseconds timeout, std::shared_ptr<ProbeCall> call,
                                          std::function<void()> on_end);
  virtual ~GrpcProbe() = default;
  virtual void cancel() = 0;
};

} // namespace keelson::health
