#include "cri/server/container.hpp"

#include "base/json.hpp"
#include "cri/server/proto_json.hpp"

namespace keelson::cri {

namespace {

constexpr ContainerPhase kPhases[] = {ContainerPhase::creating, ContainerPhase::created, ContainerPhase::running,
                                      ContainerPhase::exited, ContainerPhase::unknown};

Result<ContainerPhase> parse_phase(std::string_view text) {
  for (const ContainerPhase phase : kPhases)
    if (to_string(phase) == text) return phase;
  return fail(Code::data_loss, "unknown container phase \"{}\"", text);
}

Result<WallTime> get_time(const json::object& record, std::string_view key) {
  TRY_ASSIGN(const std::int64_t nanos, json::get_int(record, key));
  return WallTime(std::chrono::nanoseconds(nanos));
}

Result<> read_request(const json::object& record, Container& container) {
  TRY_ASSIGN(container.id, json::get_string(record, "id"));
  TRY_ASSIGN(container.sandbox_id, json::get_string(record, "sandbox_id"));
  TRY_ASSIGN(container.handler, json::get_string(record, "handler"));
  TRY_ASSIGN(container.image_id, json::get_string(record, "image_id"));
  TRY_ASSIGN(container.image_digest, json::get_string(record, "image_digest"));
  TRY_ASSIGN(container.stop_signal, json::get_string(record, "stop_signal"));
  if (const json::array* images = json::find_array(record, "volume_images"))
    for (const json::value& image : *images)
      container.volume_images.emplace_back(image.is_string() ? image.get_string() : "");
  TRY_ASSIGN(container.created_at, get_time(record, "created_at"));
  TRY_ASSIGN(container.log_path, json::get_string(record, "log_path"));
  TRY_ASSIGN(container.cgroup_path, json::get_string(record, "cgroup_path"));
  const json::value* config = record.if_contains("config");
  if (config == nullptr) return fail(Code::data_loss, "no config");
  TRY(from_json_text(json::to_text(*config), container.config));
  container.image_name = json::get_string(record, "image_name").value_or(container.config.image().image());
  return {};
}

Result<> read_user(const json::object& record, ContainerUserIds& user) {
  const json::object* ids = json::find_object(record, "user");
  if (ids == nullptr) return fail(Code::data_loss, "no user");
  TRY_ASSIGN(user.uid, json::get_int(*ids, "uid"));
  TRY_ASSIGN(user.gid, json::get_int(*ids, "gid"));
  if (const json::array* gids = json::find_array(*ids, "supplemental_gids"))
    for (const json::value& gid : *gids)
      if (gid.is_int64()) user.supplemental_gids.push_back(gid.get_int64());
  return {};
}

Result<> read_state(const json::object& record, Container& container) {
  TRY_ASSIGN(const std::string phase, json::get_string(record, "phase"));
  TRY_ASSIGN(container.phase, parse_phase(phase));
  TRY_ASSIGN(const std::int64_t pid, json::get_int(record, "pid"));
  TRY_ASSIGN(const std::int64_t start_time, json::get_int(record, "start_time"));
  container.init = ProcessId{static_cast<pid_t>(pid), static_cast<std::uint64_t>(start_time)};
  TRY_ASSIGN(container.started_at, get_time(record, "started_at"));
  TRY_ASSIGN(container.kill_requested, json::get_bool(record, "kill_requested"));
  if (const json::value* resources = record.if_contains("resources"))
    TRY(from_json_text(json::to_text(*resources), container.resources));
  const json::object* exit = json::find_object(record, "exit");
  if (exit == nullptr) return {};
  ContainerExit ended;
  TRY_ASSIGN(const std::int64_t code, json::get_int(*exit, "code"));
  ended.code = static_cast<int>(code);
  TRY_ASSIGN(ended.reason, json::get_string(*exit, "reason"));
  TRY_ASSIGN(ended.message, json::get_string(*exit, "message"));
  TRY_ASSIGN(ended.finished_at, get_time(*exit, "finished_at"));
  container.exit = std::move(ended);
  return {};
}

Result<> write_state(const Container& container, json::object& record) {
  const std::lock_guard lock(container.mutex);
  record["phase"] = to_string(container.phase);
  record["pid"] = container.init.pid;
  record["start_time"] = static_cast<std::int64_t>(container.init.start_time);
  record["started_at"] = unix_nanos(container.started_at);
  record["kill_requested"] = container.kill_requested;
  TRY_ASSIGN(const std::string resources, to_json_text(container.resources));
  TRY_ASSIGN(record["resources"], json::parse(resources));
  if (container.exit)
    record["exit"] = json::object{{"code", container.exit->code},
                                  {"reason", container.exit->reason},
                                  {"message", container.exit->message},
                                  {"finished_at", unix_nanos(container.exit->finished_at)}};
  return {};
}

} // namespace

std::string_view to_string(ContainerPhase phase) {
  switch (phase) {
  case ContainerPhase::creating:
    return "creating";
  case ContainerPhase::created:
    return "created";
  case ContainerPhase::running:
    return "running";
  case ContainerPhase::exited:
    return "exited";
  case ContainerPhase::unknown:
    break;
  }
  return "unknown";
}

std::string container_key(const std::string& sandbox_id, const v1::ContainerMetadata& metadata) {
  return fmt::format("{}/{}/{}", sandbox_id, metadata.name(), metadata.attempt());
}

std::string Container::key() const {
  return container_key(sandbox_id, config.metadata());
}

bool Container::wait_for_exit(Deadline deadline) const {
  std::unique_lock lock(mutex);
  const auto ended = [this] { return phase == ContainerPhase::exited || phase == ContainerPhase::unknown; };
  if (deadline.at() == SteadyTime::max()) {
    changed.wait(lock, ended);
    return true;
  }
  return changed.wait_until(lock, deadline.at(), ended);
}

Result<std::string> format_record(const Container& container) {
  TRY_ASSIGN(const std::string config_text, to_json_text(container.config));
  json::object record;
  record["id"] = container.id;
  record["sandbox_id"] = container.sandbox_id;
  record["handler"] = container.handler;
  record["image_id"] = container.image_id;
  record["image_digest"] = container.image_digest;
  record["image_name"] = container.image_name;
  record["stop_signal"] = container.stop_signal;
  record["volume_images"] = json::array(container.volume_images.begin(), container.volume_images.end());
  record["created_at"] = unix_nanos(container.created_at);
  record["log_path"] = container.log_path;
  record["cgroup_path"] = container.cgroup_path;
  json::array gids;
  for (const std::int64_t gid : container.user.supplemental_gids) gids.emplace_back(gid);
  record["user"] =
      json::object{{"uid", container.user.uid}, {"gid", container.user.gid}, {"supplemental_gids", std::move(gids)}};
  TRY(write_state(container, record));
  TRY_ASSIGN(record["config"], json::parse(config_text));
  return json::to_text(record);
}

Result<std::shared_ptr<Container>> parse_container_record(std::string_view text) {
  TRY_ASSIGN(const json::value value, json::parse(text));
  const json::object* record = value.if_object();
  if (record == nullptr) return fail(Code::data_loss, "container record is not an object");
  auto container = std::make_shared<Container>();
  TRY(read_request(*record, *container));
  TRY(read_user(*record, container->user));
  TRY(read_state(*record, *container));
  return container;
}

} // namespace keelson::cri
