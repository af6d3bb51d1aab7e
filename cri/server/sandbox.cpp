#include "cri/server/sandbox.hpp"

#include "base/json.hpp"
#include "cri/server/proto_json.hpp"

namespace keelson::cri {

namespace {

constexpr SandboxPhase kPhases[] = {SandboxPhase::creating, SandboxPhase::ready, SandboxPhase::stopped,
                                    SandboxPhase::unknown};

Result<SandboxPhase> parse_phase(std::string_view text) {
  for (const SandboxPhase phase : kPhases)
    if (to_string(phase) == text) return phase;
  return fail(Code::data_loss, "unknown sandbox phase \"{}\"", text);
}

const v1::NamespaceOption& namespace_options(const v1::PodSandboxConfig& config) {
  return config.linux().security_context().namespace_options();
}

Result<std::shared_ptr<Sandbox>> from_object(const json::object& record) {
  auto sandbox = std::make_shared<Sandbox>();
  TRY_ASSIGN(sandbox->id, json::get_string(record, "id"));
  TRY_ASSIGN(sandbox->handler, json::get_string(record, "handler"));
  TRY_ASSIGN(sandbox->cgroup_parent, json::get_string(record, "cgroup_parent"));
  TRY_ASSIGN(sandbox->owns_cgroup, json::get_bool(record, "owns_cgroup"));
  TRY_ASSIGN(const std::int64_t created_at, json::get_int(record, "created_at"));
  sandbox->created_at = WallTime(std::chrono::nanoseconds(created_at));
  TRY_ASSIGN(const std::string phase, json::get_string(record, "phase"));
  TRY_ASSIGN(sandbox->phase, parse_phase(phase));
  if (const json::array* ips = json::find_array(record, "ips"))
    for (const json::value& ip : *ips)
      if (ip.is_string()) sandbox->ips.emplace_back(ip.get_string());
  if (const json::object* infra = json::find_object(record, "infra")) {
    TRY_ASSIGN(const std::int64_t pid, json::get_int(*infra, "pid"));
    TRY_ASSIGN(const std::int64_t start_time, json::get_int(*infra, "start_time"));
    sandbox->infra = ProcessId{static_cast<pid_t>(pid), static_cast<std::uint64_t>(start_time)};
  }
  const json::value* config = record.if_contains("config");
  if (config == nullptr) return fail(Code::data_loss, "no config");
  TRY(from_json_text(json::to_text(*config), sandbox->config));
  return sandbox;
}

} // namespace

std::string_view to_string(SandboxPhase phase) {
  switch (phase) {
  case SandboxPhase::creating:
    return "creating";
  case SandboxPhase::ready:
    return "ready";
  case SandboxPhase::stopped:
    return "stopped";
  case SandboxPhase::unknown:
    break;
  }
  return "unknown";
}

std::string sandbox_key(const v1::PodSandboxMetadata& metadata) {
  // A slash is in none of the names, so that no two different ones give the same key.
  return fmt::format("{}/{}/{}/{}", metadata.namespace_(), metadata.name(), metadata.uid(), metadata.attempt());
}

std::string Sandbox::key() const {
  return sandbox_key(config.metadata());
}

std::string Sandbox::name() const {
  return fmt::format("{}/{}", config.metadata().namespace_(), config.metadata().name());
}

bool Sandbox::host_network() const {
  return namespace_options(config).network() == v1::NODE;
}
bool Sandbox::host_ipc() const {
  return namespace_options(config).ipc() == v1::NODE;
}
// Without options the default of the field is POD, but nobody asked for a shared PID namespace then.
bool Sandbox::shared_pid() const {
  return config.linux().security_context().has_namespace_options() && namespace_options(config).pid() == v1::POD;
}

Result<std::string> format_record(const Sandbox& sandbox) {
  TRY_ASSIGN(const std::string config_text, to_json_text(sandbox.config));
  json::object record;
  record["id"] = sandbox.id;
  record["handler"] = sandbox.handler;
  record["cgroup_parent"] = sandbox.cgroup_parent;
  record["owns_cgroup"] = sandbox.owns_cgroup;
  record["created_at"] = unix_nanos(sandbox.created_at);
  {
    const std::lock_guard lock(sandbox.mutex);
    record["phase"] = to_string(sandbox.phase);
    json::array ips;
    for (const std::string& ip : sandbox.ips) ips.emplace_back(ip);
    record["ips"] = std::move(ips);
    if (sandbox.infra)
      record["infra"] = json::object{{"pid", sandbox.infra->pid}, {"start_time", sandbox.infra->start_time}};
  }
  TRY_ASSIGN(record["config"], json::parse(config_text));
  return json::to_text(record);
}

Result<std::shared_ptr<Sandbox>> parse_sandbox_record(std::string_view text) {
  TRY_ASSIGN(const json::value value, json::parse(text));
  const json::object* record = value.if_object();
  if (record == nullptr) return fail(Code::data_loss, "sandbox record is not an object");
  return from_object(*record);
}

} // namespace keelson::cri
