// Removal of trees of any depth, such as hostile programs make, with a bounded number of descriptors: what lies too
// deep is first renamed upwards.
#include "base/file.hpp"
#include "base/text.hpp"
#include "base/unique_fd.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

namespace keelson {

namespace {

constexpr int kMaxLevel = 64; // one descriptor each

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

// Where an entry is, for a message; keeps errno.
std::string place(int at, const std::string& name) {
  const int reason = errno;
  char directory[4096];
  const ssize_t size = ::readlink(fmt::format("/proc/self/fd/{}", at).c_str(), directory, sizeof directory);
  errno = reason;
  return printable(size > 0 ? std::string(directory, static_cast<std::size_t>(size)) + "/" + name : name);
}

Fail busy(const std::string& path) {
  return fail(Code::failed_precondition, "remove {}: it is a mount point; unmount it first", path);
}

// A mount point is somebody else's data: statx tells it from a plain directory (Linux 5.8).
Result<bool> is_mount_point(int fd, const std::string& name) {
  struct statx info {};
  if (::statx(fd, "", AT_EMPTY_PATH, 0, &info) != 0) return fail_errno(errno, "look at {}", printable(name));
  return (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

class TreeRemoval {
 public:
  // base: the open directory that too deep trees are moved into.
  explicit TreeRemoval(int base)
      : base_(base) {}

  Result<> empty(UniqueFd directory, int level) {
    const int fd = directory.get();
    Directory entries(::fdopendir(fd));
    if (!entries) return fail_errno(errno, "read a directory");
    (void)directory.release();
    for (;;) {
      errno = 0;
      const dirent* entry = ::readdir(entries.get());
      if (entry == nullptr) break;
      const std::string name = entry->d_name;
      if (name == "." || name == "..") continue;
      TRY(remove(fd, name, level));
    }
    if (errno != 0) return fail_errno(errno, "read a directory");
    return {};
  }

  bool moved() const { return moved_; }

 private:
  Result<> remove(int at, const std::string& name, int level) {
    if (::unlinkat(at, name.c_str(), 0) == 0 || errno == ENOENT) return {};
    if (errno == EBUSY) return busy(place(at, name));
    if (errno != EISDIR && errno != EPERM) return fail_errno(errno, "remove {}", place(at, name));
    UniqueFd child(::openat(at, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!child) return fail_errno(errno, "remove {}", place(at, name));
    TRY_ASSIGN(const bool mounted, is_mount_point(child.get(), name));
    if (mounted) return busy(place(at, name));
    if (level >= kMaxLevel) return move_up(at, name);
    TRY(empty(std::move(child), level + 1));
    if (::unlinkat(at, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return {};
    if (errno == EBUSY) return busy(place(at, name));
    return fail_errno(errno, "remove {}", place(at, name));
  }

  Result<> move_up(int at, const std::string& name) {
    for (;;) {
      const std::string target = ".removed-" + std::to_string(next_++);
      if (::renameat2(at, name.c_str(), base_, target.c_str(), RENAME_NOREPLACE) == 0) break;
      if (errno != EEXIST) return fail_errno(errno, "move {} up", place(at, name));
    }
    moved_ = true;
    return {};
  }

  int base_;
  unsigned long next_ = 0;
  bool moved_ = false;
};

} // namespace

Result<> remove_tree_at(int dir, const std::string& path) {
  if (::unlinkat(dir, path.c_str(), 0) == 0 || errno == ENOENT) return {};
  if (errno == EBUSY) return busy(printable(path));
  if (errno != EISDIR && errno != EPERM) return fail_errno(errno, "remove {}", printable(path));
  TRY_ASSIGN(const auto base, open_at(dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  TRY_ASSIGN(const bool mounted, is_mount_point(base.get(), path));
  if (mounted) return busy(printable(path));
  for (bool again = true; again;) {
    TreeRemoval removal(base.get());
    TRY_ASSIGN(auto top, open_dir_at(base.get(), "."));
    TRY(removal.empty(std::move(top), 0));
    again = removal.moved();
  }
  if (::unlinkat(dir, path.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return {};
  return fail_errno(errno, "remove {}", printable(path));
}

Result<> remove_tree(const std::string& path) {
  return remove_tree_at(AT_FDCWD, path);
}

} // namespace keelson
