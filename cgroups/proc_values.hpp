// Lines of /proc/<pid>/mountinfo and /proc/<pid>/cgroup, see proc(5) and cgroups(7). Pure: no system calls.
#pragma once

#include "base/error.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace keelson::cgroups {

// Octal escapes of the kernel (\040 for a space) are undone.
struct MountEntry {
  std::string root; // the directory of the file system that is mounted
  std::string mount_point;
  std::string fs_type;
  std::string mount_options; // of this mount: "rw,relatime"
  std::string super_options; // of the file system; on cgroup v1 they name the controllers
  static Result<MountEntry> parse(std::string_view line);
  bool operator==(const MountEntry&) const = default;
};
Result<std::vector<MountEntry>> parse_mountinfo(std::string_view text);

// "4:memory:/a/b" on v1, "9:name=systemd:/" for a named hierarchy, "0::/a/b" on v2.
struct MembershipEntry {
  int hierarchy_id = 0;
  std::string controllers; // as the kernel lists them; empty on v2
  std::string path;        // without the " (deleted)" that the kernel puts behind a removed group
  bool deleted = false;
  static Result<MembershipEntry> parse(std::string_view line);
  bool operator==(const MembershipEntry&) const = default;
};
Result<std::vector<MembershipEntry>> parse_membership(std::string_view text);

} // namespace keelson::cgroups
