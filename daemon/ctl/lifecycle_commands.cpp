#include "base/text.hpp"
#include "daemon/ctl/base64.hpp"
#include "daemon/ctl/commands.hpp"
#include "daemon/ctl/display.hpp"
#include "daemon/ctl/fields.hpp"
#include "daemon/ctl/node_objects.hpp"
#include "daemon/ctl/terminal.hpp"

namespace keelson::daemon::ctl {

namespace {

// A pod that a manifest wants comes back by itself.
void warn_of_static(const NodeObjects& objects, const json::value& sandbox) {
  for (const json::value& pod : objects.pods) {
    if (text_at(pod, {"metadata", "uid"}) != text_at(sandbox, {"uid"})) continue;
    if (text_at(pod, {"metadata", "annotations", "kubernetes.io/config.source"}) == "file")
      print_error(
          fmt::format("note: {}/{} comes from a manifest and will be started again; remove the manifest to end it\n",
                      text_at(sandbox, {"namespace"}), text_at(sandbox, {"name"})));
  }
}

Result<json::value> exec_in_container(const Client& client, const ExecArguments& arguments) {
  TRY_ASSIGN(const NodeObjects objects, read_objects(client));
  TRY_ASSIGN(const json::value container, choose_container(objects, arguments.target, {arguments.container, false}));
  json::array command;
  for (const std::string& word : arguments.command) command.emplace_back(word);
  return client.post("/v1/cri/ExecSync", {{"container_id", text_at(container, {"id"})},
                                          {"cmd", std::move(command)},
                                          {"timeout", arguments.timeout_seconds}});
}

} // namespace

Result<int> run_exec(const Client& client, const ExecArguments& arguments) {
  const auto answer = exec_in_container(client, arguments);
  if (!answer && answer.error().code != Code::unavailable) {
    print_error(fmt::format("keelsonctl: exec in {}: {}\n", printable(arguments.target),
                            printable(answer.error().message, 4096)));
    return kExecFailed;
  }
  if (!answer) return Fail(answer.error());
  TRY_ASSIGN(const std::string out, decode_base64(text_at(*answer, {"stdout"})));
  TRY_ASSIGN(const std::string err, decode_base64(text_at(*answer, {"stderr"})));
  if (!out.empty()) print(out);
  if (!err.empty()) print_error(err);
  return static_cast<int>(number_at(*answer, {"exit_code"}));
}

Result<int> run_pod_action(const Client& client, const std::string& action, const std::vector<std::string>& targets) {
  TRY_ASSIGN(const NodeObjects objects, read_objects(client));
  for (const std::string& target : targets) {
    TRY_ASSIGN(const json::value* sandbox, find_sandbox(objects.pods, objects.sandboxes, target));
    const std::string id = text_at(*sandbox, {"id"});
    const std::string call = action == "stop" ? "StopPodSandbox" : "RemovePodSandbox";
    warn_of_static(objects, *sandbox);
    TRY_CONTEXT(client.post("/v1/cri/" + call, {{"pod_sandbox_id", id}}), "{} pod {}", action, target);
    print(fmt::format("{} {}/{} ({})\n", action == "stop" ? "stopped" : "removed", text_at(*sandbox, {"namespace"}),
                      text_at(*sandbox, {"name"}), short_id(id)));
  }
  return kSuccess;
}

Result<int> run_container_action(const Client& client, const std::string& action,
                                 const std::vector<std::string>& targets, std::int64_t timeout_seconds) {
  TRY_ASSIGN(const json::array containers, list_items(client, "/v1/containers"));
  for (const std::string& target : targets) {
    TRY_ASSIGN(const json::value* container, find_by_id(containers, target));
    if (container == nullptr)
      return fail(Code::not_found, "no container has an id that begins with \"{}\"; see: keelsonctl ps -a", target);
    const std::string id = text_at(*container, {"id"});
    json::object request{{"container_id", id}};
    if (action == "stop") request["timeout"] = timeout_seconds;
    TRY_CONTEXT(client.post(action == "stop" ? "/v1/cri/StopContainer" : "/v1/cri/RemoveContainer", request),
                "{} container {}", action, target);
    print(fmt::format("{} {} ({})\n", action == "stop" ? "stopped" : "removed", text_at(*container, {"name"}),
                      short_id(id)));
  }
  return kSuccess;
}

} // namespace keelson::daemon::ctl
