#include "cri/server/oci_runtime.hpp"

#include "base/file.hpp"
#include "base/json.hpp"
#include "base/process.hpp"
#include "base/text.hpp"

namespace keelson::cri {

namespace {

// A runtime may be killed only late: a half-made container costs more than a wait.
Result<RunOutput> run(std::vector<std::string> argv, Deadline deadline) {
  SpawnOptions options;
  options.argv = std::move(argv);
  RunLimits limits;
  limits.deadline = deadline;
  return run_command(std::move(options), limits);
}

bool says_absent(const RunOutput& output) {
  return output.err.find("does not exist") != std::string::npos || output.err.find("No such file") != std::string::npos;
}

Result<OciRuntime::State> parse_status(std::string_view status) {
  if (status == "creating") return OciRuntime::State::creating;
  if (status == "created") return OciRuntime::State::created;
  if (status == "running" || status == "paused") return OciRuntime::State::running;
  if (status == "stopped") return OciRuntime::State::stopped;
  return fail(Code::internal, "unknown container status \"{}\"", printable(status));
}

} // namespace

std::string runtime_failure(std::string_view json_log, std::string_view standard_error) {
  std::string reason;
  for (const std::string_view line : split(json_log, '\n')) {
    const auto entry = json::parse(line);
    if (!entry || !entry->is_object()) continue;
    const auto level = json::get_string(entry->get_object(), "level");
    const auto message = json::get_string(entry->get_object(), "msg");
    if (level && message && (*level == "error" || *level == "fatal")) reason = *message;
  }
  if (reason.empty()) {
    const std::string_view text = trim(standard_error);
    const std::size_t newline = text.rfind('\n');
    reason = newline == std::string_view::npos ? text : text.substr(newline + 1);
  }
  return reason.empty() ? "it gave no reason" : printable(reason, 2048);
}

Result<OciRuntime> OciRuntime::probe(RuntimeHandlerOptions options, std::string state_dir) {
  TRY_ASSIGN(RuntimeInfo info, probe_runtime(options.path));
  TRY(make_dirs(state_dir, 0700));
  return OciRuntime(std::move(options), std::move(state_dir), std::move(info));
}

std::vector<std::string> OciRuntime::command(std::vector<std::string> arguments) const {
  std::vector<std::string> argv = {options_.path, "--root", state_dir_};
  argv.insert(argv.end(), options_.extra_args.begin(), options_.extra_args.end());
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return argv;
}

std::vector<std::string> OciRuntime::create_args(const std::string& id, const CreateFiles& files) const {
  std::vector<std::string> arguments = {"--log",    files.log,    "--log-format", "json",        "create",
                                        "--bundle", files.bundle, "--pid-file",   files.pid_file};
  if (!files.console_socket.empty()) arguments.insert(arguments.end(), {"--console-socket", files.console_socket});
  arguments.push_back(id);
  return command(std::move(arguments));
}

std::vector<std::string> OciRuntime::exec_args(const std::string& id, const std::vector<std::string>& argv) const {
  std::vector<std::string> arguments = {"exec", id};
  arguments.insert(arguments.end(), argv.begin(), argv.end());
  return command(std::move(arguments));
}

Result<> OciRuntime::start(const std::string& id, const std::string& log, Deadline deadline) const {
  TRY_ASSIGN(const RunOutput output, run(command({"--log", log, "--log-format", "json", "start", id}), deadline));
  if (output.status.success()) return {};
  const auto log_text = read_file(log);
  return fail(Code::internal, "{} start: {}", options_.name, runtime_failure(log_text ? *log_text : "", output.err));
}

Result<OciRuntime::State> OciRuntime::state(const std::string& id, Deadline deadline) const {
  if (!exists(state_dir_ + "/" + id)) return State::absent;
  TRY_ASSIGN(const RunOutput output, run(command({"state", id}), deadline));
  if (!output.status.success()) {
    if (says_absent(output)) return State::absent;
    return fail(Code::internal, "{} state {}: {}", options_.name, id, runtime_failure({}, output.err));
  }
  TRY_ASSIGN(const json::value answer, json::parse(output.out));
  if (!answer.is_object()) return fail(Code::internal, "{} state {}: not an object", options_.name, id);
  TRY_ASSIGN(const std::string status, json::get_string(answer.get_object(), "status"));
  return parse_status(status);
}

Result<> OciRuntime::remove(const std::string& id, Deadline deadline) const {
  if (!exists(state_dir_ + "/" + id)) return {};
  TRY_ASSIGN(const RunOutput output, run(command({"delete", "--force", id}), deadline));
  if (!output.status.success() && !says_absent(output))
    return fail(Code::internal, "{} delete {}: {}", options_.name, id, runtime_failure({}, output.err));
  // A create that was killed leaves a directory that the runtime itself takes for no container.
  return remove_tree(state_dir_ + "/" + id);
}

std::vector<std::string> OciRuntime::list() const {
  auto names = list_dir(state_dir_);
  return names ? std::move(*names) : std::vector<std::string>{};
}

} // namespace keelson::cri
