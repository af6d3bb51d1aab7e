#include "cri/images/tree_removal.hpp"

#include "base/file.hpp"
#include "base/text.hpp"
#include "base/unique_fd.hpp"

#include <dirent.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>

namespace keelson::cri {

namespace {

constexpr int kMaxLevel = 64; // one descriptor each

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

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
    if (errno == EBUSY) return busy(name);
    if (errno != EISDIR && errno != EPERM) return fail_errno(errno, "remove {}", printable(name));
    UniqueFd child(::openat(at, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!child) return fail_errno(errno, "remove {}", printable(name));
    struct statx info {};
    if (::statx(child.get(), "", AT_EMPTY_PATH, 0, &info) != 0) return fail_errno(errno, "look at {}", printable(name));
    if ((info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0) return busy(name);
    if (level >= kMaxLevel) return move_up(at, name);
    TRY(empty(std::move(child), level + 1));
    if (::unlinkat(at, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return {};
    if (errno == EBUSY) return busy(name);
    return fail_errno(errno, "remove {}", printable(name));
  }

  static Fail busy(const std::string& name) {
    return fail(Code::failed_precondition, "remove {}: it is a mount point; unmount it first", printable(name));
  }

  Result<> move_up(int at, const std::string& name) {
    for (;;) {
      const std::string target = ".removed-" + std::to_string(next_++);
      if (::renameat2(at, name.c_str(), base_, target.c_str(), RENAME_NOREPLACE) == 0) break;
      if (errno != EEXIST) return fail_errno(errno, "move {} up", printable(name));
    }
    moved_ = true;
    return {};
  }

  int base_;
  unsigned long next_ = 0;
  bool moved_ = false;
};

} // namespace

Result<> remove_deep_tree(int dir, const std::string& name) {
  if (::unlinkat(dir, name.c_str(), 0) == 0 || errno == ENOENT) return {};
  if (errno != EISDIR && errno != EPERM) return fail_errno(errno, "remove {}", printable(name));
  TRY_ASSIGN(const auto base, open_at(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  for (bool again = true; again;) {
    TreeRemoval removal(base.get());
    TRY_ASSIGN(auto top, open_dir_at(base.get(), "."));
    TRY_CONTEXT(removal.empty(std::move(top), 0), "remove {}", printable(name));
    again = removal.moved();
  }
  if (::unlinkat(dir, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return {};
  return fail_errno(errno, "remove {}", printable(name));
}

} // namespace keelson::cri
