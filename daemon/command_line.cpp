#include "daemon/command_line.hpp"

#include "base/text.hpp"
#include "config.h"

#include <CLI/CLI.hpp>

#include <functional>

namespace keelson::daemon {

namespace {

constexpr const char* kDefaultConfig = KEELSON_SYSCONFDIR "/keelsond.yaml";

// Options win over files, but files are read after the command line is parsed: each option leaves its change here.
struct Overrides {
  std::vector<std::function<void(Config&)>> changes;

  void text(CLI::App& app, const std::string& name, const std::string& help, std::string& (*member)(Config&)) {
    app.add_option_function<std::string>(
           name,
           [this, member](const std::string& value) {
             changes.push_back([member, value](Config& config) { member(config) = value; });
           },
           help)
        ->type_name("");
  }
};

void add_options(CLI::App& app, Overrides& overrides) {
  overrides.text(app, "--node-name", "NAME of this node; default: the host name",
                 [](Config& c) -> std::string& { return c.node_name; });
  overrides.text(app, "--root", "DIRECTORY for images, layers and volumes [/var/lib/keelson]",
                 [](Config& c) -> std::string& { return c.root; });
  overrides.text(app, "--state", "DIRECTORY for the state of what runs, a tmpfs [/run/keelson]",
                 [](Config& c) -> std::string& { return c.state; });
  overrides.text(app, "--cri", "SOCKET on which CRI is served [<state>/cri.sock]",
                 [](Config& c) -> std::string& { return c.cri.socket; });
  overrides.text(app, "--admin", "SOCKET for keelsonctl [<state>/keelsond.sock]",
                 [](Config& c) -> std::string& { return c.admin.socket; });
  overrides.text(app, "--cgroup-parent", "NAME of the cgroup that holds all pods [kubepods]",
                 [](Config& c) -> std::string& { return c.cgroups.parent; });
  overrides.text(app, "--manifests", "DIRECTORY of static pod manifests [/etc/keelson/manifests]",
                 [](Config& c) -> std::string& { return c.pods.manifest_dir; });
  overrides.text(app, "--pod-logs", "DIRECTORY of the pods' logs [/var/log/pods]",
                 [](Config& c) -> std::string& { return c.pods.log_dir; });
  overrides.text(app, "--bridge", "NAME of the bridge that the built-in pod network makes [keelson0]",
                 [](Config& c) -> std::string& { return c.network.bridge.name; });
  overrides.text(app, "--log-level", "LEVEL: debug, info, warning or error [info]",
                 [](Config& c) -> std::string& { return c.log.level; });
  app.add_option_function<std::vector<std::string>>(
         "--only",
         [&overrides](const std::vector<std::string>& parts) {
           overrides.changes.push_back([parts](Config& config) { config.parts = parts; });
         },
         "PARTS to run, separated by commas: cri (a CRI runtime for a kubelet), pods (static pods)")
      ->delimiter(',')
      ->type_name("");
}

constexpr const char* kFooter = R"(
Without a configuration file the built-in defaults are used. Several nodes run side by side on one machine when each
has its own --root, --state, --cgroup-parent and network namespace:

  keelsond --root /var/lib/n2 --state /run/n2 --cgroup-parent n2

Pods outlive keelsond: a restart adopts what runs. See keelsond(8) and keelsond.yaml(5).)";

} // namespace

Result<CommandLine> parse_command_line(int argc, char** argv) {
  CommandLine line;
  std::string config_file;
  std::vector<std::string> settings;
  Overrides overrides;
  CLI::App app{"Node agent: container runtime (CRI), static pods, probes, cgroup tiers.", "keelsond"};
  app.set_version_flag("--version", "keelsond " KEELSON_VERSION);
  app.footer(kFooter);
  app.add_option("--config", config_file, std::string("FILE, and FILE.d/*.yaml [") + kDefaultConfig + "]")
      ->type_name("");
  app.add_option("--set", settings, "YAML that is read after the files: --set 'network: {mode: bridge}'")
      ->type_name("")
      ->allow_extra_args(false);
  add_options(app, overrides);
  app.add_flag("--show-config", line.show_config, "Print the configuration that results, and exit");
  app.add_flag("--clean-up", line.clean_up,
               "End every pod of this node, remove its bridge, rules, cgroups and mounts, and exit; images stay");
  app.add_flag("--check-config", line.check_only, "Check the configuration, and exit");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    line.exit_status = app.exit(e);
    return line;
  }
  TRY(load_config_files(config_file.empty() ? kDefaultConfig : config_file, !config_file.empty(), line.config));
  for (const std::string& text : settings) TRY_CONTEXT(apply_config_text(text, line.config), "--set");
  for (const auto& change : overrides.changes) change(line.config);
  TRY_CONTEXT(check_config(line.config), "configuration");
  return line;
}

} // namespace keelson::daemon
