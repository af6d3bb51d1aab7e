#include "cgroups/group.hpp"

#include "base/text.hpp"
#include "cgroups/core_values.hpp"
#include "cgroups/group_directory.hpp"
#include "cgroups/group_name.hpp"

#include <algorithm>
#include <set>

namespace keelson::cgroups {
namespace {

// Below a mount's directory: "kubepods/burstable", or "." for the root.
std::string relative(const GroupName& name) {
  return name.is_root() ? "." : join(name.parts(), "/");
}

Result<> add_processes(int dir, std::vector<pid_t>& all) {
  auto text = read_group_file(dir, "cgroup.procs");
  // EOPNOTSUPP: a threaded group of v2, whose processes are those of the domain above it.
  if (!text && (is_gone(text.error()) || text.error().sys_errno == EOPNOTSUPP)) return {};
  if (!text) return Fail(std::move(text).error());
  TRY_ASSIGN(const auto pids, parse_procs(*text));
  all.insert(all.end(), pids.begin(), pids.end());
  return {};
}

std::vector<pid_t> sorted_unique(std::vector<pid_t> pids) {
  std::sort(pids.begin(), pids.end());
  pids.erase(std::unique(pids.begin(), pids.end()), pids.end());
  return pids;
}

} // namespace

Result<Group> Group::open(const Hierarchy& hierarchy, const std::string& path) {
  TRY_ASSIGN(const GroupName name, GroupName::parse(path));
  Group group(hierarchy, name.cgroupfs_path());
  bool found = false;
  for (std::size_t i = 0; i < hierarchy.mounts().size(); ++i) {
    auto dir = open_group_directory(hierarchy.mount_fd(i), relative(name));
    if (!dir && !is_gone(dir.error())) return Fail(std::move(dir).error().context(hierarchy.mounts()[i].mount_point));
    found = found || dir;
    group.dirs_.push_back(dir ? std::move(*dir) : UniqueFd());
  }
  if (!found) return fail_errno(ENOENT, "cgroup {}", printable(group.path_));
  return group;
}

bool Group::exists(const Hierarchy& hierarchy, const std::string& path) {
  const auto name = GroupName::parse(path);
  if (!name) return false;
  for (std::size_t i = 0; i < hierarchy.mounts().size(); ++i) {
    if (open_group_directory(hierarchy.mount_fd(i), relative(*name))) return true;
  }
  return false;
}

int Group::dir_of(Controller controller) const {
  const auto mount = hierarchy_->mount_of(controller);
  return mount ? dirs_[*mount].get() : -1;
}

std::string Group::mount_path(std::size_t mount, std::string_view file) const {
  std::string full = hierarchy_->mounts()[mount].mount_point;
  if (path_ != "/") full += path_;
  if (!file.empty()) full.append("/").append(file);
  return full;
}

std::string Group::full_path(Controller controller, std::string_view file) const {
  const auto mount = hierarchy_->mount_of(controller);
  return mount ? mount_path(*mount, file) : fmt::format("({} is not mounted)", token_of(controller, Version::v2));
}

std::vector<int> Group::present_dirs() const {
  std::vector<int> present;
  for (const UniqueFd& dir : dirs_) {
    if (dir) present.push_back(dir.get());
  }
  return present;
}

Result<std::vector<std::string>> Group::children() const {
  std::set<std::string> names;
  for (const int dir : present_dirs()) {
    auto found = child_directories(dir);
    if (!found && is_gone(found.error())) continue;
    if (!found) return Fail(std::move(found).error().context(path_));
    names.insert(found->begin(), found->end());
  }
  return std::vector<std::string>(names.begin(), names.end());
}

Result<std::vector<pid_t>> Group::processes() const {
  std::vector<pid_t> all;
  for (const int dir : present_dirs()) {
    WalkVisitor visitor;
    visitor.inside = [&all](int group) { return add_processes(group, all); };
    auto walked = walk_bottom_up(dir, visitor);
    if (!walked && !is_gone(walked.error())) return Fail(std::move(walked).error().context(path_));
  }
  return sorted_unique(std::move(all));
}

Result<std::vector<pid_t>> Group::own_processes() const {
  std::vector<pid_t> all;
  for (const int dir : present_dirs()) TRY(add_processes(dir, all));
  return sorted_unique(std::move(all));
}

Result<bool> Group::populated() const {
  if (hierarchy_->mode() == Mode::v2 && path_ != "/") {
    auto text = read_group_file(dir_of(Controller::core), "cgroup.events");
    if (!text && is_gone(text.error())) return false;
    if (!text) return Fail(std::move(text).error().context(path_));
    TRY_ASSIGN(const auto events, GroupEvents::parse(*text));
    return events.populated;
  }
  TRY_ASSIGN(const auto pids, processes());
  return !pids.empty();
}

Result<> Group::attach(pid_t pid) const {
  const std::string text = fmt::format("{}", pid);
  for (std::size_t i = 0; i < dirs_.size(); ++i) {
    if (dirs_[i]) TRY(write_group_file(dirs_[i].get(), "cgroup.procs", text, mount_path(i, "cgroup.procs")));
  }
  return {};
}

Result<> Group::attach_calling_thread() const {
  for (std::size_t i = 0; i < dirs_.size(); ++i) {
    if (!dirs_[i] || hierarchy_->mounts()[i].version == Version::v2) continue;
    TRY(write_group_file(dirs_[i].get(), "tasks", "0", mount_path(i, "tasks")));
  }
  return {};
}

int Group::v2_dir() const {
  for (std::size_t i = 0; i < dirs_.size(); ++i)
    if (hierarchy_->mounts()[i].version == Version::v2) return dirs_[i].get();
  return -1;
}

std::vector<std::string> Group::join_files() const {
  std::vector<std::string> files;
  for (std::size_t i = 0; i < dirs_.size(); ++i) {
    if (dirs_[i]) files.push_back(mount_path(i, "cgroup.procs"));
  }
  return files;
}

Result<std::string> Group::read(Controller controller, const std::string& file) const {
  const int dir = dir_of(controller);
  if (dir < 0) return fail_errno(ENOENT, "{}", full_path(controller, file));
  auto text = read_group_file(dir, file);
  if (!text)
    return Fail(Error{text.error().code, text.error().sys_errno,
                      fmt::format("cannot read {}: {}", full_path(controller, file), text.error().message)});
  return text;
}

Result<std::string> Group::describe_processes() const {
  TRY_ASSIGN(const auto pids, processes());
  constexpr std::size_t kShown = 10;
  std::string text;
  for (std::size_t i = 0; i < pids.size() && i < kShown; ++i) {
    if (!text.empty()) text += ", ";
    text += pids[i] == 0 ? "one of another PID namespace" : fmt::format("{}", pids[i]);
  }
  if (pids.size() > kShown) text += fmt::format(" and {} more", pids.size() - kShown);
  return text.empty() ? "none" : text;
}

} // namespace keelson::cgroups
