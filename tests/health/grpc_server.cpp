#include "tests/health/grpc_server.hpp"

#include "health/proto/health.grpc.pb.h"

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

// gRPC's resolver leaves a few bytes of c-ares behind at the end of the process.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libcares";
}

namespace keelson::health {

namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

class HealthService final : public Health::CallbackService {
  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context, const HealthCheckRequest* request,
                                  HealthCheckResponse* response) override {
    if (request->service() == "hang") {
      class Hanging final : public grpc::ServerUnaryReactor {
        void OnCancel() override { Finish(grpc::Status::CANCELLED); }
        void OnDone() override { delete this; }
      };
      return new Hanging;
    }
    auto* reactor = context->DefaultReactor();
    const bool down = request->service() == "down";
    response->set_status(down ? HealthCheckResponse::NOT_SERVING : HealthCheckResponse::SERVING);
    const bool known = down || request->service().empty() || request->service() == "up";
    reactor->Finish(known ? grpc::Status::OK : grpc::Status(grpc::StatusCode::NOT_FOUND, "unknown service"));
    return reactor;
  }
};

} // namespace

struct GrpcServer::State {
  HealthService service;
  Health::Service unimplemented; // every call of it answers so
  int port = 0;
  std::unique_ptr<grpc::Server> server;
};

GrpcServer::GrpcServer(bool with_health)
    : state_(std::make_unique<State>()) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &state_->port);
  if (with_health) {
    builder.RegisterService(&state_->service);
  } else {
    builder.RegisterService(&state_->unimplemented);
  }
  state_->server = builder.BuildAndStart();
}

GrpcServer::~GrpcServer() {
  state_->server->Shutdown(std::chrono::system_clock::now());
}

std::uint16_t GrpcServer::port() const {
  return static_cast<std::uint16_t>(state_->port);
}

} // namespace keelson::health
