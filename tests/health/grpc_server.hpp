// A real gRPC server on 127.0.0.1 that answers health checks by the name of the service: "" and "up" serve, "down" does
// not, "hang" never answers, others are not found. gRPC's headers stay in the .cpp file.
#pragma once

#include <cstdint>
#include <memory>

namespace keelson::health {

class GrpcServer {
 public:
  explicit GrpcServer(bool with_health = true);
  ~GrpcServer();
  std::uint16_t port() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

} // namespace keelson::health
