#include "health/probe_checkpoint.hpp"

#include "base/json.hpp"
#include "base/text.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <limits>

namespace keelson::health {

namespace {

constexpr std::int64_t kVersion = 1;

Result<ProbeResult> parse_result(std::string_view text) {
  for (const ProbeResult result : {ProbeResult::unknown, ProbeResult::success, ProbeResult::failure}) {
    if (text == to_string(result)) return result;
  }
  return fail(Code::invalid_argument, "\"{}\" is not a probe result", printable(text, 40));
}

json::object to_object(const ProbeCheckpoint::Entry& entry) {
  json::object o;
  o["result"] = std::string(to_string(entry.result));
  o["last"] = std::string(to_string(entry.last));
  o["run"] = entry.run;
  return o;
}

Result<ProbeCheckpoint::Entry> parse_entry(const json::object& o) {
  ProbeCheckpoint::Entry entry;
  TRY_ASSIGN(const std::string result, json::get_string(o, "result"));
  TRY_ASSIGN(const std::string last, json::get_string(o, "last"));
  TRY_ASSIGN(const std::int64_t run, json::get_int(o, "run"));
  TRY_ASSIGN(entry.result, parse_result(result));
  TRY_ASSIGN(entry.last, parse_result(last));
  if (run < 0 || run > std::numeric_limits<int>::max())
    return fail(Code::invalid_argument, "run {} is out of range", run);
  entry.run = static_cast<int>(run);
  return entry;
}

Result<ProbeCheckpoint> parse_container(std::string container_id, const json::value& v) {
  const json::object* o = v.if_object();
  if (o == nullptr) return fail(Code::invalid_argument, "not an object");
  ProbeCheckpoint checkpoint;
  checkpoint.container_id = std::move(container_id);
  for (const ProbeKind kind : kProbeKinds) {
    const json::value* member = o->if_contains(to_string(kind));
    if (member == nullptr || member->is_null()) continue;
    if (!member->is_object()) return fail(Code::invalid_argument, "{} is not an object", to_string(kind));
    auto entry = parse_entry(member->get_object());
    if (!entry) return Fail(std::move(entry).error().context(to_string(kind)));
    checkpoint.of(kind) = *entry;
  }
  return checkpoint;
}

} // namespace

std::string_view to_string(ProbeResult result) {
  switch (result) {
  case ProbeResult::unknown:
    return "unknown";
  case ProbeResult::success:
    return "success";
  case ProbeResult::failure:
    return "failure";
  }
  return "unknown";
}

std::string format_checkpoints(const std::vector<ProbeCheckpoint>& checkpoints) {
  json::object containers;
  for (const ProbeCheckpoint& checkpoint : checkpoints) {
    json::object container;
    for (const ProbeKind kind : kProbeKinds) {
      if (const auto& entry = checkpoint.of(kind)) container[to_string(kind)] = to_object(*entry);
    }
    containers[checkpoint.container_id] = std::move(container);
  }
  json::object root;
  root["version"] = kVersion;
  root["containers"] = std::move(containers);
  return json::to_text(root);
}

Result<std::vector<ProbeCheckpoint>> parse_checkpoints(std::string_view text) {
  TRY_ASSIGN(const json::value root, json::parse(text));
  const json::object* o = root.if_object();
  if (o == nullptr) return fail(Code::invalid_argument, "probe checkpoint: not a JSON object");
  auto version = json::get_int(*o, "version");
  if (!version) return Fail(std::move(version).error().context("probe checkpoint"));
  if (*version != kVersion)
    return fail(Code::invalid_argument, "probe checkpoint: version {} is not {}", *version, kVersion);
  const json::object* containers = json::find_object(*o, "containers");
  if (containers == nullptr) return fail(Code::invalid_argument, "probe checkpoint: containers is missing");

  std::vector<ProbeCheckpoint> checkpoints;
  for (const auto& member : *containers) {
    const std::string id(member.key());
    auto checkpoint = parse_container(id, member.value());
    if (!checkpoint)
      return Fail(
          std::move(checkpoint).error().context(fmt::format("probe checkpoint: container {}", printable(id, 80))));
    checkpoints.push_back(std::move(*checkpoint));
  }
  return checkpoints;
}

} // namespace keelson::health
