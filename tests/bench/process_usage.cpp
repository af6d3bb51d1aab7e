#include "tests/bench/process_usage.hpp"

#include "base/file.hpp"
#include "base/text.hpp"

#include <unistd.h>

#include <algorithm>

namespace keelson::bench {

namespace {

std::uint64_t pss_kib(const std::string& proc) {
  const auto rollup = read_file(proc + "/smaps_rollup");
  if (!rollup) return 0; // it has ended meanwhile
  for (const std::string_view line : split(*rollup, '\n')) {
    const auto words = split_words(line);
    if (words.size() >= 2 && words[0] == "Pss:") return parse_int<std::uint64_t>(words[1]).value_or(0);
  }
  return 0;
}

std::uint64_t cpu_ticks(const std::string& proc) {
  const auto stat = read_file(proc + "/stat");
  if (!stat) return 0;
  const auto fields = split_words(std::string_view(*stat).substr(stat->rfind(')') + 1));
  constexpr std::size_t kUserTime = 14 - 3; // field 3 is the first after the command (proc(5))
  if (fields.size() <= kUserTime + 1) return 0;
  return parse_int<std::uint64_t>(fields[kUserTime]).value_or(0) +
         parse_int<std::uint64_t>(fields[kUserTime + 1]).value_or(0);
}

} // namespace

Result<ProcessUsage> usage_of(const std::string& command_line_part) {
  ProcessUsage usage;
  TRY_ASSIGN(const auto names, list_dir("/proc"));
  std::uint64_t ticks = 0;
  for (const std::string& name : names) {
    const auto pid = parse_int<pid_t>(name);
    if (!pid || *pid == ::getpid()) continue;
    const std::string proc = "/proc/" + name;
    auto command = read_file(proc + "/cmdline");
    if (!command) continue;
    std::replace(command->begin(), command->end(), '\0', ' ');
    if (command->find(command_line_part) == std::string::npos) continue;
    ++usage.processes;
    usage.pss_kib += pss_kib(proc);
    ticks += cpu_ticks(proc);
  }
  usage.cpu = std::chrono::duration<double>(static_cast<double>(ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK)));
  return usage;
}

} // namespace keelson::bench
