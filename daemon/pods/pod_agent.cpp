#include "daemon/pods/pod_agent.hpp"

#include "api/decode.hpp"
#include "base/file.hpp"
#include "base/log.hpp"
#include "daemon/pods/manifest_watch.hpp"
#include "daemon/pods/node_addresses.hpp"
#include "daemon/pods/pod_worker.hpp"
#include "qos/tier_tree.hpp"

#include <algorithm>

namespace keelson::daemon {

namespace {

constexpr std::chrono::seconds kGroupRemoval{10};
constexpr std::size_t kMaxCheckpoints = std::size_t{64} << 20;

} // namespace

struct PodAgent::State : std::enable_shared_from_this<State> {
  State(PodAgentOptions options, PodAgentServices services)
      : context(std::move(options), services)
      , checkpoint_path(context.options.root + "/node/probes.json") {}

  AgentContext context;
  const std::string checkpoint_path;

  mutable std::mutex mutex;                                  // guards what follows
  std::map<std::string, std::shared_ptr<PodWorker>> workers; // by uid
  std::vector<Manifest> desired;
  std::map<std::string, std::string> refused; // uid to manifest hash: pods beyond max_pods, already reported
  bool checkpoint_posted = false;

  std::mutex checkpoint_mutex; // keeps writes apart

  std::unique_ptr<ManifestWatch> watch;

  Result<> open();
  void reconcile();
  void start_worker(Manifest manifest, WallTime seen_at);
  void worker_gone(const std::string& uid);
  void read_checkpoints();
  void post_checkpoints();
  void write_checkpoints();
  void adopt(const std::vector<PodRecord>& records);
  void remove_strays();
  void report(const ManifestProblem& problem);
  void on_probe(const std::string& container_id, const health::ProbeReport& report);
  void wake(const std::string& uid);
  void close();
  bool has_room(const Manifest& manifest);
  std::vector<api::Pod> snapshots() const;
};

void PodAgent::State::read_checkpoints() {
  const auto text = read_file(checkpoint_path, kMaxCheckpoints);
  if (!text) {
    if (text.error().code != Code::not_found) log::warning("probe results are lost: {}", text.error().message);
    return;
  }
  auto known = health::parse_checkpoints(*text);
  if (!known) {
    log::warning("probe results are lost: {}: {}", checkpoint_path, known.error().message);
    return;
  }
  for (health::ProbeCheckpoint& checkpoint : *known) {
    std::string id = checkpoint.container_id;
    context.checkpoints.emplace(std::move(id), std::move(checkpoint));
  }
}

void PodAgent::State::post_checkpoints() {
  const std::lock_guard lock(mutex);
  if (checkpoint_posted || context.ending) return;
  checkpoint_posted = true;
  context.workers->post([this] {
    {
      const std::lock_guard unposted(mutex);
      checkpoint_posted = false;
    }
    write_checkpoints();
  });
}

void PodAgent::State::write_checkpoints() {
  const std::lock_guard writing(checkpoint_mutex);
  std::vector<health::ProbeCheckpoint> all = context.probes->checkpoints();
  {
    // Not taken yet: their containers have not been looked at.
    const std::lock_guard lock(context.probed_mutex);
    for (const auto& [id, checkpoint] : context.checkpoints) all.push_back(checkpoint);
  }
  auto written = write_file_atomic(checkpoint_path, health::format_checkpoints(all));
  if (!written) log::error("probe results are not saved: {}", written.error().message);
}

// On the loop's thread.
void PodAgent::State::on_probe(const std::string& container_id, const health::ProbeReport& report) {
  std::shared_ptr<PodWorker> worker;
  {
    const std::lock_guard lock(context.probed_mutex);
    const auto found = context.probed.find(container_id);
    if (found != context.probed.end()) worker = found->second.lock();
  }
  if (worker != nullptr) worker->on_probe(container_id, report);
  if (report.transition()) post_checkpoints();
}

void PodAgent::State::wake(const std::string& uid) {
  const std::lock_guard lock(mutex);
  const auto worker = workers.find(uid);
  if (worker != workers.end()) worker->second->wake();
}

// Under the mutex.
void PodAgent::State::start_worker(Manifest manifest, WallTime seen_at) {
  const std::string uid = manifest.pod.metadata.uid;
  // The worker holds no reference to the state: close() outlives every call.
  auto worker = std::make_shared<PodWorker>(context, std::move(manifest), seen_at, [this, uid] { worker_gone(uid); });
  workers[uid] = worker;
  worker->wake();
}

void PodAgent::State::worker_gone(const std::string& uid) {
  {
    const std::lock_guard lock(mutex);
    workers.erase(uid);
  }
  reconcile();
}

bool PodAgent::State::has_room(const Manifest& manifest) {
  if (workers.size() < context.options.max_pods) {
    refused.erase(manifest.pod.metadata.uid);
    return true;
  }
  std::string& reported = refused[manifest.pod.metadata.uid];
  if (reported == manifest.hash) return false;
  reported = manifest.hash;
  context.add_event(manifest.pod, EventType::warning, "OutOfpods",
                    fmt::format("Node didn't have enough resource: pods, requested: 1, used: {}, capacity: {}; it "
                                "starts when another pod ends, or raise pods.max_pods",
                                workers.size(), context.options.max_pods));
  return false;
}

// Ends what is not wanted and starts what is. A pod whose name (or uid) an ending one still has waits for its end.
void PodAgent::State::reconcile() {
  const std::lock_guard lock(mutex);
  if (context.ending) return;
  std::set<std::string> names;
  for (const auto& [uid, worker] : workers) {
    const Manifest& has = worker->manifest();
    const bool wanted = std::any_of(desired.begin(), desired.end(), [&](const Manifest& manifest) {
      return manifest.pod.metadata.uid == has.pod.metadata.uid && manifest.hash == has.hash;
    });
    if (!wanted) worker->terminate();
    names.insert(full_name(has.pod));
  }
  for (const Manifest& manifest : desired) {
    if (workers.contains(manifest.pod.metadata.uid) || names.contains(full_name(manifest.pod))) continue;
    if (!has_room(manifest)) continue;
    start_worker(manifest, context.clock.wall_now());
  }
  std::erase_if(refused, [&](const auto& entry) {
    return std::none_of(desired.begin(), desired.end(),
                        [&](const Manifest& manifest) { return manifest.pod.metadata.uid == entry.first; });
  });
}

// Pods that the runtime still has: those with a manifest go on; the others, also those whose manifest has changed, get
// a worker that ends them.
void PodAgent::State::adopt(const std::vector<PodRecord>& records) {
  const std::lock_guard lock(mutex);
  for (const PodRecord& record : records) {
    const auto manifest = std::find_if(desired.begin(), desired.end(), [&](const Manifest& wanted) {
      return wanted.pod.metadata.uid == record.uid && wanted.hash == record.manifest_hash;
    });
    WallTime seen_at = context.clock.wall_now();
    if (!record.sandboxes.empty()) seen_at = record.sandboxes.back().pod_seen_at;
    start_worker(manifest != desired.end() ? *manifest : manifest_of_orphan(record), seen_at);
  }
}

// Groups and directories of pods that neither the runtime nor a manifest knows.
void PodAgent::State::remove_strays() {
  std::set<std::string> known;
  {
    const std::lock_guard lock(mutex);
    for (const auto& [uid, worker] : workers) known.insert(uid);
  }
  if (context.tiers != nullptr) {
    // Pods that others made over CRI may have groups below the tiers as well.
    const auto in_use = context.runtime.sandbox_uids();
    const auto unknown = context.tiers->unknown_pods();
    if (!unknown || !in_use)
      log::warning("groups of unknown pods: {}", (unknown ? in_use.error() : unknown.error()).message);
    for (const std::string& uid : unknown&& in_use ? *unknown : std::vector<std::string>{}) {
      if (known.contains(uid) || std::find(in_use->begin(), in_use->end(), uid) != in_use->end()) continue;
      auto removed = context.tiers->remove_pod(uid, Deadline::after(kGroupRemoval));
      if (!removed) log::info("group of the unknown pod {} stays: {}", uid, removed.error().message);
    }
  }
  for (const std::string& uid : context.volumes.known_uids()) {
    if (known.contains(uid)) continue;
    auto removed = context.volumes.tear_down(uid, PodVolumes::Extent::everything);
    if (!removed) log::warning("directory of the unknown pod {}: {}", uid, removed.error().message);
  }
}

void PodAgent::State::report(const ManifestProblem& problem) {
  const std::string text = problem.pod.empty()
                               ? fmt::format("{}: {}", problem.file, problem.message)
                               : fmt::format("{}: pod {}: {}", problem.file, problem.pod, problem.message);
  log::error("manifest {}", text);
  Event event;
  event.type = EventType::warning;
  event.reason = "InvalidManifest";
  event.object = problem.pod.empty() ? "node/" + context.options.node_name : "pod/" + problem.pod;
  event.message = text;
  context.events.add(std::move(event));
}

Result<> PodAgent::State::open() {
  TRY(make_dirs(context.options.root + "/node", 0700));
  TRY(make_dirs(context.options.root + "/pods", 0711));
  read_checkpoints();
  context.probes = std::make_unique<health::ProbeRunner>(
      context.loop, *context.exec_probes, context.prober,
      [this](const std::string& id, const health::ProbeReport& outcome) { on_probe(id, outcome); });
  if (context.tiers != nullptr) TRY(context.tiers->ensure_tiers());
  TRY_ASSIGN(std::vector<PodRecord> records, context.runtime.list(context.options.node_name));
  ManifestWatch::Listener listener;
  listener.on_problem = [this](const ManifestProblem& problem) { report(problem); };
  // The first call comes from ManifestWatch::start().
  listener.on_pods = [this, records = std::move(records), adopted = false](std::vector<Manifest> pods) mutable {
    {
      const std::lock_guard lock(mutex);
      desired = std::move(pods);
    }
    if (!adopted) adopt(records);
    adopted = true;
    records.clear();
    reconcile();
  };
  context.runtime.listen([this](const std::string& uid) { wake(uid); });
  TRY_ASSIGN(watch, ManifestWatch::start(context.options.manifest_dir, context.options.node_name, context.loop,
                                         *context.workers, std::move(listener)));
  remove_strays();
  return {};
}

// Nothing is posted after `ending` is seen under the mutex and the workers are detached; then each pool is drained
// while all that its work uses is still there.
void PodAgent::State::close() {
  {
    const std::lock_guard lock(mutex);
    context.ending = true;
  }
  context.events.close();
  watch.reset();
  context.runtime.listen({});
  {
    const std::lock_guard lock(mutex);
    for (const auto& [uid, worker] : workers) worker->detach();
  }
  context.workers.reset();
  context.pulls.reset();
  context.slow.reset();
  if (context.probes != nullptr) write_checkpoints();
  context.probes.reset();
  context.exec_probes.reset();
}

std::vector<api::Pod> PodAgent::State::snapshots() const {
  std::vector<api::Pod> pods;
  const std::lock_guard lock(mutex);
  for (const auto& [uid, worker] : workers) pods.push_back(worker->snapshot());
  for (const Manifest& manifest : desired) {
    if (!refused.contains(manifest.pod.metadata.uid) || workers.contains(manifest.pod.metadata.uid)) continue;
    api::Pod pod = manifest.pod;
    pod.status.phase = api::PodPhase::pending;
    pod.status.reason = "OutOfpods";
    pod.status.message = fmt::format("the node runs {} pods and may run no more", context.options.max_pods);
    pods.push_back(std::move(pod));
  }
  std::sort(pods.begin(), pods.end(), [](const auto& a, const auto& b) { return full_name(a) < full_name(b); });
  return pods;
}

PodAgent::PodAgent(std::shared_ptr<State> state)
    : state_(std::move(state)) {}

PodAgent::~PodAgent() {
  state_->close();
}

Result<std::unique_ptr<PodAgent>> PodAgent::start(PodAgentOptions options, PodAgentServices services) {
  if (options.host_addresses.empty()) options.host_addresses = node_addresses();
  auto state = std::make_shared<State>(std::move(options), services);
  std::unique_ptr<PodAgent> agent(new PodAgent(state));
  TRY_CONTEXT(state->open(), "pod agent");
  return agent;
}

json::value PodAgent::pods() const {
  json::array list;
  for (const api::Pod& pod : state_->snapshots()) list.push_back(api::encode_pod(pod));
  return list;
}

Result<json::value> PodAgent::pod(const std::string& name) const {
  for (const api::Pod& pod : state_->snapshots())
    if (pod.metadata.uid == name || full_name(pod) == name || full_name(pod) == "default/" + name)
      return api::encode_pod(pod);
  return fail(Code::not_found, "no pod {}: give its name, namespace/name, or its uid", name);
}

EventLog& PodAgent::events() {
  return state_->context.events;
}

json::value to_json(const Event& event) {
  return {{"sequence", event.sequence},
          {"type", to_string(event.type)},
          {"reason", event.reason},
          {"object", event.object},
          {"uid", event.uid},
          {"fieldPath", event.field_path},
          {"message", event.message},
          {"count", event.count},
          {"firstTimestamp", format_rfc3339_nano(event.first_at)},
          {"lastTimestamp", format_rfc3339_nano(event.last_at)}};
}

} // namespace keelson::daemon
