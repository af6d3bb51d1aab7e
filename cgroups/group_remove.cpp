// Removing a group and all below it, in every hierarchy.
#include "base/text.hpp"
#include "cgroups/group.hpp"
#include "cgroups/group_directory.hpp"
#include "cgroups/group_name.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace keelson::cgroups {
namespace {

bool is_worth_retry(const Error& error) {
  // EBUSY: processes, or a new child. ENOTEMPTY: the same on file systems that only look like cgroupfs.
  return error.sys_errno == EBUSY || error.sys_errno == ENOTEMPTY;
}

Result<> remove_directory(int parent, const std::string& name) {
  if (unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return {};
  return fail_errno(errno, "cannot remove cgroup {}", name);
}

// One attempt. Goes on after a busy child, so that one process does not keep a whole tree.
Result<> remove_tree_once(int mount, const GroupName& name) {
  auto parent = open_group_directory(mount, name.parent().is_root() ? "." : join(name.parent().parts(), "/"));
  if (!parent && is_gone(parent.error())) return {};
  if (!parent) return Fail(std::move(parent).error());
  auto top = open_group_directory(parent->get(), name.parts().back());
  if (!top && is_gone(top.error())) return {};
  if (!top) return Fail(std::move(top).error());
  WalkVisitor visitor;
  visitor.left = [](int above, const std::string& child) -> Result<> {
    auto removed = remove_directory(above, child);
    if (!removed && !is_worth_retry(removed.error())) return removed;
    return {};
  };
  auto walked = walk_bottom_up(top->get(), visitor);
  if (!walked && !is_gone(walked.error())) return walked;
  return remove_directory(parent->get(), name.parts().back());
}

} // namespace

Result<> Group::remove(const Hierarchy& hierarchy, const std::string& path, Deadline deadline) {
  TRY_ASSIGN(const GroupName name, GroupName::parse(path));
  if (name.is_root()) return fail(Code::invalid_argument, "the root cgroup cannot be removed");
  Backoff backoff(deadline);
  for (;;) {
    std::string busy;
    for (std::size_t i = 0; i < hierarchy.mounts().size(); ++i) {
      auto removed = remove_tree_once(hierarchy.mount_fd(i), name);
      if (removed) continue;
      const std::string full = hierarchy.mounts()[i].mount_point + name.cgroupfs_path();
      if (!is_worth_retry(removed.error())) return Fail(std::move(removed).error().context(full));
      busy = full;
    }
    if (busy.empty()) return {};
    if (backoff.wait()) continue;
    std::string remaining = "unknown";
    if (auto group = open(hierarchy, path)) remaining = group->describe_processes().value_or(remaining);
    return Fail(Error{Code::deadline_exceeded, EBUSY,
                      fmt::format("cannot remove cgroup {}: still in it: {}", busy, remaining)});
  }
}

} // namespace keelson::cgroups
