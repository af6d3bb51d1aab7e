#include "cri/monitor/process_group.hpp"

#include "base/file.hpp"
#include "base/text.hpp"

#include <dirent.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <memory>
#include <vector>

namespace keelson::cri::monitor {
namespace {

std::vector<pid_t> processes_in(const std::string& cgroup) {
  std::vector<pid_t> pids;
  const auto text = read_file(cgroup + "/cgroup.procs");
  if (!text) return pids;
  for (const std::string_view word : split_words(*text))
    if (const auto pid = parse_int<pid_t>(word); pid && *pid > 0) pids.push_back(*pid);
  return pids;
}

struct ProcessEntry {
  pid_t pid = 0;
  pid_t parent = 0;
  pid_t session = 0;
};

Result<ProcessEntry> read_entry(std::string_view pid_text) {
  TRY_ASSIGN(const auto pid, parse_int<pid_t>(pid_text));
  TRY_ASSIGN(const std::string stat, read_file(fmt::format("/proc/{}/stat", pid), 4096));
  const auto fields = split_words(std::string_view(stat).substr(std::min(stat.rfind(')') + 1, stat.size())));
  if (fields.size() < 4 || fields[0] == "Z") return fail(Code::not_found, "ended");
  TRY_ASSIGN(const auto parent, parse_int<pid_t>(fields[1]));
  TRY_ASSIGN(const auto session, parse_int<pid_t>(fields[3]));
  return ProcessEntry{pid, parent, session};
}

std::vector<ProcessEntry> all_processes() {
  std::vector<ProcessEntry> entries;
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(::opendir("/proc"), &::closedir);
  if (!proc) return entries;
  while (const dirent* entry = ::readdir(proc.get())) {
    if (entry->d_name[0] < '0' || entry->d_name[0] > '9') continue;
    if (const auto read = read_entry(entry->d_name)) entries.push_back(*read);
  }
  return entries;
}

} // namespace

Result<TrackingCgroup> TrackingCgroup::make(const std::string& container_dir, std::uint64_t number) {
  TrackingCgroup cgroup;
  cgroup.parent_ = container_dir;
  cgroup.path_ = fmt::format("{}/keelson-exec-{}", container_dir, number);
  if (::mkdir(cgroup.path_.c_str(), 0755) != 0 && errno != EEXIST)
    return fail_errno(errno, "make cgroup {}", cgroup.path_);
  struct statfs info {};
  cgroup.v2_ = ::statfs(container_dir.c_str(), &info) == 0 && info.f_type == CGROUP2_SUPER_MAGIC;
  return cgroup;
}

void TrackingCgroup::kill() const {
  if (v2_ && write_kernel_file(path_ + "/cgroup.kill", "1")) return;
  const std::string freezer = path_ + (v2_ ? "/cgroup.freeze" : "/freezer.state");
  static_cast<void>(write_kernel_file(freezer, v2_ ? "1" : "FROZEN"));
  for (const pid_t pid : processes_in(path_)) ::kill(pid, SIGKILL);
  static_cast<void>(write_kernel_file(freezer, v2_ ? "0" : "THAWED"));
}

bool TrackingCgroup::remove() const {
  if (::rmdir(path_.c_str()) == 0 || errno == ENOENT) return true;
  for (const pid_t pid : processes_in(path_))
    static_cast<void>(write_kernel_file(parent_ + "/cgroup.procs", fmt::format("{}", pid)));
  return ::rmdir(path_.c_str()) == 0 || errno == ENOENT;
}

// Writing cgroup.procs takes a lock that every fork and exit on the machine passes, after an RCU grace period: some 10
// ms each on a busy machine, ten times on v1. Moving one's own single thread through v1's tasks file does without
// (Linux 5.15).
Result<> join_cgroup(const std::string& procs_path) {
  constexpr std::string_view kProcs = "/cgroup.procs";
  if (procs_path.ends_with(kProcs)) {
    const std::string tasks = procs_path.substr(0, procs_path.size() - kProcs.size()) + "/tasks";
    const auto joined = write_kernel_file(tasks, "0");
    if (joined || joined.error().sys_errno != ENOENT) return joined;
  }
  return write_kernel_file(procs_path, "0");
}

void kill_descendants(pid_t root) {
  constexpr int kMaxRounds = 64; // what forks faster than this needs a tracking cgroup
  std::vector<pid_t> doomed = {root};
  for (int round = 0; round < kMaxRounds; ++round) {
    const std::size_t before = doomed.size();
    const auto is_doomed = [&doomed](pid_t pid) {
      return std::find(doomed.begin(), doomed.end(), pid) != doomed.end();
    };
    const auto processes = all_processes();
    for (std::size_t grown = 0; grown != doomed.size();) {
      grown = doomed.size();
      for (const ProcessEntry& entry : processes)
        if (!is_doomed(entry.pid) && (is_doomed(entry.parent) || entry.session == root)) doomed.push_back(entry.pid);
    }
    if (round > 0 && doomed.size() == before) break;
    // Children first: what a dying parent leaves behind would lose its mark.
    for (std::size_t i = doomed.size(); i-- > 0;) ::kill(doomed[i], round == 0 ? SIGSTOP : SIGKILL);
  }
  for (const pid_t pid : doomed) ::kill(pid, SIGKILL);
}

} // namespace keelson::cri::monitor
