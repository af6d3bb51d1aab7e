#include "netns/iptables.hpp"

#include "base/process.hpp"
#include "base/text.hpp"

#include <algorithm>

namespace keelson::netns {
namespace {

// iptables names the line it refused; the text of that line says more.
std::string refused_line(std::string_view text, std::string_view err) {
  const std::size_t at = err.find("line");
  if (at == std::string_view::npos) return {};
  std::string_view rest = err.substr(at + 4);
  while (!rest.empty() && (rest.front() == ' ' || rest.front() == ':')) rest.remove_prefix(1);
  std::size_t digits = 0;
  while (digits < rest.size() && rest[digits] >= '0' && rest[digits] <= '9') ++digits;
  const auto number = parse_int<std::size_t>(rest.substr(0, digits));
  const auto lines = split(text, '\n');
  if (!number || *number == 0 || *number > lines.size()) return {};
  return fmt::format(" (line {}: {})", *number, printable(lines[*number - 1]));
}

} // namespace

Result<> Iptables::probe(Family family) const {
  const std::string& program = family == Family::ipv4 ? config_.restore4 : config_.restore6;
  SpawnOptions options;
  options.argv = {program, "--version"};
  auto output = run_command(std::move(options), {Deadline::after(std::chrono::seconds(10)), 4096});
  if (!output || !output->status.success())
    return fail(Code::failed_precondition,
                "{} does not run{}: install iptables, or set its path, or turn masquerade and host ports off", program,
                output ? "" : " (" + output.error().message + ")");
  return {};
}

Result<> Iptables::restore(Family family, std::string_view text, Deadline deadline) const {
  const std::string& program = family == Family::ipv4 ? config_.restore4 : config_.restore6;
  SpawnOptions options;
  options.argv = {program, "--noflush", "-w", std::to_string(config_.lock_wait.count())};
  const Deadline limit(std::min(deadline.at(), Deadline::after(config_.lock_wait + std::chrono::seconds(30)).at()));
  TRY_ASSIGN(const RunOutput output, run_command(std::move(options), {limit, std::size_t{64} << 10}, text));
  if (output.status.success()) return {};
  return fail(Code::internal, "{}: exit status {}: {}{}", program, output.status.code(),
              printable(trim(output.err), 1024), refused_line(text, output.err));
}

} // namespace keelson::netns
