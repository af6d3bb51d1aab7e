// The gRPC health check (grpc.health.v1.Health/Check) over plaintext HTTP/2, each on a connection of its own. gRPC's
// headers stay in the .cpp file.
#pragma once

#include "health/probe_call.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace keelson::health {

// Owns a completion queue and the one thread that waits for it. Not gRPC's callback interface: in 1.51 its shared queue
// dies with the last channel, and aborts the process when that one is destroyed by a callback. Any thread may call it.
class GrpcProber {
 public:
  explicit GrpcProber(std::string user_agent);
  ~GrpcProber(); // breaks off what is under way and waits for its end

  void start(std::uint64_t id, const GrpcAction& action, std::chrono::nanoseconds timeout,
             std::shared_ptr<ProbeCall> call);
  void cancel(std::uint64_t id); // unknown ids are ignored

 private:
  struct State;
  std::unique_ptr<State> state_;
};

} // namespace keelson::health
