#include "cri/oci/process_args.hpp"

#include "base/text.hpp"
#include "cri/proto/runtime_v1.pb.h"

#include <algorithm>

namespace keelson::cri {
namespace {

constexpr std::string_view kDefaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

bool carriable(std::string_view text) {
  return text.find('\0') == std::string_view::npos && is_valid_utf8(text);
}

std::string_view name_of(std::string_view variable) {
  return variable.substr(0, variable.find('='));
}

void set_variable(std::vector<std::string>& env, std::string variable) {
  for (std::string& existing : env) {
    if (name_of(existing) != name_of(variable)) continue;
    existing = std::move(variable);
    return;
  }
  env.push_back(std::move(variable));
}

void set_default(std::vector<std::string>& env, std::string variable) {
  const bool is_set = std::any_of(env.begin(), env.end(),
                                  [&](const std::string& existing) { return name_of(existing) == name_of(variable); });
  if (!is_set) env.push_back(std::move(variable));
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; });
}

// Lexically clean and absolute; a ".." that would climb above "/" is an error.
Result<std::string> clean_directory(std::string_view path) {
  if (!is_valid_utf8(path) || has_control(path) || path.size() > 4095)
    return fail(Code::invalid_argument, "working directory \"{}\" is not a valid path", printable(path));
  std::vector<std::string> parts;
  for (const std::string_view part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.emplace_back(part);
      continue;
    }
    if (parts.empty())
      return fail(Code::invalid_argument, "working directory \"{}\" leads above the root", printable(path));
    parts.pop_back();
  }
  return "/" + join(parts, "/");
}

} // namespace

bool path_is_within(std::string_view path, std::string_view parent) {
  if (parent == "/") return true;
  return path.substr(0, parent.size()) == parent && (path.size() == parent.size() || path[parent.size()] == '/');
}

Result<std::string> clean_container_path(std::string_view path) {
  if (path.empty() || path.front() != '/')
    return fail(Code::invalid_argument, "path \"{}\" is not absolute", printable(path));
  if (!is_valid_utf8(path) || has_control(path) || path.size() > 4095)
    return fail(Code::invalid_argument, "path \"{}\" is not valid", printable(path));
  std::string clean;
  for (const std::string_view part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") return fail(Code::invalid_argument, "path \"{}\" has \"..\" in it", printable(path));
    clean.append("/").append(part);
  }
  return clean.empty() ? std::string("/") : clean;
}

Result<std::vector<std::string>> build_args(const runtime::v1::ContainerConfig& config, const ImageConfig& image) {
  std::vector<std::string> args(config.command().begin(), config.command().end());
  const bool own_command = !args.empty();
  if (!own_command) args = image.entrypoint;
  if (config.args_size() > 0)
    args.insert(args.end(), config.args().begin(), config.args().end());
  else if (!own_command)
    args.insert(args.end(), image.cmd.begin(), image.cmd.end());
  if (args.empty())
    return fail(Code::invalid_argument,
                "container \"{}\" has nothing to run: the image has neither entrypoint nor command; set command",
                printable(config.metadata().name(), 64));
  if (args.front().empty()) return fail(Code::invalid_argument, "the first word of the command is empty");
  for (const std::string& arg : args)
    if (!carriable(arg))
      return fail(Code::invalid_argument, "argument \"{}\" is not valid UTF-8 without NUL", printable(arg, 64));
  return args;
}

Result<std::vector<std::string>> build_env(const runtime::v1::ContainerConfig& config, const ImageConfig& image,
                                           const EnvDefaults& defaults, std::vector<std::string>& warnings) {
  std::vector<std::string> env;
  if (!defaults.hostname.empty()) env.push_back("HOSTNAME=" + defaults.hostname);
  for (const std::string& variable : image.env) {
    const std::size_t equals = variable.find('=');
    if (equals == 0 || equals == std::string::npos || !carriable(variable))
      warnings.push_back(fmt::format("the image's environment variable \"{}\" is not NAME=value in UTF-8: ignored",
                                     printable(variable, 64)));
    else
      set_variable(env, variable);
  }
  for (const auto& variable : config.envs()) {
    if (variable.key().empty() || variable.key().find('=') != std::string::npos || !carriable(variable.key()))
      return fail(Code::invalid_argument, "environment variable name \"{}\" is empty or has = or NUL in it",
                  printable(variable.key(), 64));
    if (!carriable(variable.value()))
      return fail(Code::invalid_argument, "the value of environment variable \"{}\" is not UTF-8 without NUL",
                  printable(variable.key(), 64));
    set_variable(env, variable.key() + "=" + variable.value());
  }
  set_default(env, std::string(kDefaultPath));
  if (defaults.tty) set_default(env, "TERM=xterm");
  set_default(env, "HOME=" + defaults.home);
  return env;
}

Result<std::string> build_cwd(const runtime::v1::ContainerConfig& config, const ImageConfig& image) {
  TRY_ASSIGN(std::string cwd, clean_directory(config.working_dir().empty() ? image.working_dir : config.working_dir()));
  for (const std::string_view forbidden : {"/proc", "/dev/fd"})
    if (path_is_within(cwd, forbidden))
      return fail(Code::invalid_argument, "working directory \"{}\" is refused: {} shows the runtime's own files",
                  printable(cwd), forbidden);
  return cwd;
}

} // namespace keelson::cri
