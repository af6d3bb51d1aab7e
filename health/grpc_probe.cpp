#include "health/grpc_probe.hpp"

#include "base/text.hpp"
#include "health/host_resolver.hpp"
#include "health/proto/health.grpc.pb.h"

#include <fmt/format.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <pthread.h>

#include <mutex>
#include <thread>
#include <unordered_map>

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
  // An address needs no resolver.
  const auto address = parse_address(action.host, action.port);
  const char* scheme = !address ? "dns:///" : address->storage.ss_family == AF_INET6 ? "ipv6:" : "ipv4:";
  return grpc::CreateCustomChannel(scheme + target_of(action), grpc::InsecureChannelCredentials(), arguments);
}

std::string seconds_text(std::chrono::nanoseconds time) {
  return fmt::format("{:g}s", std::chrono::duration<double>(time).count());
}

class Call {
 public:
  Call(std::uint64_t id, const GrpcAction& action, const std::string& user_agent, std::chrono::nanoseconds timeout,
       std::shared_ptr<ProbeCall> call)
      : id_(id)
      , target_(target_of(action))
      , timeout_(timeout)
      , call_(std::move(call))
      , channel_(open_channel(action, user_agent))
      , stub_(Health::NewStub(channel_)) {
    request_.set_service(action.service);
    context_.set_deadline(std::chrono::system_clock::now() + timeout); // gRPC turns it into steady time here
  }

  void begin(grpc::CompletionQueue& queue) {
    reader_ = stub_->AsyncCheck(&context_, request_, &queue);
    reader_->Finish(&response_, &status_, this);
  }
  void end() { call_->finish(outcome(status_)); }
  void cancel() { context_.TryCancel(); }
  std::uint64_t id() const { return id_; }

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

  std::uint64_t id_;
  std::string target_;
  std::chrono::nanoseconds timeout_;
  std::shared_ptr<ProbeCall> call_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<Health::Stub> stub_;
  grpc::ClientContext context_;
  HealthCheckRequest request_;
  HealthCheckResponse response_;
  grpc::Status status_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<HealthCheckResponse>> reader_;
};

} // namespace

struct GrpcProber::State {
  std::string user_agent;
  grpc::CompletionQueue queue; // keeps the gRPC library initialised, too
  std::mutex mutex;            // guards calls and their cancellation
  std::unordered_map<std::uint64_t, std::unique_ptr<Call>> calls;
  std::thread thread;

  void run() {
    ::pthread_setname_np(::pthread_self(), "grpc-probes");
    void* tag = nullptr;
    bool ok = false;
    while (queue.Next(&tag, &ok)) {
      std::unique_ptr<Call> call;
      {
        const std::lock_guard lock(mutex);
        const auto found = calls.find(static_cast<Call*>(tag)->id());
        call = std::move(found->second);
        calls.erase(found);
      }
      call->end();
    }
  }
};

GrpcProber::GrpcProber(std::string user_agent)
    : state_(std::make_unique<State>()) {
  state_->user_agent = std::move(user_agent);
  state_->thread = std::thread([state = state_.get()] { state->run(); });
}

GrpcProber::~GrpcProber() {
  {
    const std::lock_guard lock(state_->mutex);
    for (const auto& [id, call] : state_->calls) call->cancel();
  }
  state_->queue.Shutdown();
  state_->thread.join(); // Next() ends after the last call has
}

void GrpcProber::start(std::uint64_t id, const GrpcAction& action, std::chrono::nanoseconds timeout,
                       std::shared_ptr<ProbeCall> call) {
  auto probe = std::make_unique<Call>(id, action, state_->user_agent, timeout, std::move(call));
  Call* raw = probe.get();
  const std::lock_guard lock(state_->mutex);
  state_->calls.emplace(id, std::move(probe));
  raw->begin(state_->queue);
}

void GrpcProber::cancel(std::uint64_t id) {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->calls.find(id);
  if (found != state_->calls.end()) found->second->cancel();
}

} // namespace keelson::health
