#include "cri/monitor/exec_program.hpp"

#include "base/text.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace keelson::cri::monitor {
namespace {

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

std::string_view search_path(const std::vector<std::string>& env) {
  std::string_view path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  for (const std::string& variable : env)
    if (variable.starts_with("PATH=")) path = std::string_view(variable).substr(5); // the last one wins
  return path;
}

ExecFailure failure(const std::string& program, int sys_errno, bool searched) {
  const bool missing = sys_errno == ENOENT || sys_errno == ENOTDIR;
  Error error;
  error.sys_errno = sys_errno;
  error.code = code_from_errno(sys_errno);
  if (missing) error.code = Code::not_found;
  if (missing && searched)
    error.message = fmt::format("exec: \"{}\": executable file not found in $PATH", printable(program));
  else
    error.message = fmt::format("exec: \"{}\": {}", printable(program), ::strerror(sys_errno));
  return {std::move(error), missing ? 127 : 126};
}

} // namespace

ExecFailure execute_program(const std::vector<std::string>& argv, const std::vector<std::string>& env) {
  const std::string& program = argv.front();
  const auto arguments = pointers(argv);
  const auto environment = pointers(env);
  if (program.find('/') != std::string::npos) {
    ::execve(program.c_str(), arguments.data(), environment.data());
    return failure(program, errno, false);
  }
  int found_errno = ENOENT; // of the first candidate that is there but cannot run
  for (const std::string_view dir : split(search_path(env), ':')) {
    const std::string path = fmt::format("{}/{}", dir.empty() ? "." : dir, program);
    struct stat info {};
    if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) continue;
    ::execve(path.c_str(), arguments.data(), environment.data());
    if (found_errno == ENOENT && errno != ENOTDIR) found_errno = errno;
  }
  return failure(program, found_errno, true);
}

} // namespace keelson::cri::monitor
