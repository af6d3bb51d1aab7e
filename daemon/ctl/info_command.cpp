#include "config.h"
#include "daemon/ctl/commands.hpp"
#include "daemon/ctl/fields.hpp"
#include "daemon/ctl/terminal.hpp"

namespace keelson::daemon::ctl {

namespace {

void add_conditions(Table& table, const json::value& info) {
  for (const json::value& condition : list_at(info, {"runtime", "status", "conditions"})) {
    const bool good = flag_at(condition, {"status"});
    const std::string message = text_at(condition, {"message"});
    table.add(
        {{text_at(condition, {"type"}), Tone::dim}, {good ? "yes" : "no: " + message, good ? Tone::good : Tone::bad}});
  }
}

void add_handlers(Table& table, const json::value& config) {
  const json::object* handlers = dig(config, {"handlers"}).if_object();
  if (handlers == nullptr) return;
  const std::string standard = text_at(config, {"defaultHandler"});
  for (const auto& entry : *handlers) {
    const std::string name(entry.key());
    const json::value& handler = entry.value();
    std::string shown = name + " " + text_at(handler, {"version"}) + " (" + text_at(handler, {"path"}) + ")";
    if (name == standard) shown += ", default";
    table.add({{"handler", Tone::dim}, std::move(shown)});
    for (const json::value& flaw : list_at(handler, {"knownFlaws"}))
      if (flaw.is_string()) table.add({{"  known flaw", Tone::dim}, {std::string(flaw.get_string()), Tone::warn}});
  }
}

} // namespace

Result<int> run_version(const Client& client) {
  print("keelsonctl " KEELSON_VERSION "\n");
  TRY_ASSIGN(const json::value info, client.get("/v1/info"));
  print("keelsond " + text_at(info, {"version"}) + "\n");
  return kSuccess;
}

Result<int> run_info(const Client& client, const Output& output) {
  TRY_ASSIGN(const json::value info, client.get("/v1/info"));
  if (output.is_data()) {
    print_data(info, output);
    return kSuccess;
  }
  const json::value& runtime = dig(info, {"runtime", "info"});
  const json::value& config = dig(runtime, {"config"});
  Table table({{""}, {""}});
  const auto add = [&](const char* title, std::string value) { table.add({{title, Tone::dim}, std::move(value)}); };
  table.add({{"node", Tone::dim}, {text_at(info, {"node"}), Tone::strong}});
  add("keelsond", text_at(info, {"version"}));
  add("kernel", text_at(info, {"kernel"}) + " " + text_at(info, {"architecture"}));
  add_conditions(table, info);
  add("runs", flag_at(info, {"runsPods"}) ? "static pods and CRI" : "CRI only");
  add("sandboxes", fmt::format("{}", number_at(runtime, {"sandboxes"})));
  add("containers", fmt::format("{}", number_at(runtime, {"containers"})));
  add_handlers(table, config);
  add("cgroups", text_at(info, {"cgroups", "description"}));
  add("cgroup driver", text_at(config, {"cgroupDriver"}));
  add("cgroup parent", text_at(config, {"cgroupParent"}));
  add("CRI socket", text_at(info, {"criSocket"}));
  add("admin socket", client.socket());
  add("root", text_at(config, {"root"}));
  add("state", text_at(config, {"state"}));
  add("CRI version", text_at(info, {"runtime", "version", "runtime_api_version"}));
  TableOptions options = table_options();
  options.header = false;
  print(table.render(options));
  return kSuccess;
}

} // namespace keelson::daemon::ctl
