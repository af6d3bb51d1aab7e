#include "daemon/ctl/command_line.hpp"

#include "config.h"
#include "daemon/ctl/commands.hpp"
#include "daemon/ctl/completion.hpp"
#include "daemon/ctl/terminal.hpp"

#include <CLI/CLI.hpp>

#include <cstdlib>
#include <memory>

namespace keelson::daemon::ctl {

namespace {

struct Global {
  std::string socket;
  std::string state;
  Client client() const { return Client(!socket.empty() ? socket : state + "/keelsond.sock"); }
};

// One parse: every command puts its arguments and its call here.
struct Parser {
  Parser() { app.fallthrough(); } // commands take it over when they are made: --state may stand behind them
  CLI::App app{"Shows and controls the pods, containers, images and cgroups of this node.", "keelsonctl"};
  Global global;
  std::function<Result<int>()> chosen;

  template <class Arguments>
  CLI::App& command(CLI::App& parent, const std::string& name, const std::string& help, const std::string& examples,
                    const std::shared_ptr<Arguments>& arguments, Result<int> (*run)(const Client&, const Arguments&)) {
    return command(parent, name, help, examples, [this, arguments, run] { return run(global.client(), *arguments); });
  }

  CLI::App& command(CLI::App& parent, const std::string& name, const std::string& help, const std::string& examples,
                    std::function<Result<int>()> run) {
    CLI::App& added = *parent.add_subcommand(name, help);
    added.footer("Examples:\n" + examples);
    added.callback([this, run = std::move(run)] { chosen = run; });
    return added;
  }
};

CLI::Option& output_option(CLI::App& app, Output& output, const std::vector<std::string>& forms) {
  return *app.add_option("-o,--output", output.form, "Form: " + CLI::detail::join(forms, ", "))
              ->check(CLI::IsMember(forms).description(""))
              ->type_name("FORM");
}

void list_options(CLI::App& app, Output& output) {
  output_option(app, output, {"table", "wide", "json", "yaml"});
  app.add_flag("--no-trunc", output.full_ids, "Show ids in full");
}

void add_pods(Parser& parser) {
  auto arguments = std::make_shared<ListArguments>();
  CLI::App& app =
      parser.command(parser.app, "pods", "List pods: those of manifests, and those that others made over CRI",
                     "  keelsonctl pods\n"
                     "  keelsonctl pods -o wide                    also uid, source, containers, images\n"
                     "  keelsonctl pods -n kube-system -o json     v1 Pod objects with their status\n",
                     arguments, run_pods);
  list_options(app, arguments->output);
  app.add_option("-n,--namespace", arguments->name_space, "Only this namespace")->type_name("NAME");
}

void add_ps(Parser& parser) {
  auto arguments = std::make_shared<ListArguments>();
  CLI::App& app = parser.command(parser.app, "ps", "List containers",
                                 "  keelsonctl ps                              those that run\n"
                                 "  keelsonctl ps -a                           also those that have ended, and how\n"
                                 "  keelsonctl ps -o wide                      also pid, sandbox, image id, cgroup\n",
                                 arguments, run_containers);
  list_options(app, arguments->output);
  app.add_flag("-a,--all", arguments->all, "Also containers that have ended");
  app.add_option("-n,--namespace", arguments->name_space, "Only this namespace")->type_name("NAME");
}

void add_images(Parser& parser) {
  auto arguments = std::make_shared<ListArguments>();
  CLI::App& app = parser.command(parser.app, "images", "List images",
                                 "  keelsonctl images\n"
                                 "  keelsonctl images -o wide                  also layers, age, user, digest\n",
                                 arguments, run_images);
  list_options(app, arguments->output);
}

void add_events(Parser& parser) {
  auto arguments = std::make_shared<ListArguments>();
  auto watch = std::make_shared<bool>(false);
  CLI::App& app =
      parser.command(parser.app, "events", "Show what has happened to pods, oldest first",
                     "  keelsonctl events\n"
                     "  keelsonctl events -w                       those there are, then new ones as they come\n"
                     "  keelsonctl events -w -o json | jq .reason  one JSON object per line\n",
                     [&parser, arguments, watch] { return run_events(parser.global.client(), *arguments, *watch); });
  list_options(app, arguments->output);
  app.add_flag("-w,--watch", *watch, "Go on with new events");
}

void add_logs(Parser& parser) {
  auto arguments = std::make_shared<LogArguments>();
  CLI::App& app =
      parser.command(parser.app, "logs", "Print the log of a container, rotated files included",
                     "  keelsonctl logs web                        the pod's first container\n"
                     "  keelsonctl logs -f --tail 20 web -c proxy  the last 20 lines of one container, then new ones\n"
                     "  keelsonctl logs -p web                     the run before the last restart\n"
                     "  keelsonctl logs --since 5m -t 3f2a9c       by container id, with times\n",
                     arguments, run_logs);
  app.add_option("target", arguments->target, "Pod (NAME or NAMESPACE/NAME) or the beginning of a container id")
      ->required()
      ->type_name("POD|CONTAINER-ID");
  app.add_option("-c,--container", arguments->container, "Container of the pod; default: its first")->type_name("NAME");
  app.add_flag("-f,--follow", arguments->follow, "Go on until the container ends");
  app.add_flag("-p,--previous", arguments->previous, "The container before the last restart");
  app.add_flag("-t,--timestamps", arguments->timestamps, "Put its time before each line");
  app.add_option_function<std::int64_t>(
         "--tail",
         [arguments](const std::int64_t& lines) {
           if (lines < -1) throw CLI::ValidationError("--tail", "use a number of lines, or -1 for all of them");
           if (lines >= 0) arguments->tail = static_cast<std::uint64_t>(lines);
         },
         "Only the last N lines; -1: all")
      ->type_name("N");
  app.add_option("--since", arguments->since, "Only lines since a time, or in a duration until now (30s, 5m, 1h30m)")
      ->type_name("TIME");
  app.add_option("--stream", arguments->stream, "Only stdout or stderr")
      ->check(CLI::IsMember({"all", "stdout", "stderr"}).description(""))
      ->type_name("STREAM");
}

void add_inspect(Parser& parser) {
  struct Arguments {
    std::string target;
    std::string container;
    Output output{"json", false};
  };
  auto arguments = std::make_shared<Arguments>();
  CLI::App& app = parser.command(
      parser.app, "inspect", "Show everything about a pod or a container, as JSON",
      "  keelsonctl inspect web                     the v1 Pod object with its status\n"
      "  keelsonctl inspect web -c proxy            a container: CRI status, pid, cgroup, OCI spec\n"
      "  keelsonctl inspect 3f2a9c                  by the beginning of a container's or sandbox's id\n",
      [&parser, arguments] {
        return run_inspect(parser.global.client(), arguments->target, arguments->container, arguments->output);
      });
  app.add_option("target", arguments->target, "Pod, or the beginning of an id")->required()->type_name("POD|ID");
  app.add_option("-c,--container", arguments->container, "Container of the pod")->type_name("NAME");
  output_option(app, arguments->output, {"json", "yaml"});
}

void add_exec(Parser& parser) {
  auto arguments = std::make_shared<ExecArguments>();
  CLI::App& app = parser.command(
      parser.app, "exec", "Run a command in a container; its exit status is ours",
      "  keelsonctl exec web -- cat /etc/hosts\n"
      "  keelsonctl exec web -c proxy --timeout 5 -- sh -c 'ls -l /proc/1/fd'\n\n"
      "The command gets no standard input; its output is shown when it has ended. Status 125: it was not started, or\n"
      "was killed at its time-out.\n",
      arguments, run_exec);
  app.add_option("target", arguments->target, "Pod, or the beginning of a container id")
      ->required()
      ->type_name("POD|CONTAINER-ID");
  app.add_option("command", arguments->command, "The command and its arguments, after --")
      ->required()
      ->type_name("-- COMMAND...");
  app.add_option("-c,--container", arguments->container, "Container of the pod; default: its first")->type_name("NAME");
  app.add_option("--timeout", arguments->timeout_seconds, "Kill the command after so many seconds")
      ->check(CLI::Validator(CLI::NonNegativeNumber).description(""))
      ->type_name("SECONDS");
}

void add_pull(Parser& parser) {
  auto arguments = std::make_shared<PullArguments>();
  CLI::App& app = parser.command(parser.app, "pull", "Pull images from their registries",
                                 "  keelsonctl pull docker.io/library/busybox:latest\n"
                                 "  keelsonctl pull --creds alice:secret registry.example/app@sha256:...\n"
                                 "  id=$(keelsonctl pull -q busybox)\n",
                                 arguments, run_pull);
  app.add_option("image", arguments->images, "Images")->required()->type_name("IMAGE...");
  app.add_option("--creds", arguments->credentials, "User and password for the registry")->type_name("USER:PASSWORD");
  app.add_flag("-q,--quiet", arguments->quiet, "No progress, only the id");
}

void add_image_remove_and_prune(Parser& parser, CLI::App& image) {
  auto names = std::make_shared<std::vector<std::string>>();
  CLI::App& remove = parser.command(
      image, "rm", "Remove images: a name is taken off its image; the image goes with its last name, or by its id",
      "  keelsonctl image rm busybox:latest\n",
      [&parser, names] { return run_image_remove(parser.global.client(), *names); });
  remove.add_option("image", *names, "Names or ids")->required()->type_name("IMAGE...");
  auto yes = std::make_shared<bool>(false);
  CLI::App& prune = parser.command(image, "prune", "Remove images that no container uses and nobody pinned",
                                   "  keelsonctl image prune                     shows them and asks\n"
                                   "  keelsonctl image prune --yes\n",
                                   [&parser, yes] { return run_image_prune(parser.global.client(), *yes); });
  prune.add_flag("-y,--yes", *yes, "Do not ask");
}

void add_image(Parser& parser) {
  struct Arguments {
    std::string first;
    std::string second;
  };
  CLI::App& image = *parser.app.add_subcommand("image", "Load, tag, remove and prune images");
  image.require_subcommand(1);
  auto load = std::make_shared<Arguments>();
  CLI::App& loader =
      parser.command(image, "load", "Load images from an OCI layout (directory or tar) or a docker-archive",
                     "  keelsonctl image load app.tar\n"
                     "  keelsonctl image load ./layout --name registry.example/app:1.0\n",
                     [&parser, load] { return run_image_load(parser.global.client(), load->first, load->second); });
  loader.add_option("path", load->first, "File or directory")->required()->type_name("FILE|DIR");
  loader.add_option("--name", load->second, "Name for an image that the archive leaves unnamed")->type_name("IMAGE");
  auto tag = std::make_shared<Arguments>();
  CLI::App& tagger = parser.command(
      image, "tag", "Give an image another name", "  keelsonctl image tag busybox registry.example/box:1\n",
      [&parser, tag] { return run_image_tag(parser.global.client(), tag->first, tag->second); });
  tagger.add_option("image", tag->first, "Name or id")->required()->type_name("IMAGE");
  tagger.add_option("name", tag->second, "The new name")->required()->type_name("NAME");
  add_image_remove_and_prune(parser, image);
}

void add_usage(Parser& parser) {
  auto stats = std::make_shared<UsageArguments>();
  CLI::App& stats_app = parser.command(parser.app, "stats", "Show CPU, memory, processes, network and disk of pods",
                                       "  keelsonctl stats\n"
                                       "  keelsonctl stats -w --interval 5           again every 5 seconds\n"
                                       "  keelsonctl stats --pods -o json\n\n"
                                       "CPU is in cores; MEMORY is the working set, OF LIMIT its share of the limit.\n",
                                       stats, run_stats);
  list_options(stats_app, stats->output);
  stats_app.add_flag("-w,--watch", stats->watch, "Again and again");
  stats_app.add_flag("--pods", stats->pods_only, "Pods without their containers");
  stats_app.add_option("--interval", stats->interval, "Seconds between two readings")->type_name("SECONDS");
  auto top = std::make_shared<UsageArguments>();
  CLI::App& top_app = parser.command(parser.app, "top", "Watch the usage of pods on the whole screen",
                                     "  keelsonctl top                             q quits; c, m, n sort; p folds\n"
                                     "  keelsonctl top --once --sort memory        one picture, for scripts\n",
                                     top, run_top);
  top_app.add_flag("--once", top->once, "Print one picture and end");
  top_app.add_flag("--pods", top->pods_only, "Pods without their containers");
  top_app.add_option("--interval", top->interval, "Seconds between two pictures")->type_name("SECONDS");
  top_app.add_option("--sort", top->sort, "cpu, memory or name")
      ->check(CLI::IsMember({"cpu", "memory", "name"}).description(""))
      ->type_name("ORDER");
}

void add_cgroup(Parser& parser) {
  struct Arguments {
    std::string pod;
    Output output;
  };
  CLI::App& cgroup =
      *parser.app.add_subcommand("cgroup", "Show and check the cgroups of the tiers, pods and containers");
  cgroup.require_subcommand(1);
  auto tree = std::make_shared<Arguments>();
  CLI::App& tree_app = parser.command(
      cgroup, "tree", "Draw the tiers with the intended and the actual value of every knob, and where it comes from",
      "  keelsonctl cgroup tree\n"
      "  keelsonctl cgroup tree --pod web\n"
      "  keelsonctl cgroup tree -o json\n",
      [&parser, tree] { return run_cgroup_tree(parser.global.client(), tree->pod, tree->output); });
  auto verify = std::make_shared<Arguments>();
  CLI::App& verify_app =
      parser.command(cgroup, "verify", "Compare every value with the kernel's; exit status 1 if any differs",
                     "  keelsonctl cgroup verify && echo fine\n", [&parser, verify] {
                       return run_cgroup_verify(parser.global.client(), verify->pod, verify->output);
                     });
  for (const auto& [app, arguments] : {std::pair(&tree_app, tree), std::pair(&verify_app, verify)}) {
    app->add_option("--pod", arguments->pod, "Only this pod and what it stands in")->type_name("POD");
    output_option(*app, arguments->output, {"table", "json", "yaml"});
  }
}

void add_qos(Parser& parser) {
  CLI::App& qos = *parser.app.add_subcommand("qos", "Explain quality of service");
  qos.require_subcommand(1);
  auto arguments = std::make_shared<ExplainArguments>();
  CLI::App& explain = parser.command(
      qos, "explain", "Tell a pod's class, why, and every cgroup value that it would get. Needs no daemon and no root",
      "  keelsonctl qos explain -f pod.yaml\n"
      "  keelsonctl qos explain -f pod.yaml --cgroup-version 2 --cpus 8 --memory 32Gi\n"
      "  kubectl get pod web -o yaml | keelsonctl qos explain -f -\n",
      [arguments] { return run_qos_explain(*arguments); });
  explain.add_option("-f,--filename", arguments->file, "Manifest, YAML or JSON; -: standard input")
      ->required()
      ->type_name("FILE");
  explain.add_option("--cgroup-version", arguments->version, "1 or 2; default: both")
      ->check(CLI::IsMember({1, 2}).description(""))
      ->type_name("VERSION");
  explain.add_option("--cpus", arguments->cpus, "CPUs of the node; default: this machine's")
      ->check(CLI::Validator(CLI::PositiveNumber).description(""))
      ->type_name("N");
  explain.add_option("--memory", arguments->memory, "Memory of the node; default: this machine's")
      ->type_name("QUANTITY");
  explain.add_option("--cgroup-parent", arguments->cgroup_parent, "Cgroup that holds the tiers [kubepods]")
      ->type_name("NAME");
  explain.add_flag("--memory-qos", arguments->memory_qos, "With memory.min and memory.high (v2)");
  output_option(explain, arguments->output, {"table", "json", "yaml"});
}

void add_actions(Parser& parser) {
  struct Arguments {
    std::vector<std::string> targets;
    std::int64_t timeout_seconds = 10;
  };
  CLI::App& pod = *parser.app.add_subcommand("pod", "Stop and remove pod sandboxes");
  CLI::App& container = *parser.app.add_subcommand("container", "Stop and remove containers");
  for (CLI::App* group : {&pod, &container}) group->require_subcommand(1);
  for (const std::string action : {"stop", "rm"}) {
    const std::string verb = action == "stop" ? "Stop" : "Remove";
    auto pods = std::make_shared<Arguments>();
    CLI::App& on_pods = parser.command(
        pod, action, verb + " the sandboxes of pods, with their containers", "  keelsonctl pod " + action + " web\n",
        [&parser, pods, action] { return run_pod_action(parser.global.client(), action, pods->targets); });
    on_pods.add_option("pod", pods->targets, "Pods or beginnings of sandbox ids")->required()->type_name("POD|ID...");
    auto containers = std::make_shared<Arguments>();
    CLI::App& on_containers = parser.command(
        container, action, verb + " containers", "  keelsonctl container " + action + " 3f2a9c\n",
        [&parser, containers, action] {
          return run_container_action(parser.global.client(), action, containers->targets, containers->timeout_seconds);
        });
    on_containers.add_option("id", containers->targets, "Beginnings of container ids")->required()->type_name("ID...");
    if (action == "stop")
      on_containers
          .add_option("--timeout", containers->timeout_seconds, "Seconds from the stop signal to the kill [10]")
          ->check(CLI::Validator(CLI::NonNegativeNumber).description(""))
          ->type_name("SECONDS");
  }
}

void add_info(Parser& parser) {
  auto output = std::make_shared<Output>();
  CLI::App& app =
      parser.command(parser.app, "info", "Show the node: versions, readiness, handlers and their flaws, paths",
                     "  keelsonctl info\n  keelsonctl info -o json\n",
                     [&parser, output] { return run_info(parser.global.client(), *output); });
  app.alias("status");
  output_option(app, *output, {"table", "json", "yaml"});
}

// The words that may follow each command, for the shell.
void collect_words(const CLI::App& app, const std::string& path, std::vector<CompletionWords>& out) {
  CompletionWords words{path, {}};
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    words.words.push_back(sub->get_name());
    collect_words(*sub, path + " " + sub->get_name(), out);
  }
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) words.words.push_back("--" + name);
  out.push_back(std::move(words));
}

void add_completion(Parser& parser) {
  parser.command(parser.app, "completion", "Print a completion script for bash",
                 "  keelsonctl completion > /etc/bash_completion.d/keelsonctl\n", [&parser]() -> Result<int> {
                   std::vector<CompletionWords> words;
                   collect_words(parser.app, "keelsonctl", words);
                   print(bash_completion(words));
                   return kSuccess;
                 });
}

constexpr const char* kFooter =
    R"(A pod is named NAME or NAMESPACE/NAME; a static pod also without the node at its end. Ids may be cut short.

Exit status: 0 success; 1 failure, or differences (cgroup verify); 2 wrong command line; 3 no keelsond answers;
exec: the status of the command, 125 if it was not started.

Environment: KEELSON_STATE like --state; NO_COLOR turns colours off. See keelsonctl(1).)";

void add_global(Parser& parser) {
  const char* state = std::getenv("KEELSON_STATE");
  parser.global.state = state != nullptr && *state != '\0' ? state : "/run/keelson";
  parser.app.add_option("--state", parser.global.state, "State DIRECTORY of the daemon [/run/keelson]")->type_name("");
  parser.app.add_option("--socket", parser.global.socket, "Its admin SOCKET [<state>/keelsond.sock]")->type_name("");
  parser.app.set_version_flag("--version", "keelsonctl " KEELSON_VERSION);
  parser.app.footer(kFooter);
  parser.app.require_subcommand(1);
  parser.command(parser.app, "version", "Show the versions of keelsonctl and of the daemon", "  keelsonctl version\n",
                 [&parser] { return run_version(parser.global.client()); });
}

// "keelsonctl image load": the command that was meant.
std::string command_path(const CLI::App& app) {
  std::string path = app.get_name();
  for (const CLI::App* sub : app.get_subcommands()) path += " " + command_path(*sub);
  return path;
}

} // namespace

Invocation parse_command_line(int argc, const char* const* argv) {
  auto parser = std::make_shared<Parser>();
  for (const auto add : {add_pods, add_ps, add_logs, add_exec, add_inspect, add_events, add_usage, add_images, add_pull,
                         add_image, add_cgroup, add_qos, add_actions, add_info, add_completion, add_global})
    add(*parser);
  Invocation invocation;
  try {
    parser->app.parse(argc, argv);
  } catch (const CLI::Success& e) {
    invocation.exit_status = parser->app.exit(e);
    return invocation;
  } catch (const CLI::ParseError& e) {
    if (argc <= 1)
      print_error(parser->app.help());
    else
      print_error(fmt::format("keelsonctl: {}\n{} --help tells more.\n", e.what(), command_path(parser->app)));
    invocation.exit_status = kUsage;
    return invocation;
  }
  // The parser lives as long as the command that it made.
  invocation.command = [parser] { return parser->chosen(); };
  return invocation;
}

} // namespace keelson::daemon::ctl
