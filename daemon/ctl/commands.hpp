// The commands of keelsonctl. Each takes what the command line said, prints, and gives the exit status.
#pragma once

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/time.hpp"
#include "base/units.hpp"
#include "daemon/ctl/client.hpp"
#include "daemon/ctl/table.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace keelson::daemon::ctl {

enum ExitStatus : int {
  kSuccess = 0,
  kFailure = 1,     // what was asked failed; cgroup verify: there are differences
  kUsage = 2,       // the command line is wrong
  kUnreachable = 3, // no keelsond answers
  kExecFailed = 125 // exec: the command was not started, or was killed at its time-out
};

struct Output {
  std::string form = "table"; // table, wide, json, yaml
  bool full_ids = false;
  bool is_data() const { return form == "json" || form == "yaml"; }
};

// JSON or YAML on standard output.
void print_data(const json::value& data, const Output& output);

// list_commands.cpp
struct ListArguments {
  Output output;
  std::string name_space; // only of this namespace; empty: all
  bool all = false;       // ps: also containers that have ended
};
Result<int> run_pods(const Client& client, const ListArguments& arguments);
Result<int> run_containers(const Client& client, const ListArguments& arguments);
Result<int> run_images(const Client& client, const ListArguments& arguments);
Result<int> run_events(const Client& client, const ListArguments& arguments, bool watch);
Result<int> run_inspect(const Client& client, const std::string& target, const std::string& container,
                        const Output& output);
Result<int> run_version(const Client& client);
Result<int> run_info(const Client& client, const Output& output);

// log_command.cpp
struct LogArguments {
  std::string target;
  std::string container;
  bool follow = false;
  bool previous = false;
  bool timestamps = false;
  std::string stream = "all"; // stdout, stderr, all
  std::optional<std::uint64_t> tail;
  std::string since; // a duration ("5m", "1h30m") or an RFC 3339 time; empty: everything
};
Result<int> run_logs(const Client& client, const LogArguments& arguments);
// The time that --since means.
Result<WallTime> parse_since(const std::string& text, WallTime now);

// image_commands.cpp
struct PullArguments {
  std::vector<std::string> images;
  std::string credentials; // USER:PASSWORD
  bool quiet = false;
};
Result<int> run_pull(const Client& client, const PullArguments& arguments);
Result<int> run_image_load(const Client& client, const std::string& path, const std::string& name);
Result<int> run_image_remove(const Client& client, const std::vector<std::string>& images);
Result<int> run_image_tag(const Client& client, const std::string& image, const std::string& name);
Result<int> run_image_prune(const Client& client, bool yes);

// lifecycle_commands.cpp
struct ExecArguments {
  std::string target;
  std::string container;
  std::int64_t timeout_seconds = 0;
  std::vector<std::string> command;
};
Result<int> run_exec(const Client& client, const ExecArguments& arguments);
Result<int> run_pod_action(const Client& client, const std::string& action, const std::vector<std::string>& targets);
Result<int> run_container_action(const Client& client, const std::string& action,
                                 const std::vector<std::string>& targets, std::int64_t timeout_seconds);

// usage_commands.cpp
struct UsageArguments {
  Output output;
  bool watch = false;
  bool pods_only = false;
  bool once = false;
  double interval = 2; // seconds
  std::string sort = "cpu";
};
Result<int> run_stats(const Client& client, const UsageArguments& arguments);
Result<int> run_top(const Client& client, const UsageArguments& arguments);

// tier_commands.cpp
Result<int> run_cgroup_tree(const Client& client, const std::string& pod, const Output& output);
Result<int> run_cgroup_verify(const Client& client, const std::string& pod, const Output& output);
struct ExplainArguments {
  std::string file;   // "-": standard input
  int version = 0;    // 1 or 2; 0: both
  double cpus = 0;    // of the node; 0: this machine's
  std::string memory; // of the node, a quantity; empty: this machine's
  std::string cgroup_parent = "kubepods";
  bool memory_qos = false;
  Output output;
};
Result<int> run_qos_explain(const ExplainArguments& arguments);

} // namespace keelson::daemon::ctl
