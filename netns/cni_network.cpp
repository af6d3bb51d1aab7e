#include "netns/cni_network.hpp"

#include "base/file.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "netns/cni_config.hpp"
#include "netns/cni_plugin.hpp"

#include <algorithm>
#include <mutex>
#include <optional>
#include <set>

namespace keelson::netns {
namespace {

// One attached sandbox as it is on disk. Written before ADD without a result, so that a crash within ADD is undone with
// the configuration that ADD had.
struct CniRecord {
  std::string sandbox_id;
  std::string netns_path;
  std::string interface;
  std::string args;
  CniList list;
  json::object capability_arguments;
  std::optional<json::value> result; // of the last plug-in that was added
  bool attached = false;             // every plug-in was
};

std::string format_record(const CniRecord& record) {
  json::object object;
  object["sandboxId"] = record.sandbox_id;
  object["netns"] = record.netns_path;
  object["interface"] = record.interface;
  object["args"] = record.args;
  object["list"] = format_cni_list(record.list);
  object["capabilityArguments"] = record.capability_arguments;
  if (record.result) object["result"] = *record.result;
  object["attached"] = record.attached;
  return json::to_text(object);
}

Result<CniRecord> parse_record(std::string_view text) {
  TRY_ASSIGN(const json::value document, json::parse(text));
  const json::object* object = document.if_object();
  if (object == nullptr) return fail(Code::data_loss, "not an object");
  CniRecord record;
  TRY_ASSIGN(record.sandbox_id, json::get_string(*object, "sandboxId"));
  TRY_ASSIGN(record.netns_path, json::get_string(*object, "netns"));
  TRY_ASSIGN(record.interface, json::get_string(*object, "interface"));
  TRY_ASSIGN(record.args, json::get_string(*object, "args"));
  const json::object* list = json::find_object(*object, "list");
  if (list == nullptr) return fail(Code::data_loss, "no configuration in it");
  TRY_ASSIGN(record.list, parse_cni_list(json::to_text(*list)));
  if (const json::object* arguments = json::find_object(*object, "capabilityArguments"))
    record.capability_arguments = *arguments;
  if (const json::value* result = object->if_contains("result")) record.result = *result;
  record.attached = json::get_bool(*object, "attached").value_or(false);
  return record;
}

bool is_file_name(const std::string& id) {
  return !id.empty() && id.size() <= 200 && id.front() != '.' && id.find('/') == std::string::npos;
}

} // namespace

struct CniNetwork::State {
  explicit State(CniConfig given)
      : config(std::move(given)) {}

  std::string record_path(const std::string& id) const { return config.cache_dir + "/" + id; }
  Result<> save(const CniRecord& record) const;
  Result<CniRecord> load(const std::string& id) const; // not_found: never attached
  Result<CniRecord> load_for_detach(const DetachRequest& request) const;
  Result<CniList> current() const;
  CniCall call(const CniRecord& record, const char* command, Deadline deadline) const;
  Deadline limit(Deadline deadline) const {
    return Deadline(std::min(deadline.at(), Deadline::after(config.plugin_timeout).at()));
  }
  Result<> add(CniRecord& record, Deadline deadline) const;
  Result<> del(const CniRecord& record, Deadline deadline) const;
  Result<PodAddresses> attach_or_undo(CniRecord& record, Deadline deadline) const;
  Result<> forget(const std::string& id) const { return remove_file_at(AT_FDCWD, record_path(id)); }

  const CniConfig config;
  mutable std::mutex mutex; // guards list, problem, under_way
  std::optional<CniList> list;
  std::string problem; // why there is no list, or why the last reload failed
  std::set<std::string> under_way;
};

Result<> CniNetwork::State::save(const CniRecord& record) const {
  TRY_CONTEXT(write_file_atomic(record_path(record.sandbox_id), format_record(record)),
              "record the network of sandbox {}", record.sandbox_id);
  return {};
}

Result<CniRecord> CniNetwork::State::load(const std::string& id) const {
  if (!is_file_name(id)) return fail(Code::not_found, "\"{}\" is no sandbox id", printable(id));
  TRY_ASSIGN(const std::string text, read_file(record_path(id), std::size_t{8} << 20));
  auto record = parse_record(text);
  if (!record) return fail(Code::data_loss, "network record {}: {}", record_path(id), record.error().message);
  return record;
}

Result<CniList> CniNetwork::State::current() const {
  const std::lock_guard lock(mutex);
  if (!list) return fail(Code::unavailable, "the pod network is not ready: {}", problem);
  return *list;
}

CniCall CniNetwork::State::call(const CniRecord& record, const char* command, Deadline deadline) const {
  // A namespace that is gone is said by an empty path; plug-ins then free what they hold outside of it.
  const std::string netns = exists(record.netns_path) ? record.netns_path : std::string();
  return {command, record.sandbox_id, netns, record.interface, record.args, config.plugin_dirs, deadline};
}

Result<> CniNetwork::State::add(CniRecord& record, Deadline deadline) const {
  for (const json::object& plugin : record.list.plugins) {
    TRY_ASSIGN(const std::string type, json::get_string(plugin, "type"));
    const std::string input = plugin_input(record.list, plugin, record.capability_arguments, record.result);
    TRY_ASSIGN(json::value result, run_cni_plugin(call(record, "ADD", limit(deadline)), type, input));
    if (!result.is_object()) return fail(Code::internal, "CNI plug-in {} gave no result", type);
    record.result = std::move(result);
  }
  return {};
}

// Every plug-in is called, also after one has failed: what the others hold would leak.
Result<> CniNetwork::State::del(const CniRecord& record, Deadline deadline) const {
  Result<> first_error;
  // Versions before 0.4.0 know no earlier result in DEL.
  const auto result = version_at_least(record.list.version, "0.4.0") ? record.result : std::nullopt;
  for (auto plugin = record.list.plugins.rbegin(); plugin != record.list.plugins.rend(); ++plugin) {
    TRY_ASSIGN(const std::string type, json::get_string(*plugin, "type"));
    const std::string input = plugin_input(record.list, *plugin, record.capability_arguments, result);
    auto done = run_cni_plugin(call(record, "DEL", limit(deadline)), type, input);
    // A program that was missing for ADD must not keep the sandbox from being removed.
    if (!done && done.error().code == Code::not_found && !record.attached) continue;
    if (!done && first_error) first_error = Fail(std::move(done).error());
  }
  return first_error;
}

Result<PodAddresses> CniNetwork::State::attach_or_undo(CniRecord& record, Deadline deadline) const {
  TRY(save(record));
  auto result = [&]() -> Result<PodAddresses> {
    TRY(add(record, deadline));
    TRY_ASSIGN(PodAddresses addresses, parse_cni_result(*record.result, record.interface));
    if (addresses.ips.empty()) return fail(Code::internal, "the CNI plug-ins gave the pod no address");
    record.attached = true;
    TRY(save(record));
    return addresses;
  }();
  if (result) return result;
  auto undone = del(record, Deadline::never()); // each call has its time limit
  if (undone) undone = forget(record.sandbox_id);
  if (!undone)
    log::warning("network of sandbox {} is half-made until it is detached: {}", record.sandbox_id,
                 undone.error().message);
  return result;
}

CniNetwork::CniNetwork(std::unique_ptr<State> state)
    : state_(std::move(state)) {}
CniNetwork::~CniNetwork() = default;

Result<std::unique_ptr<CniNetwork>> CniNetwork::open(const CniConfig& config) {
  TRY_CONTEXT(make_dirs(config.cache_dir, 0700), "records of attached pods");
  auto network = std::unique_ptr<CniNetwork>(new CniNetwork(std::make_unique<State>(config)));
  static_cast<void>(network->reload()); // status() tells
  return network;
}

Result<> CniNetwork::reload() {
  auto loaded = load_cni_config(state_->config.config_dir);
  const std::lock_guard lock(state_->mutex);
  if (loaded) {
    state_->list = std::move(*loaded);
    state_->problem.clear();
    return {};
  }
  state_->problem = loaded.error().message;
  // An empty directory means that there is no network any more; a broken file is more often one that is being written.
  if (loaded.error().code == Code::not_found) state_->list.reset();
  return Fail(std::move(loaded).error());
}

bool CniNetwork::has_configuration() const {
  const std::lock_guard lock(state_->mutex);
  return state_->list.has_value();
}

std::string CniNetwork::network_name() const {
  const std::lock_guard lock(state_->mutex);
  return state_->list ? state_->list->name : std::string();
}

NetworkStatus CniNetwork::status() {
  const std::lock_guard lock(state_->mutex);
  if (state_->list) return {true, state_->problem};
  return {false, "cni plugin not initialized: " + state_->problem};
}

Result<PodAddresses> CniNetwork::attach(const AttachRequest& request) {
  const std::string& id = request.sandbox_id;
  if (!is_file_name(id)) return fail(Code::invalid_argument, "\"{}\" is no sandbox id", printable(id));
  if (auto known = state_->load(id)) {
    if (known->attached && known->result && known->netns_path == request.netns_path)
      return parse_cni_result(*known->result, known->interface);
    TRY(detach({id, request.pod, request.netns_path, request.deadline})); // an ADD that a crash cut off
  }
  CniRecord record{id, request.netns_path, state_->config.interface, {}, {}, capability_arguments(request), {}};
  TRY_ASSIGN(record.list, state_->current());
  TRY_ASSIGN(record.args, format_cni_args(request.pod, id));
  {
    const std::lock_guard lock(state_->mutex);
    state_->under_way.insert(id);
  }
  auto result = state_->attach_or_undo(record, request.deadline);
  const std::lock_guard lock(state_->mutex);
  state_->under_way.erase(id);
  if (!result)
    return Fail(std::move(result).error().context(
        fmt::format("connect pod {}/{} to network {}", request.pod.name_space, request.pod.name, record.list.name)));
  return result;
}

Result<CniRecord> CniNetwork::State::load_for_detach(const DetachRequest& request) const {
  auto record = load(request.sandbox_id);
  if (record || record.error().code != Code::data_loss) return record;
  // A damaged record must not keep a sandbox from ever being removed: DEL with the present configuration frees what
  // plug-ins find by the sandbox' id.
  log::warning("{}: using the present CNI configuration", record.error().message);
  CniRecord substitute{request.sandbox_id, request.netns_path, config.interface, {}, {}, {}, {}};
  TRY_ASSIGN(substitute.list, current());
  TRY_ASSIGN(substitute.args, format_cni_args(request.pod, request.sandbox_id));
  return substitute;
}

Result<> CniNetwork::detach(const DetachRequest& request) {
  auto record = state_->load_for_detach(request);
  if (!record && record.error().code == Code::not_found) return {};
  if (!record) return Fail(std::move(record).error());
  if (!request.netns_path.empty()) record->netns_path = request.netns_path;
  TRY_CONTEXT(state_->del(*record, request.deadline), "disconnect sandbox {}", request.sandbox_id);
  return state_->forget(request.sandbox_id);
}

Result<PodAddresses> CniNetwork::check(const std::string& sandbox_id, const std::string& netns_path) {
  TRY_ASSIGN(CniRecord record, state_->load(sandbox_id));
  if (!record.attached || !record.result)
    return fail(Code::failed_precondition, "sandbox {} was never connected in full", sandbox_id);
  record.netns_path = netns_path;
  if (!record.list.disable_check && version_at_least(record.list.version, "0.4.0")) {
    const CniCall call = state_->call(record, "CHECK", state_->limit(Deadline::never()));
    for (const json::object& plugin : record.list.plugins) {
      TRY_ASSIGN(const std::string type, json::get_string(plugin, "type"));
      auto done =
          run_cni_plugin(call, type, plugin_input(record.list, plugin, record.capability_arguments, record.result));
      if (!done) return fail(Code::failed_precondition, "{}", done.error().message);
    }
  }
  return parse_cni_result(*record.result, record.interface);
}

Result<> CniNetwork::reconcile(const std::vector<std::string>& live_sandbox_ids) {
  std::set<std::string> keep(live_sandbox_ids.begin(), live_sandbox_ids.end());
  {
    const std::lock_guard lock(state_->mutex);
    keep.insert(state_->under_way.begin(), state_->under_way.end());
  }
  TRY_ASSIGN(const auto ids, list_dir(state_->config.cache_dir));
  Result<> first_error;
  for (const std::string& id : ids) {
    if (!is_file_name(id) || keep.contains(id)) continue;
    auto done = detach({id, {}, {}, Deadline::after(state_->config.plugin_timeout)});
    if (!done && first_error) first_error = std::move(done);
  }
  return first_error;
}

} // namespace keelson::netns
