#include "daemon/pods/cri_pod_runtime.hpp"

#include "base/text.hpp"
#include "cri/server/runtime.hpp"

#include <algorithm>
#include <thread>

namespace keelson::daemon {

namespace v1 = ::runtime::v1;

namespace {

using Strings = google::protobuf::Map<std::string, std::string>;

std::string text_of(const Strings& map, const char* key) {
  const auto found = map.find(key);
  return found == map.end() ? std::string() : found->second;
}

std::int64_t number_of(const Strings& map, const char* key, std::int64_t otherwise) {
  return parse_int<std::int64_t>(text_of(map, key)).value_or(otherwise);
}

WallTime time_of(std::int64_t nanos) {
  return WallTime(std::chrono::nanoseconds(nanos));
}

RecordState state_of(v1::ContainerState state) {
  switch (state) {
  case v1::CONTAINER_CREATED:
    return RecordState::created;
  case v1::CONTAINER_RUNNING:
    return RecordState::running;
  case v1::CONTAINER_EXITED:
    return RecordState::exited;
  default:
    return RecordState::unknown;
  }
}

ContainerKind kind_of(std::string_view text) {
  return text == "init" ? ContainerKind::init : text == "sidecar" ? ContainerKind::sidecar : ContainerKind::regular;
}

ContainerRecord container_record(const v1::Container& listed, const v1::ContainerStatus& status) {
  const Strings& annotations = status.annotations();
  ContainerRecord record;
  record.id = status.id();
  record.sandbox_id = listed.pod_sandbox_id();
  record.name = status.metadata().name();
  record.kind = kind_of(text_of(annotations, keys::kKind));
  record.attempt = status.metadata().attempt();
  record.state = state_of(status.state());
  record.created_at = time_of(status.created_at());
  record.started_at = time_of(status.started_at());
  record.finished_at = time_of(status.finished_at());
  record.exit_code = status.exit_code();
  record.reason = status.reason();
  record.message = status.message();
  record.image = status.image().user_specified_image();
  record.image_id = status.image_ref();
  record.log_path = status.log_path();
  const std::string message_path = text_of(annotations, keys::kMessagePath);
  for (const v1::Mount& mount : status.mounts())
    if (!message_path.empty() && mount.container_path() == message_path) record.termination_file = mount.host_path();
  record.back_off = std::chrono::seconds(number_of(annotations, keys::kBackOff, 0));
  record.grace_period = std::chrono::seconds(number_of(annotations, keys::kGracePeriod, 30));
  record.pre_stop = text_of(annotations, keys::kPreStop);
  record.fall_back_to_logs = text_of(annotations, keys::kMessagePolicy) == "FallbackToLogsOnError";
  return record;
}

class CriPodRuntime final : public PodRuntime {
 public:
  explicit CriPodRuntime(cri::Runtime& runtime)
      : runtime_(runtime) {}
  ~CriPodRuntime() override { listen({}); }

  Result<PodRecord> observe(const std::string& uid) override {
    v1::ListPodSandboxRequest request;
    (*request.mutable_filter()->mutable_label_selector())[keys::kPodUid] = uid;
    TRY_ASSIGN(const auto sandboxes, runtime_.list_pod_sandbox(request));
    PodRecord record;
    record.uid = uid;
    for (const v1::PodSandbox& sandbox : sandboxes.items())
      if (sandbox.annotations().contains(keys::kAgent)) TRY(add_sandbox(sandbox, record));
    TRY(add_containers(record));
    std::sort(record.sandboxes.begin(), record.sandboxes.end(),
              [](const auto& a, const auto& b) { return a.attempt > b.attempt; });
    std::sort(record.containers.begin(), record.containers.end(), [](const auto& a, const auto& b) {
      return a.attempt != b.attempt ? a.attempt > b.attempt : a.created_at > b.created_at;
    });
    return record;
  }

  Result<std::vector<PodRecord>> list(const std::string& agent) override {
    TRY_ASSIGN(const auto sandboxes, runtime_.list_pod_sandbox({}));
    std::vector<std::string> uids;
    for (const v1::PodSandbox& sandbox : sandboxes.items())
      if (text_of(sandbox.annotations(), keys::kAgent) == agent) uids.push_back(sandbox.metadata().uid());
    std::sort(uids.begin(), uids.end());
    uids.erase(std::unique(uids.begin(), uids.end()), uids.end());
    std::vector<PodRecord> records;
    for (const std::string& uid : uids) {
      TRY_ASSIGN(PodRecord record, observe(uid));
      records.push_back(std::move(record));
    }
    return records;
  }

  Result<std::vector<std::string>> sandbox_uids() override {
    TRY_ASSIGN(const auto sandboxes, runtime_.list_pod_sandbox({}));
    std::vector<std::string> uids;
    for (const v1::PodSandbox& sandbox : sandboxes.items()) {
      uids.push_back(sandbox.id());
      if (!sandbox.metadata().uid().empty()) uids.push_back(sandbox.metadata().uid());
    }
    return uids;
  }

  Result<std::string> run_sandbox(const v1::PodSandboxConfig& config, const std::string& handler) override {
    v1::RunPodSandboxRequest request;
    *request.mutable_config() = config;
    request.set_runtime_handler(handler);
    TRY_ASSIGN(const auto response, runtime_.run_pod_sandbox(request));
    return response.pod_sandbox_id();
  }

  Result<> stop_sandbox(const std::string& id) override {
    v1::StopPodSandboxRequest request;
    request.set_pod_sandbox_id(id);
    TRY(runtime_.stop_pod_sandbox(request));
    return {};
  }

  Result<> remove_sandbox(const std::string& id) override {
    v1::RemovePodSandboxRequest request;
    request.set_pod_sandbox_id(id);
    TRY(runtime_.remove_pod_sandbox(request));
    return {};
  }

  Result<std::string> create_container(const std::string& sandbox_id, const v1::ContainerConfig& config) override {
    v1::CreateContainerRequest request;
    request.set_pod_sandbox_id(sandbox_id);
    *request.mutable_config() = config;
    TRY_ASSIGN(const auto response, runtime_.create_container(request));
    return response.container_id();
  }

  Result<> start_container(const std::string& id) override {
    v1::StartContainerRequest request;
    request.set_container_id(id);
    TRY(runtime_.start_container(request));
    return {};
  }

  Result<> stop_container(const std::string& id, std::chrono::seconds grace) override {
    v1::StopContainerRequest request;
    request.set_container_id(id);
    request.set_timeout(grace.count());
    TRY(runtime_.stop_container(request));
    return {};
  }

  Result<> remove_container(const std::string& id) override {
    v1::RemoveContainerRequest request;
    request.set_container_id(id);
    TRY(runtime_.remove_container(request));
    return {};
  }

  Result<ExecAnswer> exec(const std::string& id, const std::vector<std::string>& argv,
                          std::chrono::milliseconds timeout) override {
    constexpr std::size_t kShown = std::size_t{16} << 10; // of what a probe or a hook prints
    TRY_ASSIGN(const auto response, runtime_.exec_sync(id, argv, timeout, kShown));
    return ExecAnswer{response.exit_code(), response.stdout() + response.stderr()};
  }

  Result<std::optional<ImageFacts>> image(const std::string& reference) override {
    v1::ImageStatusRequest request;
    request.mutable_image()->set_image(reference);
    TRY_ASSIGN(const auto response, runtime_.image_status(request));
    if (!response.has_image()) return std::optional<ImageFacts>();
    ImageFacts facts;
    facts.id = response.image().id();
    if (response.image().has_uid()) facts.uid = response.image().uid().value();
    facts.username = response.image().username();
    return std::optional<ImageFacts>(std::move(facts));
  }

  Result<> pull(const std::string& reference, std::stop_token cancel) override {
    v1::PullImageRequest request;
    request.mutable_image()->set_image(reference);
    TRY(runtime_.pull_image(request, {}, std::move(cancel)));
    return {};
  }

  void listen(std::function<void(const std::string& uid)> on_change) override {
    if (subscription_ != nullptr) subscription_->close();
    if (thread_.joinable()) thread_.join();
    subscription_ = nullptr;
    if (!on_change) return;
    subscription_ = runtime_.events().subscribe();
    thread_ = std::thread([subscription = subscription_, on_change = std::move(on_change)] {
      while (!subscription->closed()) {
        const auto event = subscription->next(std::chrono::hours(1));
        if (event != nullptr) on_change(event->pod_sandbox_status().metadata().uid());
      }
    });
  }

 private:
  Result<> add_sandbox(const v1::PodSandbox& sandbox, PodRecord& record) {
    v1::PodSandboxStatusRequest request;
    request.set_pod_sandbox_id(sandbox.id());
    auto response = runtime_.pod_sandbox_status(request);
    if (!response && response.error().code == Code::not_found) return {}; // removed meanwhile
    if (!response) return Fail(std::move(response).error());
    const v1::PodSandboxStatus& status = response->status();
    record.name = status.metadata().name();
    record.namespace_ = status.metadata().namespace_();
    record.manifest_hash = text_of(status.annotations(), keys::kManifestHash);
    SandboxRecord& out = record.sandboxes.emplace_back();
    out.id = status.id();
    out.attempt = status.metadata().attempt();
    out.ready = status.state() == v1::SANDBOX_READY;
    out.created_at = time_of(status.created_at());
    out.pod_seen_at = time_of(number_of(status.annotations(), keys::kSeenAt, status.created_at()));
    if (!status.network().ip().empty()) out.ips.push_back(status.network().ip());
    for (const v1::PodIP& ip : status.network().additional_ips()) out.ips.push_back(ip.ip());
    return {};
  }

  Result<> add_containers(PodRecord& record) {
    for (const SandboxRecord& sandbox : record.sandboxes) {
      v1::ListContainersRequest request;
      request.mutable_filter()->set_pod_sandbox_id(sandbox.id);
      TRY_ASSIGN(const auto listed, runtime_.list_containers(request));
      for (const v1::Container& container : listed.containers()) {
        v1::ContainerStatusRequest one;
        one.set_container_id(container.id());
        auto status = runtime_.container_status(one);
        if (!status && status.error().code == Code::not_found) continue;
        if (!status) return Fail(std::move(status).error());
        record.containers.push_back(container_record(container, status->status()));
      }
    }
    return {};
  }

  cri::Runtime& runtime_;
  std::shared_ptr<cri::EventSubscription> subscription_;
  std::thread thread_;
};

} // namespace

std::unique_ptr<PodRuntime> make_pod_runtime(cri::Runtime& runtime) {
  return std::make_unique<CriPodRuntime>(runtime);
}

} // namespace keelson::daemon
