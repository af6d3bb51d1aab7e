#include "tests/support/leak_check.hpp"

#include "tests/support/mounts.hpp"
#include "tests/support/poll_until.hpp"

#include <net/if.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

namespace keelson::test {

namespace {

namespace fs = std::filesystem;

struct Process {
  pid_t parent = 0;
  char state = '?';
  std::string name;
};

// Field 2 of /proc/PID/stat is in parentheses and may itself contain any character: the last one closes it.
std::map<pid_t, Process> all_processes() {
  std::map<pid_t, Process> processes;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream file(entry.path() / "stat");
    std::string line;
    std::getline(file, line, '\0');
    const auto open = line.find('(');
    const auto close = line.rfind(')');
    if (close == std::string::npos || open == std::string::npos) continue;
    Process process;
    process.name = line.substr(open, close - open + 1);
    std::istringstream(line.substr(close + 1)) >> process.state >> process.parent;
    processes.emplace(static_cast<pid_t>(std::stoi(name)), process);
  }
  return processes;
}

void add_descendants(std::set<std::string>& found) {
  const auto processes = all_processes();
  for (const auto& [pid, process] : processes) {
    pid_t ancestor = process.parent;
    while (ancestor > 1 && ancestor != ::getpid()) {
      const auto next = processes.find(ancestor);
      ancestor = next == processes.end() ? 0 : next->second.parent;
    }
    if (ancestor != ::getpid()) continue;
    if (process.state == 'Z' && process.parent == ::getpid()) {
      ::waitpid(pid, nullptr, WNOHANG);
      continue;
    }
    found.insert("process " + std::to_string(pid) + " " + process.name);
  }
}

void add_links(std::set<std::string>& found) {
  struct if_nameindex* links = ::if_nameindex();
  for (const auto* link = links; link != nullptr && link->if_index != 0; ++link)
    found.insert(std::string("link ") + link->if_name);
  if (links != nullptr) ::if_freenameindex(links);
}

void add_tree(std::set<std::string>& found, const std::string& top, const std::string& kind, bool directories_only) {
  std::error_code error;
  const auto options = fs::directory_options::skip_permission_denied;
  for (auto it = fs::recursive_directory_iterator(top, options, error); it != fs::recursive_directory_iterator();
       it.increment(error)) {
    if (error) break;
    if (!directories_only || (it->is_directory(error) && !it->is_symlink(error)))
      found.insert(kind + " " + it->path().string());
  }
}

void add_descriptors(std::set<std::string>& found) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd", error)) {
    const auto target = fs::read_symlink(entry.path(), error);
    if (error || target.string().starts_with("/proc/" + std::to_string(::getpid()))) continue;
    found.insert("descriptor " + entry.path().filename().string() + " " + target.string());
  }
}

} // namespace

LeakCheck::LeakCheck(LeakScope scope)
    : scope_(std::move(scope)) {
  if (scope_.adopt_orphans) ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  before_ = snapshot();
}

std::set<std::string> LeakCheck::snapshot() const {
  std::set<std::string> found;
  std::map<std::string, int> times;
  for (const auto& point : mount_points()) {
    const bool watched = scope_.paths.empty() || std::any_of(scope_.paths.begin(), scope_.paths.end(),
                                                             [&](const auto& path) { return is_below(point, path); });
    if (watched) found.insert("mount " + point + " #" + std::to_string(++times[point]));
  }
  for (const auto& path : scope_.paths) add_tree(found, path, "file", false);
  for (const auto& cgroup : scope_.cgroups) add_tree(found, cgroup, "cgroup", true);
  if (scope_.links) add_links(found);
  if (scope_.descriptors) add_descriptors(found);
  add_descendants(found);
  return found;
}

std::vector<std::string> LeakCheck::leaks(std::chrono::milliseconds patience) const {
  std::vector<std::string> left;
  poll_until(Deadline::after(patience), [&] {
    left.clear();
    const auto now = snapshot();
    std::set_difference(now.begin(), now.end(), before_.begin(), before_.end(), std::back_inserter(left));
    return left.empty();
  });
  return left;
}

} // namespace keelson::test
