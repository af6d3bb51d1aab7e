// Directories of cgroup file systems and the files in them, through descriptors. Internal to the library. Errors keep
// the errno; ENOENT and ENODEV both mean that the group is gone.
#pragma once

#include "base/error.hpp"
#include "base/time.hpp"
#include "base/unique_fd.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::cgroups {

bool is_gone(const Error& error);

// Never follows a symlink, never leaves `dir`, never crosses a mount.
Result<UniqueFd> open_group_directory(int dir, const std::string& path);
Result<std::vector<std::string>> child_directories(int dir); // names, in the directory's order

Result<std::string> read_group_file(int dir, const std::string& file);
// "cannot write 100000 50 to /sys/fs/cgroup/cpu/x/cpu.cfs_quota_us: Invalid argument"; `full_path` is for that message.
Result<> write_group_file(int dir, const std::string& file, std::string_view value, std::string_view full_path);

struct WalkVisitor {
  // In the directory, after all of its children.
  std::function<Result<>(int dir)> inside;
  // After leaving a child: the parent and the child's name. Not called for the top.
  std::function<Result<>(int parent, const std::string& name)> left;
};
// The top and every directory below it, bottom up, with two descriptors whatever the depth. Directories that vanish
// meanwhile are passed over.
Result<> walk_bottom_up(int top, const WalkVisitor& visitor);

// Growing pauses between looks at something that has no event, cut off at the deadline.
class Backoff {
 public:
  explicit Backoff(Deadline deadline)
      : deadline_(deadline) {}
  bool wait(); // false, at once, if the deadline has passed

 private:
  Deadline deadline_;
  std::chrono::microseconds pause_{200};
};

} // namespace keelson::cgroups
