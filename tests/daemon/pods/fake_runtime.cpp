#include "tests/daemon/pods/fake_runtime.hpp"

#include "base/text.hpp"
#include "cri/proto/runtime_v1.pb.h"

#include <algorithm>

namespace keelson::daemon::test {

namespace v1 = ::runtime::v1;

namespace {

WallTime now() {
  return std::chrono::system_clock::now();
}

std::string value_of(const google::protobuf::Map<std::string, std::string>& map, const char* key) {
  const auto found = map.find(key);
  return found == map.end() ? "" : found->second;
}

} // namespace

struct FakeRuntime::State {
  struct Pod {
    std::string agent;
    PodRecord record;
  };
  mutable std::mutex mutex;
  std::map<std::string, Pod> pods; // by uid
  std::map<std::string, bool> images;
  std::vector<std::string> calls;
  std::function<void(const std::string&)> listener;
  int exec_code = 0;
  int next_id = 0;

  ContainerRecord* find(const std::string& id, std::string& uid) {
    for (auto& [pod_uid, pod] : pods)
      for (ContainerRecord& record : pod.record.containers)
        if (record.id == id) {
          uid = pod_uid;
          return &record;
        }
    return nullptr;
  }
  static std::string title(const ContainerRecord& record) { return fmt::format("{}#{}", record.name, record.attempt); }
  static void end(ContainerRecord& record, int code) {
    if (record.state == RecordState::exited) return;
    record.state = RecordState::exited;
    record.exit_code = code;
    record.reason = code == 0 ? "Completed" : "Error";
    record.finished_at = now();
  }
  void tell(const std::string& uid) {
    if (listener) listener(uid);
  }
};

FakeRuntime::FakeRuntime()
    : state_(std::make_unique<State>()) {}
FakeRuntime::~FakeRuntime() = default;

Result<PodRecord> FakeRuntime::observe(const std::string& uid) {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->pods.find(uid);
  if (found == state_->pods.end()) {
    PodRecord none;
    none.uid = uid;
    return none;
  }
  return found->second.record;
}

Result<std::vector<PodRecord>> FakeRuntime::list(const std::string& agent) {
  const std::lock_guard lock(state_->mutex);
  std::vector<PodRecord> records;
  for (const auto& [uid, pod] : state_->pods)
    if (pod.agent == agent) records.push_back(pod.record);
  return records;
}

Result<std::vector<std::string>> FakeRuntime::sandbox_uids() {
  const std::lock_guard lock(state_->mutex);
  std::vector<std::string> uids;
  for (const auto& [uid, pod] : state_->pods) uids.push_back(uid);
  return uids;
}

Result<std::string> FakeRuntime::run_sandbox(const v1::PodSandboxConfig& config, const std::string&) {
  const std::lock_guard lock(state_->mutex);
  State::Pod& pod = state_->pods[config.metadata().uid()];
  pod.agent = value_of(config.annotations(), keys::kAgent);
  pod.record.uid = config.metadata().uid();
  pod.record.name = config.metadata().name();
  pod.record.namespace_ = config.metadata().namespace_();
  pod.record.manifest_hash = value_of(config.annotations(), keys::kManifestHash);
  SandboxRecord sandbox;
  sandbox.id = fmt::format("sandbox{}", ++state_->next_id);
  sandbox.attempt = config.metadata().attempt();
  sandbox.ready = true;
  sandbox.created_at = now();
  sandbox.pod_seen_at = WallTime(
      std::chrono::nanoseconds(parse_int<std::int64_t>(value_of(config.annotations(), keys::kSeenAt)).value()));
  sandbox.ips = {"127.0.0.1"};
  pod.record.sandboxes.insert(pod.record.sandboxes.begin(), sandbox);
  state_->calls.push_back("sandbox " + config.metadata().name());
  return sandbox.id;
}

Result<> FakeRuntime::stop_sandbox(const std::string& id) {
  const std::lock_guard lock(state_->mutex);
  for (auto& [uid, pod] : state_->pods)
    for (SandboxRecord& sandbox : pod.record.sandboxes) {
      if (sandbox.id != id) continue;
      sandbox.ready = false;
      for (ContainerRecord& record : pod.record.containers)
        if (record.sandbox_id == id) State::end(record, 137);
      state_->calls.push_back("stop-sandbox " + pod.record.name);
    }
  return {};
}

Result<> FakeRuntime::remove_sandbox(const std::string& id) {
  const std::lock_guard lock(state_->mutex);
  for (auto pod = state_->pods.begin(); pod != state_->pods.end();) {
    PodRecord& record = pod->second.record;
    std::erase_if(record.sandboxes, [&](const SandboxRecord& sandbox) { return sandbox.id == id; });
    std::erase_if(record.containers, [&](const ContainerRecord& container) { return container.sandbox_id == id; });
    pod = record.sandboxes.empty() ? state_->pods.erase(pod) : std::next(pod);
  }
  return {};
}

Result<std::string> FakeRuntime::create_container(const std::string& sandbox_id, const v1::ContainerConfig& config) {
  const std::lock_guard lock(state_->mutex);
  for (auto& [uid, pod] : state_->pods)
    for (const SandboxRecord& sandbox : pod.record.sandboxes) {
      if (sandbox.id != sandbox_id) continue;
      ContainerRecord record;
      record.id = fmt::format("container{}", ++state_->next_id);
      record.sandbox_id = sandbox_id;
      record.name = config.metadata().name();
      record.attempt = config.metadata().attempt();
      record.created_at = now();
      record.image = config.image().user_specified_image();
      const std::string kind = value_of(config.annotations(), keys::kKind);
      record.kind = kind == "init"      ? ContainerKind::init
                    : kind == "sidecar" ? ContainerKind::sidecar
                                        : ContainerKind::regular;
      record.back_off =
          std::chrono::seconds(parse_int<int>(value_of(config.annotations(), keys::kBackOff)).value_or(0));
      record.grace_period =
          std::chrono::seconds(parse_int<int>(value_of(config.annotations(), keys::kGracePeriod)).value_or(30));
      record.pre_stop = value_of(config.annotations(), keys::kPreStop);
      for (const v1::Mount& mount : config.mounts())
        if (mount.container_path() == "/dev/termination-log") record.termination_file = mount.host_path();
      pod.record.containers.insert(pod.record.containers.begin(), record);
      return record.id;
    }
  return fail(Code::not_found, "no sandbox {}", sandbox_id);
}

Result<> FakeRuntime::start_container(const std::string& id) {
  const std::lock_guard lock(state_->mutex);
  std::string uid;
  ContainerRecord* record = state_->find(id, uid);
  if (record == nullptr) return fail(Code::not_found, "no container {}", id);
  record->state = RecordState::running;
  record->started_at = now();
  state_->calls.push_back("start " + State::title(*record));
  state_->tell(uid);
  return {};
}

Result<> FakeRuntime::stop_container(const std::string& id, std::chrono::seconds grace) {
  const std::lock_guard lock(state_->mutex);
  std::string uid;
  ContainerRecord* record = state_->find(id, uid);
  if (record == nullptr) return {};
  state_->calls.push_back(fmt::format("stop {} {}", State::title(*record), grace.count()));
  State::end(*record, 143);
  state_->tell(uid);
  return {};
}

Result<> FakeRuntime::remove_container(const std::string& id) {
  const std::lock_guard lock(state_->mutex);
  for (auto& [uid, pod] : state_->pods)
    std::erase_if(pod.record.containers, [&](const ContainerRecord& record) { return record.id == id; });
  return {};
}

Result<ExecAnswer> FakeRuntime::exec(const std::string& id, const std::vector<std::string>& argv,
                                     std::chrono::milliseconds) {
  const std::lock_guard lock(state_->mutex);
  std::string uid;
  const ContainerRecord* record = state_->find(id, uid);
  if (record == nullptr) return fail(Code::not_found, "no container {}", id);
  state_->calls.push_back(fmt::format("exec {} {}", State::title(*record), fmt::join(argv, " ")));
  return ExecAnswer{state_->exec_code, state_->exec_code == 0 ? "" : "not well"};
}

Result<std::optional<ImageFacts>> FakeRuntime::image(const std::string& reference) {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->images.find(reference);
  if (found != state_->images.end() && !found->second) return std::optional<ImageFacts>();
  return std::optional<ImageFacts>(ImageFacts{"sha256:1", 1000, ""});
}

Result<> FakeRuntime::pull(const std::string& reference, std::stop_token) {
  const std::lock_guard lock(state_->mutex);
  state_->calls.push_back("pull " + reference);
  const auto found = state_->images.find(reference);
  if (found != state_->images.end() && !found->second) return fail(Code::not_found, "no such image");
  return {};
}

void FakeRuntime::listen(std::function<void(const std::string& uid)> on_change) {
  const std::lock_guard lock(state_->mutex);
  state_->listener = std::move(on_change);
}

void FakeRuntime::exit(const std::string& container, int code) {
  const std::lock_guard lock(state_->mutex);
  for (auto& [uid, pod] : state_->pods)
    for (ContainerRecord& record : pod.record.containers)
      if (record.name == container && record.state == RecordState::running) {
        State::end(record, code);
        state_->tell(uid);
        return;
      }
}

std::vector<std::string> FakeRuntime::calls() const {
  const std::lock_guard lock(state_->mutex);
  return state_->calls;
}

std::size_t FakeRuntime::count(const std::string& call) const {
  const auto all = calls();
  return static_cast<std::size_t>(std::count(all.begin(), all.end(), call));
}

std::size_t FakeRuntime::sandboxes() const {
  const std::lock_guard lock(state_->mutex);
  std::size_t count = 0;
  for (const auto& [uid, pod] : state_->pods) count += pod.record.sandboxes.size();
  return count;
}

void FakeRuntime::set_exec_answer(int code) {
  const std::lock_guard lock(state_->mutex);
  state_->exec_code = code;
}

void FakeRuntime::set_pullable(const std::string& reference, bool pullable) {
  const std::lock_guard lock(state_->mutex);
  state_->images[reference] = pullable;
}

} // namespace keelson::daemon::test
