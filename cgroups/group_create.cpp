// Making a group with its parents in every hierarchy.
#include "base/text.hpp"
#include "cgroups/group.hpp"
#include "cgroups/group_directory.hpp"
#include "cgroups/group_name.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace keelson::cgroups {
namespace {

constexpr std::array kEnabled = {Controller::cpu,    Controller::cpuset,  Controller::io,
                                 Controller::memory, Controller::hugetlb, Controller::pids};

bool contains(const std::vector<Controller>& list, Controller controller) {
  return std::find(list.begin(), list.end(), controller) != list.end();
}

// One descent in one hierarchy. Directories that it made are removed again unless it is kept.
class Descent {
 public:
  Descent(const HierarchyMount& mount, UniqueFd top)
      : mount_(mount)
      , path_(mount.mount_point)
      , current_(std::move(top)) {}
  Descent(Descent&&) = default;
  Descent& operator=(Descent&&) = delete;
  ~Descent() {
    for (auto made = made_.rbegin(); made != made_.rend(); ++made)
      (void)unlinkat(made->first.get(), made->second.c_str(), AT_REMOVEDIR);
  }

  Result<> down(const std::string& name) {
    if (mount_.version == Version::v2) TRY(enable_controllers());
    if (mkdirat(current_.get(), name.c_str(), 0755) == 0) {
      made_.emplace_back(UniqueFd(fcntl(current_.get(), F_DUPFD_CLOEXEC, 3)), name);
    } else if (errno != EEXIST) {
      return fail_errno(errno, "cannot create cgroup {}/{}", path_, printable(name));
    }
    auto child = open_group_directory(current_.get(), name);
    if (!child) return Fail(std::move(child).error().context(path_));
    path_ += "/" + name;
    if (mount_.has(Controller::cpuset) && mount_.version == Version::v1) {
      TRY(inherit(child->get(), "cpuset.cpus"));
      TRY(inherit(child->get(), "cpuset.mems"));
    }
    current_ = std::move(*child);
    return {};
  }

  UniqueFd keep() {
    made_.clear();
    return std::move(current_);
  }

 private:
  // A new cpuset of v1 is empty and takes no process. Checked at every level, made here or not: another creator may not
  // have come to it yet.
  Result<> inherit(int child, const std::string& file) {
    auto own = read_group_file(child, file);
    if (!own && own.error().sys_errno == ENOENT) return {};
    if (!own) return Fail(std::move(own).error().context(path_));
    if (!trim(*own).empty()) return {};
    auto parent = read_group_file(current_.get(), file);
    if (!parent) return Fail(std::move(parent).error().context(path_));
    return write_group_file(child, file, trim(*parent), path_ + "/" + file);
  }

  Result<> enable_controllers() {
    TRY_ASSIGN(const std::string offered_text, read_group_file(current_.get(), "cgroup.controllers"));
    TRY_ASSIGN(const std::string enabled_text, read_group_file(current_.get(), "cgroup.subtree_control"));
    const auto offered = controllers_in(offered_text, ' ');
    const auto enabled = controllers_in(enabled_text, ' ');
    std::vector<std::string> missing;
    for (const Controller controller : kEnabled) {
      if (contains(offered, controller) && !contains(enabled, controller))
        missing.push_back(fmt::format("+{}", token_of(controller, Version::v2)));
    }
    if (missing.empty()) return {};
    const std::string file = path_ + "/cgroup.subtree_control";
    auto written = write_group_file(current_.get(), "cgroup.subtree_control", join(missing, " "), file);
    if (!written && written.error().sys_errno == EBUSY)
      written.error().message += " (the group has processes of its own; move them into a child group)";
    return written;
  }

  const HierarchyMount& mount_;
  std::string path_;
  UniqueFd current_;
  std::vector<std::pair<UniqueFd, std::string>> made_;
};

} // namespace

Result<Group> Group::create(const Hierarchy& hierarchy, const std::string& path) {
  TRY_ASSIGN(const GroupName name, GroupName::parse(path));
  std::vector<Descent> descents;
  descents.reserve(hierarchy.mounts().size());
  for (std::size_t i = 0; i < hierarchy.mounts().size(); ++i) {
    TRY_ASSIGN(UniqueFd top, open_group_directory(hierarchy.mount_fd(i), "."));
    descents.emplace_back(hierarchy.mounts()[i], std::move(top));
    for (const std::string& part : name.parts()) TRY(descents.back().down(part));
  }
  Group group(hierarchy, name.cgroupfs_path());
  for (Descent& descent : descents) group.dirs_.push_back(descent.keep());
  return group;
}

} // namespace keelson::cgroups
