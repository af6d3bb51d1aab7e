#include "tests/bench/cri_target.hpp"

#include "base/json.hpp"
#include "cri/proto/runtime_v1.grpc.pb.h"

#include <grpcpp/create_channel.h>

namespace keelson::bench {

namespace v1 = ::runtime::v1;

namespace {

using std::chrono::steady_clock;

Result<> to_result(const grpc::Status& status, const char* call) {
  if (status.ok()) return {};
  return fail(static_cast<Code>(status.error_code()), "{}: {}", call, status.error_message());
}

v1::PodSandboxConfig sandbox_config(const Workload& workload, const std::string& pod_name) {
  v1::PodSandboxConfig config;
  config.mutable_metadata()->set_name(pod_name);
  config.mutable_metadata()->set_namespace_("bench");
  config.mutable_metadata()->set_uid(pod_name);
  config.set_hostname(pod_name);
  config.set_log_directory(workload.log_root + "/" + pod_name);
  config.mutable_linux()->set_cgroup_parent(workload.cgroup_parent);
  auto* namespaces = config.mutable_linux()->mutable_security_context()->mutable_namespace_options();
  namespaces->set_pid(v1::CONTAINER);
  return config;
}

v1::ContainerConfig container_config(const Workload& workload) {
  v1::ContainerConfig config;
  config.mutable_metadata()->set_name("main");
  config.mutable_image()->set_image(workload.image);
  for (const char* word : {"sh", "-c", "trap 'exit 0' TERM; sleep 100000 & wait"}) config.add_command(word);
  config.set_log_path("main.log");
  config.mutable_linux()->mutable_security_context()->mutable_namespace_options()->set_pid(v1::CONTAINER);
  return config;
}

} // namespace

struct CriTarget::State {
  explicit State(const std::shared_ptr<grpc::Channel>& channel)
      : runtime(v1::RuntimeService::NewStub(channel))
      , images(v1::ImageService::NewStub(channel)) {}

  // One unary call, timed.
  template <class Stub, class Request, class Response>
  Result<Duration> timed(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                         const Request& request, Response& response, const char* name) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(5));
    const auto start = steady_clock::now();
    const grpc::Status status = (stub.*method)(&context, request, &response);
    const Duration took = steady_clock::now() - start;
    TRY(to_result(status, name));
    return took;
  }

  std::unique_ptr<v1::RuntimeService::Stub> runtime;
  std::unique_ptr<v1::ImageService::Stub> images;
};

CriTarget::CriTarget(std::string name, std::unique_ptr<State> state)
    : name_(std::move(name))
    , state_(std::move(state)) {}
CriTarget::~CriTarget() = default;

Result<std::unique_ptr<CriTarget>> CriTarget::connect(std::string name, const std::string& socket) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  const auto channel = grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), arguments);
  if (!channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(30)))
    return fail(Code::unavailable, "{}: nobody answers on {}", name, socket);
  return std::unique_ptr<CriTarget>(new CriTarget(std::move(name), std::make_unique<State>(channel)));
}

Result<std::string> CriTarget::version() {
  v1::VersionResponse response;
  TRY(state_->timed<v1::RuntimeService::Stub>(*state_->runtime, &v1::RuntimeService::Stub::Version,
                                              v1::VersionRequest(), response, "Version"));
  return response.runtime_name() + " " + response.runtime_version();
}

Result<> CriTarget::pull(const std::string& image) {
  v1::PullImageRequest request;
  request.mutable_image()->set_image(image);
  v1::PullImageResponse response;
  TRY(state_->timed<v1::ImageService::Stub>(*state_->images, &v1::ImageService::Stub::PullImage, request, response,
                                            "PullImage"));
  return {};
}

Result<Pod> CriTarget::start_pod(const Workload& workload, const std::string& pod_name) {
  using Stub = v1::RuntimeService::Stub;
  Pod pod;
  v1::RunPodSandboxRequest run;
  *run.mutable_config() = sandbox_config(workload, pod_name);
  v1::RunPodSandboxResponse sandbox;
  TRY_ASSIGN(pod.times.run_sandbox,
             state_->timed<Stub>(*state_->runtime, &Stub::RunPodSandbox, run, sandbox, "RunPodSandbox"));
  pod.sandbox_id = sandbox.pod_sandbox_id();
  v1::CreateContainerRequest create;
  create.set_pod_sandbox_id(pod.sandbox_id);
  *create.mutable_config() = container_config(workload);
  *create.mutable_sandbox_config() = run.config();
  v1::CreateContainerResponse container;
  TRY_ASSIGN(pod.times.create_container,
             state_->timed<Stub>(*state_->runtime, &Stub::CreateContainer, create, container, "CreateContainer"));
  pod.container_id = container.container_id();
  v1::StartContainerRequest start;
  start.set_container_id(pod.container_id);
  v1::StartContainerResponse started;
  TRY_ASSIGN(pod.times.start_container,
             state_->timed<Stub>(*state_->runtime, &Stub::StartContainer, start, started, "StartContainer"));
  return pod;
}

Result<> CriTarget::end_pod(Pod& pod) {
  using Stub = v1::RuntimeService::Stub;
  v1::StopPodSandboxRequest stop;
  stop.set_pod_sandbox_id(pod.sandbox_id);
  v1::StopPodSandboxResponse stopped;
  TRY_ASSIGN(pod.times.stop_sandbox,
             state_->timed<Stub>(*state_->runtime, &Stub::StopPodSandbox, stop, stopped, "StopPodSandbox"));
  v1::RemovePodSandboxRequest remove;
  remove.set_pod_sandbox_id(pod.sandbox_id);
  v1::RemovePodSandboxResponse removed;
  TRY_ASSIGN(pod.times.remove_sandbox,
             state_->timed<Stub>(*state_->runtime, &Stub::RemovePodSandbox, remove, removed, "RemovePodSandbox"));
  return {};
}

Result<std::string> CriTarget::runtime_spec(const std::string& container_id) {
  using Stub = v1::RuntimeService::Stub;
  v1::ContainerStatusRequest request;
  request.set_container_id(container_id);
  request.set_verbose(true);
  v1::ContainerStatusResponse response;
  TRY(state_->timed<Stub>(*state_->runtime, &Stub::ContainerStatus, request, response, "ContainerStatus"));
  TRY_ASSIGN(const json::value info, json::parse(response.info().at("info")));
  const json::object* spec = info.is_object() ? json::find_object(info.get_object(), "runtimeSpec") : nullptr;
  if (spec == nullptr) return fail(Code::not_found, "ContainerStatus of {} shows no runtimeSpec", name_);
  return json::to_text(*spec);
}

} // namespace keelson::bench
