#include "netns/cni_plugin.hpp"

#include "base/process.hpp"
#include "base/text.hpp"

#include <unistd.h>

namespace keelson::netns {
namespace {

constexpr std::size_t kMaxAnswer = std::size_t{1} << 20;

std::vector<std::string> environment(const CniCall& call) {
  std::vector<std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry)
    if (!std::string_view(*entry).starts_with("CNI_")) variables.emplace_back(*entry);
  variables.push_back("CNI_COMMAND=" + call.command);
  variables.push_back("CNI_CONTAINERID=" + call.sandbox_id);
  variables.push_back("CNI_NETNS=" + call.netns_path);
  variables.push_back("CNI_IFNAME=" + call.interface);
  variables.push_back("CNI_ARGS=" + call.args);
  variables.push_back("CNI_PATH=" + join(call.plugin_dirs, ":"));
  return variables;
}

} // namespace

Result<std::string> find_cni_plugin(const std::vector<std::string>& dirs, const std::string& type) {
  for (const std::string& dir : dirs) {
    std::string path = dir + "/" + type;
    if (access(path.c_str(), X_OK) == 0) return path;
  }
  return fail(Code::not_found, "CNI plug-in \"{}\" is not in {}: install it, or set the plug-in directories",
              printable(type), join(dirs, ", "));
}

Result<json::value> run_cni_plugin(const CniCall& call, const std::string& type, const std::string& input) {
  TRY_ASSIGN(std::string path, find_cni_plugin(call.plugin_dirs, type));
  SpawnOptions options;
  options.argv = {std::move(path)};
  options.env = environment(call);
  auto output = run_command(std::move(options), {call.deadline, kMaxAnswer + 1}, input);
  if (!output) return Fail(std::move(output).error().context(fmt::format("CNI plug-in {}, {}", type, call.command)));
  if (output->out.size() > kMaxAnswer)
    return fail(Code::resource_exhausted, "CNI plug-in {}, {}: the answer is longer than 1 MiB", type, call.command);
  if (!output->status.success()) {
    Error error = cni_error(type, call.command, output->out, output->err);
    if (output->status.signal != 0) error.message += fmt::format(" (killed by signal {})", output->status.signal);
    return Fail(std::move(error));
  }
  if (trim(output->out).empty()) return json::value();
  auto answer = json::parse(output->out);
  if (!answer)
    return Fail(std::move(answer).error().context(fmt::format("answer of CNI plug-in {}, {}", type, call.command)));
  return std::move(*answer);
}

} // namespace keelson::netns
