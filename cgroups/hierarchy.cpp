#include "cgroups/hierarchy.hpp"

#include "base/file.hpp"
#include "base/text.hpp"
#include "cgroups/proc_values.hpp"

#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>

namespace keelson::cgroups {
namespace {

constexpr std::size_t kMaxProcFile = std::size_t{16} << 20;

std::string name_in(std::string_view super_options) {
  constexpr std::string_view kKey = "name=";
  for (const std::string_view option : split(super_options, ',')) {
    if (option.starts_with(kKey)) return std::string(option.substr(kKey.size()));
  }
  return {};
}

// A mount can be hidden by a later one, as `ip netns exec` hides the cgroup mounts below /sys.
bool is_cgroup_directory(int dir, Version version) {
  struct statfs info {};
  if (fstatfs(dir, &info) != 0) return false;
  return info.f_type == (version == Version::v2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC);
}

bool same_hierarchy(const HierarchyMount& a, const HierarchyMount& b) {
  if (a.version != b.version) return false;
  return a.version == Version::v2 || (a.controllers == b.controllers && a.name == b.name);
}

struct OpenMount {
  HierarchyMount mount;
  UniqueFd fd;
};

Result<OpenMount> open_mount(const MountEntry& entry, const DetectOptions& options) {
  OpenMount found;
  HierarchyMount& mount = found.mount;
  mount.version = entry.fs_type == "cgroup2" ? Version::v2 : Version::v1;
  mount.mount_point = options.root + entry.mount_point;
  mount.root = entry.root;
  TRY_ASSIGN(found.fd, open_dir(mount.mount_point));
  if (options.root.empty() && !is_cgroup_directory(found.fd.get(), mount.version))
    return fail(Code::not_found, "{} is hidden by another mount", mount.mount_point);
  if (mount.version == Version::v1) {
    mount.controllers = controllers_in(entry.super_options, ',');
    mount.name = name_in(entry.super_options);
  } else {
    TRY_ASSIGN(const std::string list, read_file_at(found.fd.get(), "cgroup.controllers"));
    mount.controllers = controllers_in(list, ' ');
  }
  return found;
}

// The same hierarchy may be mounted at many places: one that shows its root is better than one that shows a part.
void keep_best(std::vector<OpenMount>& mounts, OpenMount candidate) {
  const auto same = std::find_if(mounts.begin(), mounts.end(),
                                 [&](const OpenMount& other) { return same_hierarchy(other.mount, candidate.mount); });
  if (same == mounts.end()) return mounts.push_back(std::move(candidate));
  if (same->mount.root != "/" && candidate.mount.root == "/") *same = std::move(candidate);
}

bool has_v1_controllers(const std::vector<OpenMount>& mounts) {
  return std::any_of(mounts.begin(), mounts.end(), [](const OpenMount& other) {
    return other.mount.version == Version::v1 && !other.mount.controllers.empty();
  });
}

std::string list_on(const std::vector<HierarchyMount>& mounts, Version version) {
  std::vector<std::string> tokens;
  for (const HierarchyMount& mount : mounts) {
    if (mount.version != version) continue;
    for (const Controller controller : mount.controllers) tokens.emplace_back(token_of(controller, version));
  }
  return tokens.empty() ? "nothing" : join(tokens, ", ");
}

std::vector<std::string_view> components(std::string_view path) {
  std::vector<std::string_view> parts;
  for (const std::string_view part : split(path, '/')) {
    if (!part.empty() && part != ".") parts.push_back(part);
  }
  return parts;
}

bool is_member_of(const MembershipEntry& entry, const HierarchyMount& mount) {
  if (mount.version == Version::v2) return entry.hierarchy_id == 0 && entry.controllers.empty();
  if (entry.controllers.empty()) return false;
  if (!mount.name.empty() && mount.controllers.empty()) return entry.controllers == "name=" + mount.name;
  const auto listed = controllers_in(entry.controllers, ',');
  return !listed.empty() && mount.has(listed.front());
}

} // namespace

bool HierarchyMount::has(Controller controller) const {
  return std::find(controllers.begin(), controllers.end(), controller) != controllers.end();
}

Result<Hierarchy> Hierarchy::detect(const DetectOptions& options) {
  TRY_ASSIGN(const std::string text, read_file_at(AT_FDCWD, options.root + options.mountinfo, kMaxProcFile));
  TRY_ASSIGN(const auto entries, parse_mountinfo(text));
  std::vector<OpenMount> found;
  for (const MountEntry& entry : entries) {
    if (entry.fs_type != "cgroup" && entry.fs_type != "cgroup2") continue;
    auto mount = open_mount(entry, options);
    if (mount) keep_best(found, std::move(*mount));
  }
  if (found.empty()) return fail(Code::not_found, "no cgroup file system is mounted: mount cgroup2 at /sys/fs/cgroup");

  Hierarchy hierarchy;
  hierarchy.proc_ = options.root + "/proc";
  const bool v1 = has_v1_controllers(found);
  bool v2 = false;
  for (OpenMount& open : found) {
    const bool unified = open.mount.version == Version::v2;
    v2 = v2 || unified;
    // Beside a complete v2, name=systemd on v1 is of no use.
    if (!unified && !v1 && found.size() > 1) continue;
    for (const Controller controller : open.mount.controllers) hierarchy.layout_.set(controller, open.mount.version);
    if (unified) hierarchy.layout_.set(Controller::core, Version::v2);
    hierarchy.mounts_.push_back(std::move(open.mount));
    hierarchy.fds_.push_back(std::move(open.fd));
  }
  hierarchy.mode_ = !v2 ? Mode::v1 : (v1 ? Mode::hybrid : Mode::v2);
  return hierarchy;
}

std::optional<std::size_t> Hierarchy::mount_of(Controller controller) const {
  for (std::size_t i = 0; i < mounts_.size(); ++i) {
    const bool unified = controller == Controller::core && mounts_[i].version == Version::v2;
    if (unified || mounts_[i].has(controller)) return i;
  }
  return std::nullopt;
}

std::string Hierarchy::describe() const {
  if (mode_ != Mode::hybrid)
    return fmt::format("{}: {}", to_string(mode_), list_on(mounts_, mode_ == Mode::v2 ? Version::v2 : Version::v1));
  return fmt::format("hybrid: {} on v1; {} on v2", list_on(mounts_, Version::v1), list_on(mounts_, Version::v2));
}

Result<std::string> Hierarchy::group_of(pid_t pid, std::size_t mount) const {
  TRY_ASSIGN(const std::string text, read_file_at(AT_FDCWD, fmt::format("{}/{}/cgroup", proc_, pid), kMaxProcFile));
  TRY_ASSIGN(const auto entries, parse_membership(text));
  for (const MembershipEntry& entry : entries) {
    if (is_member_of(entry, mounts_[mount])) return path_below_mount(mounts_[mount].root, entry.path);
  }
  return fail(Code::not_found, "process {} is in no group of {}", pid, mounts_[mount].mount_point);
}

Result<std::string> path_below_mount(std::string_view mount_root, std::string_view group) {
  const auto above = components(mount_root);
  const auto full = components(group);
  const bool inside = full.size() >= above.size() && std::equal(above.begin(), above.end(), full.begin());
  const auto rest = inside ? full.begin() + static_cast<std::ptrdiff_t>(above.size()) : full.begin();
  if (!inside || std::find(rest, full.end(), "..") != full.end())
    return fail(Code::failed_precondition, "the cgroup {} is outside of the mounted {}", printable(group),
                printable(mount_root));
  std::string path;
  for (auto part = rest; part != full.end(); ++part) path.append("/").append(*part);
  return path.empty() ? "/" : path;
}

} // namespace keelson::cgroups
