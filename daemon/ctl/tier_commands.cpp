#include "api/decode.hpp"
#include "api/defaults.hpp"
#include "api/quantity.hpp"
#include "base/file.hpp"
#include "base/text.hpp"
#include "cgroups/hugetlb_values.hpp"
#include "daemon/ctl/commands.hpp"
#include "daemon/ctl/explain_view.hpp"
#include "daemon/ctl/fields.hpp"
#include "daemon/ctl/node_objects.hpp"
#include "daemon/ctl/terminal.hpp"
#include "daemon/ctl/tier_view.hpp"
#include "qos/explain.hpp"

#include <sys/sysinfo.h>

#include <cmath>
#include <thread>

namespace keelson::daemon::ctl {

namespace {

Result<json::array> read_groups(const Client& client, const std::string& pod) {
  TRY_ASSIGN(const json::value report, client.get("/v1/cgroups"));
  const json::array& all = list_at(report, {"groups"});
  if (pod.empty()) return all;
  TRY_ASSIGN(const json::array pods, list_items(client, "/v1/pods"));
  TRY_ASSIGN(const json::array sandboxes, list_items(client, "/v1/sandboxes"));
  TRY_ASSIGN(const json::value* found, find_pod(pods, sandboxes, pod));
  json::array groups =
      groups_of_pod(all, text_at(*found, {"metadata", "namespace"}) + "/" + text_at(*found, {"metadata", "name"}));
  if (groups.empty())
    return fail(Code::not_found, "pod {} is not in the tiers of this node: its CRI client owns its cgroup",
                printable(pod));
  return groups;
}

// A drawing needs its width: cut lines would hide values.
TableOptions wide_options() {
  TableOptions options = table_options();
  options.width = 0;
  return options;
}

Result<qos::Node> node_of(const ExplainArguments& arguments) {
  qos::Node node;
  const double cpus = arguments.cpus > 0 ? arguments.cpus : static_cast<double>(std::thread::hardware_concurrency());
  node.cpu = MilliCpu{std::llround(cpus * 1000)};
  if (arguments.memory.empty()) {
    struct sysinfo info {};
    if (::sysinfo(&info) != 0) return fail_errno(errno, "read the size of this machine's memory");
    node.memory = Bytes{static_cast<std::int64_t>(info.totalram * info.mem_unit)};
  } else {
    const auto quantity = api::Quantity::parse(arguments.memory);
    if (!quantity) return fail(Code::invalid_argument, "--memory {}: use a quantity such as 16Gi", arguments.memory);
    node.memory = Bytes{quantity->value()};
  }
  node.huge_page_sizes = cgroups::machine_huge_page_sizes();
  return node;
}

Result<json::array> explain_pod(const api::Pod& pod, const ExplainArguments& arguments) {
  qos::ExplainOptions options;
  TRY_ASSIGN(options.parent, cgroups::GroupName::parse(arguments.cgroup_parent));
  TRY_ASSIGN(options.node, node_of(arguments));
  options.values.memory_qos = arguments.memory_qos;
  json::array explanations;
  for (const int version : {1, 2}) {
    if (arguments.version != 0 && arguments.version != version) continue;
    options.values.version = version == 1 ? cgroups::Version::v1 : cgroups::Version::v2;
    TRY_ASSIGN(const qos::Explanation explanation, qos::explain(pod, options));
    explanations.push_back(qos::to_json(explanation));
  }
  return explanations;
}

} // namespace

Result<int> run_cgroup_tree(const Client& client, const std::string& pod, const Output& output) {
  TRY_ASSIGN(json::array groups, read_groups(client, pod));
  if (output.is_data())
    print_data(json::object{{"groups", std::move(groups)}}, output);
  else
    print(tier_tree_text(groups, wide_options()));
  return kSuccess;
}

Result<int> run_cgroup_verify(const Client& client, const std::string& pod, const Output& output) {
  TRY_ASSIGN(const json::array groups, read_groups(client, pod));
  const json::array differences = tier_differences_json(groups);
  if (output.is_data()) {
    print_data(json::object{{"verified", differences.empty()}, {"differences", differences}}, output);
  } else if (differences.empty()) {
    std::size_t values = 0;
    for (const json::value& group : groups) values += list_at(group, {"knobs"}).size();
    print_error(fmt::format("{} groups, {} values: all as intended\n", groups.size(), values));
  } else {
    print(tier_differences(groups).render(wide_options()));
  }
  return differences.empty() ? kSuccess : kFailure;
}

Result<int> run_qos_explain(const ExplainArguments& arguments) {
  const bool from_stdin = arguments.file == "-";
  auto text =
      from_stdin ? read_all(STDIN_FILENO, api::kMaxManifestSize) : read_file(arguments.file, api::kMaxManifestSize);
  if (!text) return Fail(std::move(text).error());
  auto pods = api::decode_pods(*text);
  TRY_CONTEXT(pods, "{}", from_stdin ? "standard input" : arguments.file);
  if (pods->empty()) return fail(Code::invalid_argument, "{} holds no pod", arguments.file);
  json::array all;
  bool first = true;
  for (auto& decoded : *pods) {
    for (const std::string& warning : decoded.warnings) print_error("warning: " + warning + "\n");
    api::apply_defaults(decoded.object);
    TRY_ASSIGN(const json::array explanations, explain_pod(decoded.object, arguments));
    if (arguments.output.is_data()) {
      for (const json::value& explanation : explanations) all.push_back(explanation);
    } else {
      print((first ? "" : "\n") + explanation_text(explanations, wide_options()));
    }
    first = false;
  }
  if (arguments.output.is_data()) print_data(json::object{{"items", std::move(all)}}, arguments.output);
  return kSuccess;
}

} // namespace keelson::daemon::ctl
