// Files and directories through descriptors and *at() calls. Every descriptor that leaves here is close-on-exec.
// Functions take a directory descriptor and a path relative to it; AT_FDCWD and absolute paths work too. All of them
// block, may be called from any thread, and name the path in their errors.
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"

#include <fcntl.h>
#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace keelson {

Result<UniqueFd> open_at(int dir, const std::string& path, int flags, mode_t mode = 0);
Result<UniqueFd> open_dir(const std::string& path); // O_PATH is not set: usable for fsync and readdir
Result<UniqueFd> open_dir_at(int dir, const std::string& path);

// openat2(2) with RESOLVE_IN_ROOT and RESOLVE_NO_MAGICLINKS: no path and no symlink leads out of root.
Result<UniqueFd> open_in_root(int root, const std::string& path, int flags, mode_t mode = 0);

// The whole content. resource_exhausted if it is longer than max_size; reads no more than that.
Result<std::string> read_file_at(int dir, const std::string& path, std::size_t max_size = std::size_t{1} << 20);
Result<std::string> read_file(const std::string& path, std::size_t max_size = std::size_t{1} << 20);
Result<std::string> read_all(int fd, std::size_t max_size);
Result<> write_all(int fd, std::string_view data);

// One write(2) into a file that exists, as files of procfs, sysfs and cgroupfs want it. The error names file and value.
Result<> write_kernel_file_at(int dir, const std::string& path, std::string_view value);
Result<> write_kernel_file(const std::string& path, std::string_view value);

enum class Durability {
  process_crash, // rename only: whole or absent after the death of the process
  power_loss,    // fsync of file and directory as well
};

// Writes a temporary file beside the target and renames it. The old content stays until the new one is complete; on an
// error the temporary file is removed.
Result<> write_file_atomic_at(int dir, const std::string& path, std::string_view data, mode_t mode = 0600,
                              Durability durability = Durability::process_crash);
Result<> write_file_atomic(const std::string& path, std::string_view data, mode_t mode = 0600,
                           Durability durability = Durability::process_crash);

Result<> make_dir_at(int dir, const std::string& path, mode_t mode); // succeeds if it is a directory already
Result<> make_dirs(const std::string& path, mode_t mode);            // with parents; mode for those it makes
Result<> remove_file_at(int dir, const std::string& path);           // succeeds if it is absent

// Removes a file or a whole directory; succeeds if it is absent. Follows no symlink, and refuses to cross a mount
// point: failed_precondition names it, and what lies below the mount is left untouched.
Result<> remove_tree_at(int dir, const std::string& path);
Result<> remove_tree(const std::string& path);

Result<std::vector<std::string>> list_dir_at(int dir, const std::string& path); // names without . and .., sorted
Result<std::vector<std::string>> list_dir(const std::string& path);

bool exists_at(int dir, const std::string& path); // does not follow a last symlink
bool exists(const std::string& path);

// An exclusive record lock (fcntl(2), F_SETLK) held as long as the object lives. already_exists if another process
// holds it; within one process it excludes nobody. Unlike flock(2) it ends with the process that took it: a child that
// a killed daemon was just starting does not keep the next daemon out. Open the file by no other way, closing it lets
// the lock go.
class LockFile {
 public:
  static Result<LockFile> acquire(const std::string& path);

 private:
  explicit LockFile(UniqueFd fd)
      : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

} // namespace keelson
