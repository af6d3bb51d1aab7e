#include "daemon/ctl/object_tables.hpp"

#include "daemon/ctl/display.hpp"
#include "daemon/ctl/fields.hpp"

#include <algorithm>

namespace keelson::daemon::ctl {

namespace {

Tone status_tone(const std::string& status) {
  if (status == "Running" || status == "Ready") return Tone::good;
  if (status == "Completed" || status == "Succeeded" || status == "Terminating") return Tone::dim;
  const bool starts = status == "Pending" || status == "ContainerCreating" || status == "PodInitializing" ||
                      status == "NotReady" || status.starts_with("Init:") || status == "Created";
  const bool failed = status.find("BackOff") != std::string::npos || status.find("Err") != std::string::npos;
  return starts && !failed ? Tone::warn : Tone::bad;
}

std::string exit_text(const json::value& terminated) {
  const std::string reason = text_at(terminated, {"reason"});
  if (!reason.empty()) return reason;
  const std::int64_t signal = number_at(terminated, {"signal"});
  if (signal != 0) return fmt::format("Signal:{}", signal);
  return fmt::format("ExitCode:{}", number_at(terminated, {"exitCode"}));
}

const json::value* spec_container(const json::value& pod, const std::string& name) {
  for (const json::value& container : list_at(pod, {"spec", "initContainers"}))
    if (text_at(container, {"name"}) == name) return &container;
  return nullptr;
}

bool is_sidecar(const json::value& pod, const json::value& status) {
  const json::value* spec = spec_container(pod, text_at(status, {"name"}));
  return spec != nullptr && text_at(*spec, {"restartPolicy"}) == "Always";
}

// Why the pod is still initializing; empty when it is not.
std::string init_status(const json::value& pod) {
  const json::array& statuses = list_at(pod, {"status", "initContainerStatuses"});
  for (std::size_t i = 0; i < statuses.size(); ++i) {
    const json::value& state = dig(statuses[i], {"state"});
    const json::value& terminated = dig(state, {"terminated"});
    if (terminated.is_object() && number_at(terminated, {"exitCode"}) == 0) continue;
    if (is_sidecar(pod, statuses[i]) && flag_at(statuses[i], {"started"})) continue;
    if (terminated.is_object()) return "Init:" + exit_text(terminated);
    const std::string waiting = text_at(state, {"waiting", "reason"});
    if (!waiting.empty() && waiting != "PodInitializing") return "Init:" + waiting;
    return fmt::format("Init:{}/{}", i, list_at(pod, {"spec", "initContainers"}).size());
  }
  return {};
}

bool pod_is_ready(const json::value& pod) {
  for (const json::value& condition : list_at(pod, {"status", "conditions"}))
    if (text_at(condition, {"type"}) == "Ready") return text_at(condition, {"status"}) == "True";
  return false;
}

std::string main_status(const json::value& pod, std::string status) {
  bool any_running = false;
  const json::array& statuses = list_at(pod, {"status", "containerStatuses"});
  for (std::size_t i = statuses.size(); i-- > 0;) {
    const json::value& state = dig(statuses[i], {"state"});
    const std::string waiting = text_at(state, {"waiting", "reason"});
    if (!waiting.empty())
      status = waiting;
    else if (dig(state, {"terminated"}).is_object())
      status = exit_text(dig(state, {"terminated"}));
    else if (flag_at(statuses[i], {"ready"}) && dig(state, {"running"}).is_object())
      any_running = true;
  }
  if (status == "Completed" && any_running) return pod_is_ready(pod) ? "Running" : "NotReady";
  return status;
}

struct Readiness {
  std::size_t ready = 0;
  std::size_t wanted = 0;
  std::int64_t restarts = 0;
  std::string last_restart; // RFC 3339
};

Readiness readiness_of(const json::value& pod) {
  Readiness out;
  out.wanted = list_at(pod, {"spec", "containers"}).size();
  for (const json::value& container : list_at(pod, {"spec", "initContainers"}))
    if (text_at(container, {"restartPolicy"}) == "Always") ++out.wanted;
  const auto count = [&](const json::value& status) {
    if (flag_at(status, {"ready"}) && dig(status, {"state", "running"}).is_object()) ++out.ready;
    out.restarts += number_at(status, {"restartCount"});
    out.last_restart = std::max(out.last_restart, text_at(status, {"lastState", "terminated", "finishedAt"}));
  };
  for (const json::value& status : list_at(pod, {"status", "initContainerStatuses"}))
    if (is_sidecar(pod, status)) count(status);
  for (const json::value& status : list_at(pod, {"status", "containerStatuses"})) count(status);
  return out;
}

std::string names_of(const json::array& items, const char* key) {
  std::string out;
  for (const json::value& item : items) out += (out.empty() ? "" : ",") + text_at(item, {key});
  return out;
}

std::string source_of(const json::value& pod) {
  const std::string mine = text_at(pod, {"metadata", "annotations", "keelson.dev/source"});
  return mine.empty() ? text_at(pod, {"metadata", "annotations", "kubernetes.io/config.source"}) : mine;
}

Cell container_state_cell(const json::value& container, WallTime now) {
  const std::string state = text_at(container, {"state"});
  if (state == "running") return {"Running", Tone::good};
  if (state == "created") return {"Created", Tone::warn};
  if (state != "exited") return {"Unknown", Tone::bad};
  const std::int64_t code = number_at(container, {"exitCode"});
  const std::string reason = text_at(container, {"reason"});
  const bool plain = code == 0 || reason.empty() || reason == "Error";
  const std::string why = plain ? fmt::format("{}", code) : fmt::format("{} {}", code, reason);
  const std::string when = age_of(text_at(container, {"finishedAt"}), now);
  return {fmt::format("Exited ({}) {} ago", why, when), code == 0 ? Tone::dim : Tone::bad};
}

// An image's name as people wrote it: ids and digests cut.
std::string image_name(const std::string& image, bool full) {
  if (full) return image;
  if (image.starts_with("sha256:")) return short_id(image);
  const std::size_t at = image.find("@sha256:");
  return at == std::string::npos ? image : image.substr(0, at) + "@" + short_id(std::string_view(image).substr(at + 1));
}

std::string id_text(const std::string& id, const TableStyle& style) {
  return style.full_ids ? id : short_id(id);
}

} // namespace

std::string pod_status_text(const json::value& pod) {
  std::string status = text_at(pod, {"status", "reason"});
  if (status.empty()) status = text_at(pod, {"status", "phase"});
  if (status.empty()) status = "Pending";
  const std::string init = init_status(pod);
  status = init.empty() ? main_status(pod, status) : init;
  return text_at(pod, {"metadata", "deletionTimestamp"}).empty() ? status : "Terminating";
}

Table pods_table(const json::array& pods, const TableStyle& style) {
  std::vector<Column> columns{{"NAMESPACE"}, {"NAME"}, {"READY"}, {"STATUS"}, {"RESTARTS"}, {"AGE"}, {"IP"}, {"QOS"}};
  if (style.wide) columns.insert(columns.end(), {{"UID"}, {"SOURCE"}, {"CONTAINERS"}, {"IMAGES"}});
  Table table(std::move(columns));
  for (const json::value& pod : pods) {
    const Readiness readiness = readiness_of(pod);
    const std::string status = pod_status_text(pod);
    std::string restarts = fmt::format("{}", readiness.restarts);
    if (readiness.restarts > 0 && !readiness.last_restart.empty())
      restarts += fmt::format(" ({} ago)", age_of(readiness.last_restart, style.now));
    std::string started = text_at(pod, {"status", "startTime"});
    if (started.empty()) started = text_at(pod, {"metadata", "creationTimestamp"});
    std::vector<Cell> row{text_at(pod, {"metadata", "namespace"}),
                          {text_at(pod, {"metadata", "name"}), Tone::strong},
                          fmt::format("{}/{}", readiness.ready, readiness.wanted),
                          {status, status_tone(status)},
                          {std::move(restarts), readiness.restarts > 0 ? Tone::warn : Tone::plain},
                          age_of(started, style.now),
                          text_at(pod, {"status", "podIP"}),
                          text_at(pod, {"status", "qosClass"})};
    if (style.wide) {
      row.emplace_back(text_at(pod, {"metadata", "uid"}));
      row.emplace_back(source_of(pod));
      row.emplace_back(names_of(list_at(pod, {"spec", "containers"}), "name"));
      row.emplace_back(names_of(list_at(pod, {"spec", "containers"}), "image"));
    }
    table.add(std::move(row));
  }
  return table;
}

Table containers_table(const json::array& containers, const TableStyle& style) {
  std::vector<Column> columns{{"CONTAINER"},          {"NAMESPACE"}, {"POD", false, true}, {"NAME"},
                              {"IMAGE", false, true}, {"STATE"},     {"ATTEMPT", true},    {"AGE"}};
  if (style.wide) columns.insert(columns.end(), {{"PID", true}, {"SANDBOX"}, {"IMAGE ID"}, {"CGROUP"}});
  Table table(std::move(columns));
  for (const json::value& container : containers) {
    std::vector<Cell> row{{id_text(text_at(container, {"id"}), style), Tone::accent},
                          text_at(container, {"namespace"}),
                          text_at(container, {"pod"}),
                          {text_at(container, {"name"}), Tone::strong},
                          image_name(text_at(container, {"image"}), style.full_ids),
                          container_state_cell(container, style.now),
                          fmt::format("{}", number_at(container, {"attempt"})),
                          age_of(text_at(container, {"createdAt"}), style.now)};
    if (style.wide) {
      const std::int64_t pid = number_at(container, {"pid"});
      row.emplace_back(pid > 0 ? fmt::format("{}", pid) : "-");
      row.emplace_back(id_text(text_at(container, {"sandboxId"}), style));
      row.emplace_back(id_text(text_at(container, {"imageId"}), style));
      row.emplace_back(text_at(container, {"cgroup"}));
    }
    table.add(std::move(row));
  }
  return table;
}

Table images_table(const json::array& images, const TableStyle& style) {
  std::vector<Column> columns{{"IMAGE", false, true}, {"TAG"}, {"IMAGE ID"}, {"SIZE", true}};
  if (style.wide)
    columns.insert(columns.end(), {{"LAYERS", true}, {"ARCH"}, {"CREATED"}, {"USER"}, {"PINNED"}, {"DIGEST"}});
  Table table(std::move(columns));
  const auto add = [&](const json::value& image, std::string name, std::string tag) {
    const bool unnamed = name == "<none>";
    std::vector<Cell> row{{std::move(name), unnamed ? Tone::dim : Tone::strong},
                          {tag, tag == "<none>" ? Tone::dim : Tone::plain},
                          {id_text(text_at(image, {"id"}), style), Tone::accent},
                          decimal_bytes(static_cast<std::uint64_t>(number_at(image, {"size"})))};
    if (style.wide) {
      const json::array& digests = list_at(image, {"digests"});
      const std::string created = text_at(image, {"created"});
      row.emplace_back(fmt::format("{}", number_at(image, {"layers"})));
      row.emplace_back(text_at(image, {"architecture"}));
      row.emplace_back(created.empty() ? "" : age_of(created, style.now) + " ago");
      row.emplace_back(text_at(image, {"user"}));
      row.emplace_back(flag_at(image, {"pinned"}) ? "yes" : "no");
      const std::string digest =
          digests.empty() || !digests.front().is_string() ? std::string() : std::string(digests.front().get_string());
      row.emplace_back(style.full_ids ? digest
                                      : short_id(digest.substr(std::min(digest.size(), digest.find('@') + 1))));
    }
    table.add(std::move(row));
  };
  for (const json::value& image : images) {
    const json::array& tags = list_at(image, {"tags"});
    for (const json::value& tag : tags) {
      const std::string name = tag.is_string() ? std::string(tag.get_string()) : std::string();
      const std::size_t colon = name.rfind(':');
      add(image, name.substr(0, colon), colon == std::string::npos ? "" : name.substr(colon + 1));
    }
    if (!tags.empty()) continue;
    const json::array& digests = list_at(image, {"digests"});
    const std::string digest =
        digests.empty() || !digests.front().is_string() ? std::string() : std::string(digests.front().get_string());
    add(image, digest.empty() ? "<none>" : digest.substr(0, digest.find('@')), "<none>");
  }
  return table;
}

Table events_table(const json::array& events, const TableStyle& style) {
  Table table({{"LAST SEEN"}, {"TYPE"}, {"REASON"}, {"OBJECT"}, {"MESSAGE"}});
  for (const json::value& event : events) {
    const bool warning = text_at(event, {"type"}) == "Warning";
    std::string seen = age_of(text_at(event, {"lastTimestamp"}), style.now);
    const std::int64_t count = number_at(event, {"count"});
    if (count > 1) seen += fmt::format(" (x{} over {})", count, age_of(text_at(event, {"firstTimestamp"}), style.now));
    std::string object = text_at(event, {"object"});
    if (style.wide && !text_at(event, {"fieldPath"}).empty()) object += " " + text_at(event, {"fieldPath"});
    table.add({{std::move(seen), Tone::dim},
               {text_at(event, {"type"}), warning ? Tone::warn : Tone::plain},
               {text_at(event, {"reason"}), warning ? Tone::warn : Tone::strong},
               std::move(object),
               text_at(event, {"message"})});
  }
  return table;
}

} // namespace keelson::daemon::ctl
