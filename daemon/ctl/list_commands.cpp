#include "api/yaml.hpp"
#include "base/text.hpp"
#include "daemon/ctl/commands.hpp"
#include "daemon/ctl/display.hpp"
#include "daemon/ctl/fields.hpp"
#include "daemon/ctl/node_objects.hpp"
#include "daemon/ctl/object_tables.hpp"
#include "daemon/ctl/terminal.hpp"

#include <ctime>

namespace keelson::daemon::ctl {

namespace {

TableStyle style_of(const Output& output) {
  return {output.form == "wide", output.full_ids, SystemClock().wall_now()};
}

void print_table(const Table& table, const Output& output, const char* nothing) {
  if (table.rows() == 0) {
    print_error(fmt::format("{}\n", nothing));
    return;
  }
  TableOptions options = table_options();
  if (output.form == "wide" || output.full_ids) options.width = 0;
  print(table.render(options));
}

void keep_namespace(json::array& items, const std::string& name_space, bool in_metadata) {
  if (name_space.empty()) return;
  json::array kept;
  for (json::value& item : items) {
    const std::string own = in_metadata ? text_at(item, {"metadata", "namespace"}) : text_at(item, {"namespace"});
    if (own == name_space) kept.push_back(std::move(item));
  }
  items = std::move(kept);
}

std::string clock_time(std::string_view rfc3339) {
  const auto at = parse_rfc3339(rfc3339);
  if (!at) return "--:--:--";
  const std::time_t seconds =
      std::chrono::system_clock::to_time_t(std::chrono::time_point_cast<std::chrono::system_clock::duration>(*at));
  std::tm local{};
  ::localtime_r(&seconds, &local);
  return fmt::format("{:02}:{:02}:{:02}", local.tm_hour, local.tm_min, local.tm_sec);
}

// A line of an endless list: widths are fixed because what comes is not known.
std::string event_line(const json::value& event, bool colour) {
  const bool warning = text_at(event, {"type"}) == "Warning";
  const std::int64_t count = number_at(event, {"count"});
  return fmt::format("{}  {}  {}  {}  {}{}\n", paint(clock_time(text_at(event, {"lastTimestamp"})), Tone::dim, colour),
                     paint(pad(text_at(event, {"type"}), 7), warning ? Tone::warn : Tone::plain, colour),
                     paint(pad(printable(text_at(event, {"reason"})), 18), warning ? Tone::warn : Tone::strong, colour),
                     pad(printable(text_at(event, {"object"})), 28), printable(text_at(event, {"message"}), 4096),
                     count > 1 ? fmt::format(" (x{})", count) : "");
}

} // namespace

void print_data(const json::value& data, const Output& output) {
  print(output.form == "yaml" ? api::to_yaml(data) : json::to_pretty_text(data));
}

Result<int> run_pods(const Client& client, const ListArguments& arguments) {
  TRY_ASSIGN(json::value answer, client.get("/v1/pods"));
  json::array pods = list_at(answer, {"items"});
  keep_namespace(pods, arguments.name_space, true);
  if (arguments.output.is_data()) {
    answer.as_object()["items"] = std::move(pods);
    print_data(answer, arguments.output);
    return kSuccess;
  }
  print_table(pods_table(pods, style_of(arguments.output)), arguments.output, "This node has no pods.");
  return kSuccess;
}

Result<int> run_containers(const Client& client, const ListArguments& arguments) {
  TRY_ASSIGN(json::array containers, list_items(client, "/v1/containers"));
  keep_namespace(containers, arguments.name_space, false);
  if (!arguments.all) {
    json::array running;
    for (json::value& container : containers)
      if (text_at(container, {"state"}) != "exited") running.push_back(std::move(container));
    containers = std::move(running);
  }
  if (arguments.output.is_data()) {
    print_data(json::object{{"items", std::move(containers)}}, arguments.output);
    return kSuccess;
  }
  print_table(containers_table(containers, style_of(arguments.output)), arguments.output,
              arguments.all ? "This node has no containers." : "No container runs (-a shows those that have ended).");
  return kSuccess;
}

Result<int> run_images(const Client& client, const ListArguments& arguments) {
  TRY_ASSIGN(json::array images, list_items(client, "/v1/images"));
  if (arguments.output.is_data()) {
    print_data(json::object{{"items", std::move(images)}}, arguments.output);
    return kSuccess;
  }
  print_table(images_table(images, style_of(arguments.output)), arguments.output,
              "This node has no images; pull one: keelsonctl pull IMAGE");
  return kSuccess;
}

Result<int> run_events(const Client& client, const ListArguments& arguments, bool watch) {
  if (watch) {
    const bool colour = wants_colour(STDOUT_FILENO);
    TRY(client.stream("GET", "/v1/events?watch=1", {}, [&](const json::value& event) {
      if (text_at(event, {"reason"}).empty()) return true;
      print(arguments.output.is_data() ? json::to_text(event) + "\n" : event_line(event, colour));
      return true;
    }));
    return fail(Code::unavailable, "keelsond has ended, and its events with it; pods run on");
  }
  TRY_ASSIGN(json::array events, list_items(client, "/v1/events"));
  if (arguments.output.is_data()) {
    print_data(json::object{{"items", std::move(events)}}, arguments.output);
    return kSuccess;
  }
  print_table(events_table(events, style_of(arguments.output)), arguments.output, "No events yet.");
  return kSuccess;
}

Result<int> run_inspect(const Client& client, const std::string& target, const std::string& container,
                        const Output& output) {
  TRY_ASSIGN(const NodeObjects objects, read_objects(client));
  const auto pod = find_pod(objects.pods, objects.sandboxes, target);
  if (container.empty() && pod) {
    // By the id of its sandbox a pod is shown as the runtime sees it.
    const bool by_id = text_at(**pod, {"metadata", "name"}) != target && target.find('/') == std::string::npos;
    const auto sandbox = find_by_id(objects.sandboxes, target);
    if (by_id && sandbox && *sandbox != nullptr) {
      TRY_ASSIGN(const json::value shown, client.get("/v1/sandboxes/" + text_at(**sandbox, {"id"})));
      print_data(shown, output);
      return kSuccess;
    }
    print_data(**pod, output);
    return kSuccess;
  }
  TRY_ASSIGN(const json::value chosen, choose_container(objects, target, {container, false}));
  TRY_ASSIGN(const json::value shown, client.get("/v1/containers/" + text_at(chosen, {"id"})));
  print_data(shown, output);
  return kSuccess;
}

} // namespace keelson::daemon::ctl
