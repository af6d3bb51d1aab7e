#include "health/grpc_probe.hpp"

#include "base/text.hpp"
#include "health/proto/health.grpc.pb.h"

#include <fmt/format.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

namespace keelson::health {

namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

std::string target_of(const GrpcAction& action) {
  const bool brackets = action.host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", brackets ? "[" : "", action.host, brackets ? "]" : "", action.port);
}

std::shared_ptr<grpc::Channel> open_channel(const GrpcAction& action, const std::string& user_agent) {
  grpc::ChannelArguments arguments;
  arguments.SetUserAgentPrefix(user_agent);
  arguments.SetMaxReceiveMessageSize(static_cast<int>(kMaxProbeOutput));
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL,
                   1); // a probe must see the server's accept, not an old connection
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1); // no TXT look-ups
  return grpc::CreateCustomChannel("dns:///" + target_of(action), grpc::InsecureChannelCredentials(), arguments);
}

std::string seconds_text(std::chrono::nanoseconds time) {
  return fmt::format("{:g}s", std::chrono::duration<double>(time).count());
}

class Call final : public GrpcProbe, public std::enable_shared_from_this<Call> {
 public:
  Call(const GrpcAction& action, const std::string& user_agent, std::chrono::nanoseconds timeout)
      : target_(target_of(action))
      , timeout_(timeout)
      , channel_(open_channel(action, user_agent))
      , stub_(Health::NewStub(channel_)) {
    request_.set_service(action.service);
    context_.set_deadline(std::chrono::system_clock::now() + timeout); // gRPC turns it into steady time here
  }

  void run(std::shared_ptr<ProbeCall> call, std::function<void()> on_end) {
    stub_->async()->Check(
        &context_, &request_, &response_,
        [self = shared_from_this(), call = std::move(call), on_end = std::move(on_end)](const grpc::Status& status) {
          call->finish(self->outcome(status));
          on_end();
        });
  }

  void cancel() override { context_.TryCancel(); }

 private:
  ProbeOutcome outcome(const grpc::Status& status) {
    if (status.ok()) {
      if (response_.status() == HealthCheckResponse::SERVING) return {Verdict::success, "service healthy"};
      const std::string name = HealthCheckResponse::ServingStatus_Name(response_.status());
      return {Verdict::failure, fmt::format("service unhealthy (responded with \"{}\")",
                                            name.empty() ? std::to_string(response_.status()) : name)};
    }
    const bool connected = channel_->GetState(false) == GRPC_CHANNEL_READY;
    const std::string message = printable(status.error_message(), 512);
    switch (status.error_code()) {
    case grpc::StatusCode::UNIMPLEMENTED:
      return {Verdict::failure,
              "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): " + message};
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      if (connected) return {Verdict::failure, "timeout: health rpc did not complete within " + seconds_text(timeout_)};
      return {Verdict::failure,
              fmt::format("timeout: failed to connect service \"{}\" within {}: context deadline exceeded",
                          printable(target_), seconds_text(timeout_))};
    case grpc::StatusCode::UNAVAILABLE:
      if (!connected)
        return {Verdict::failure,
                fmt::format("error: failed to connect service at \"{}\": {}", printable(target_), message)};
      [[fallthrough]];
    default:
      return {Verdict::failure, fmt::format("error: health rpc probe failed: rpc error: code = {} desc = {}",
                                            static_cast<int>(status.error_code()), message)};
    }
  }

  std::string target_;
  std::chrono::nanoseconds timeout_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<Health::Stub> stub_;
  grpc::ClientContext context_;
  HealthCheckRequest request_;
  HealthCheckResponse response_;
};

} // namespace

std::shared_ptr<GrpcProbe> GrpcProbe::start(const GrpcAction& action, const std::string& user_agent,
                                            std::chrono::nanoseconds timeout, std::shared_ptr<ProbeCall> call,
                                            std::function<void()> on_end) {
  const auto probe = std::make_shared<Call>(action, user_agent, timeout);
  probe->run(std::move(call), std::move(on_end));
  return probe;
}

} // namespace keelson::health
