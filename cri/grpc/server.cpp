#include "cri/grpc/server.hpp"

#include "base/file.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "base/unix_socket.hpp"
#include "cri/proto/runtime_v1.grpc.pb.h"
#include "cri/server/runtime.hpp"

#include <grp.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server_builder.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <exception>

namespace keelson::cri {

namespace {

grpc::Status to_status(const Error& error) {
  return grpc::Status(static_cast<grpc::StatusCode>(static_cast<int>(error.code)), error.message);
}

// The one guard of every handler: the answer, or the error as a status, logged here and nowhere else.
template <class Response, class Function>
grpc::Status answer(const char* method, Response* response, Function&& function) {
  Result<Response> result;
  try {
    result = function();
  } catch (const std::exception& e) {
    result = fail(Code::internal, "unexpected: {}", e.what());
  }
  if (result) {
    response->Swap(&*result);
    return grpc::Status::OK;
  }
  const Error& error = result.error();
  // What a caller asks about and does not find is the caller's business; the rest is worth a line.
  if (error.code == Code::not_found)
    log::debug("{}: {}", method, error.message);
  else
    log::warning("{}: {}: {}", method, to_string(error.code), error.message);
  return to_status(error);
}

#define KEELSON_CALL(Method, function)                                                                                 \
  grpc::Status Method(grpc::ServerContext*, const v1::Method##Request* request, v1::Method##Response* response)        \
      override {                                                                                                       \
    return answer(#Method, response, [&] { return runtime_.function(*request); });                                     \
  }

class RuntimeCalls final : public v1::RuntimeService::Service {
 public:
  explicit RuntimeCalls(Runtime& runtime)
      : runtime_(runtime) {}

  KEELSON_CALL(Version, version)
  KEELSON_CALL(Status, status)
  KEELSON_CALL(RuntimeConfig, runtime_config)
  KEELSON_CALL(RunPodSandbox, run_pod_sandbox)
  KEELSON_CALL(StopPodSandbox, stop_pod_sandbox)
  KEELSON_CALL(RemovePodSandbox, remove_pod_sandbox)
  KEELSON_CALL(PodSandboxStatus, pod_sandbox_status)
  KEELSON_CALL(ListPodSandbox, list_pod_sandbox)
  KEELSON_CALL(CreateContainer, create_container)
  KEELSON_CALL(StartContainer, start_container)
  KEELSON_CALL(StopContainer, stop_container)
  KEELSON_CALL(RemoveContainer, remove_container)
  KEELSON_CALL(ContainerStatus, container_status)
  KEELSON_CALL(ListContainers, list_containers)
  KEELSON_CALL(UpdateContainerResources, update_container_resources)
  KEELSON_CALL(ReopenContainerLog, reopen_container_log)
  KEELSON_CALL(ExecSync, exec_sync)
  KEELSON_CALL(ContainerStats, container_stats)
  KEELSON_CALL(ListContainerStats, list_container_stats)
  KEELSON_CALL(PodSandboxStats, pod_sandbox_stats)
  KEELSON_CALL(ListPodSandboxStats, list_pod_sandbox_stats)

  grpc::Status GetContainerEvents(grpc::ServerContext* context, const v1::GetEventsRequest*,
                                  grpc::ServerWriter<v1::ContainerEventResponse>* writer) override {
    const auto subscription = runtime_.events().subscribe();
    // The headers go out now: the caller knows from then on that no event is missed.
    writer->SendInitialMetadata();
    while (!context->IsCancelled() && !subscription->closed()) {
      const auto event = subscription->next(std::chrono::milliseconds(500));
      if (event && !writer->Write(*event)) break;
    }
    return grpc::Status::OK;
  }

 private:
  Runtime& runtime_;
};

class ImageCalls final : public v1::ImageService::Service {
 public:
  explicit ImageCalls(Runtime& runtime)
      : runtime_(runtime) {}

  KEELSON_CALL(ListImages, list_images)
  KEELSON_CALL(ImageStatus, image_status)
  // A caller that gave up ends the pull at its next piece of data; what is there stays for the next one.
  grpc::Status PullImage(grpc::ServerContext* context, const v1::PullImageRequest* request,
                         v1::PullImageResponse* response) override {
    std::stop_source cancelled;
    const auto progress = [&](const PullProgress&) {
      if (context->IsCancelled()) cancelled.request_stop();
    };
    return answer("PullImage", response,
                  [&] { return runtime_.pull_image(*request, progress, cancelled.get_token()); });
  }
  KEELSON_CALL(RemoveImage, remove_image)
  KEELSON_CALL(ImageFsInfo, image_fs_info)

 private:
  Runtime& runtime_;
};

#undef KEELSON_CALL

// gRPC binds the path itself and replaces whatever is there: another daemon's socket must not be.
Result<> check_socket(const std::string& path) {
  if (path.size() >= sizeof sockaddr_un{}.sun_path)
    return fail(Code::invalid_argument, "socket path {} is longer than the {} bytes that the kernel takes", path,
                sizeof sockaddr_un{}.sun_path - 1);
  if (connect_unix(path, 0))
    return fail(Code::already_exists, "socket {} is in use: another process answers on it", path);
  const std::size_t slash = path.rfind('/');
  if (slash != std::string::npos && slash > 0) TRY(make_dirs(path.substr(0, slash), 0711));
  return remove_file_at(AT_FDCWD, path);
}

// The group's number; -1, which chown(2) leaves alone, for none.
Result<gid_t> group_id(const std::string& name) {
  if (name.empty()) return static_cast<gid_t>(-1);
  if (const auto number = parse_int<gid_t>(name)) return *number;
  errno = 0;
  const group* entry = ::getgrnam(name.c_str());
  if (entry != nullptr) return entry->gr_gid;
  if (errno != 0 && errno != ENOENT) return fail_errno(errno, "look up the group {}", printable(name));
  return fail(Code::not_found,
              "cri.group: there is no group \"{}\" on this machine: make it (groupadd) or name another",
              printable(name));
}

} // namespace

struct GrpcServer::State {
  explicit State(Runtime& r)
      : runtime(r)
      , runtime_calls(r)
      , image_calls(r) {}
  Runtime& runtime;
  RuntimeCalls runtime_calls;
  ImageCalls image_calls;
  std::string socket;
  std::unique_ptr<grpc::Server> server;
};

GrpcServer::GrpcServer(std::unique_ptr<State> state)
    : state_(std::move(state)) {}

Result<std::unique_ptr<GrpcServer>> GrpcServer::start(const GrpcServerOptions& options, Runtime& runtime) {
  TRY_ASSIGN(const gid_t group, group_id(options.group));
  TRY(check_socket(options.socket));
  auto state = std::make_unique<State>(runtime);
  state->socket = options.socket;
  grpc::ServerBuilder builder;
  grpc::ResourceQuota quota("cri");
  quota.SetMaxThreads(options.max_threads + 4); // gRPC's own pollers included
  builder.SetResourceQuota(quota);
  builder.SetMaxReceiveMessageSize(16 << 20);
  builder.SetMaxSendMessageSize(-1); // a list of many thousand containers is longer than 16 MB
  builder.AddListeningPort("unix:" + options.socket, grpc::InsecureServerCredentials());
  builder.RegisterService(&state->runtime_calls);
  builder.RegisterService(&state->image_calls);
  const mode_t old_mask = ::umask(0117); // the socket appears with mode 0660, never wider
  state->server = builder.BuildAndStart();
  ::umask(old_mask);
  if (state->server == nullptr) return fail(Code::unavailable, "cannot listen on {}", options.socket);
  if (::chown(options.socket.c_str(), static_cast<uid_t>(-1), group) != 0)
    return fail_errno(errno, "give the socket {} to group {}", options.socket, group);
  return std::unique_ptr<GrpcServer>(new GrpcServer(std::move(state)));
}

GrpcServer::~GrpcServer() {
  shutdown();
}

void GrpcServer::shutdown() {
  if (state_->server == nullptr) return;
  state_->runtime.events().close();
  state_->server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(5));
  state_->server->Wait();
  state_->server.reset();
  static_cast<void>(remove_file_at(AT_FDCWD, state_->socket));
}

} // namespace keelson::cri
