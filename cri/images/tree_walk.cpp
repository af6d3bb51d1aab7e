#include "cri/images/tree_walk.hpp"

#include "base/file.hpp"
#include "base/text.hpp"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::cri {

namespace {

constexpr int kMaxCopyDepth = 256;
constexpr int kDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

// A directory on the way down: what is still to visit in it, and what it is, to find back to it by "..".
struct Level {
  std::vector<std::string> directories;
  dev_t device = 0;
  ino_t inode = 0;
};

// Counts a directory's entries and lists its subdirectories.
Result<Level> read_level(int directory, TreeUsage& usage) {
  Level level;
  struct stat own {};
  if (::fstat(directory, &own) != 0) return fail_errno(errno, "look at a directory");
  level.device = own.st_dev;
  level.inode = own.st_ino;
  UniqueFd copy(::openat(directory, ".", kDirectory));
  std::unique_ptr<DIR, CloseDirectory> entries(copy ? ::fdopendir(copy.get()) : nullptr);
  if (!entries) return fail_errno(errno, "read a directory");
  (void)copy.release();
  while (const dirent* entry = ::readdir(entries.get())) {
    const std::string_view name = entry->d_name;
    struct stat info {};
    if (name == "." || name == ".." || ::fstatat(directory, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    usage.bytes += static_cast<std::uint64_t>(info.st_blocks) * 512;
    ++usage.inodes;
    if (S_ISDIR(info.st_mode) && info.st_dev == own.st_dev) level.directories.emplace_back(name);
  }
  return level;
}

class TreeCopy {
 public:
  explicit TreeCopy(std::uint64_t max_bytes)
      : left_(max_bytes) {}

  Result<> directory(int source, int target, int depth) {
    if (depth > kMaxCopyDepth) return fail(Code::resource_exhausted, "deeper than {} levels", kMaxCopyDepth);
    TRY_ASSIGN(const auto names, list_dir_at(source, "."));
    for (const auto& name : names) TRY(entry(source, target, name, depth));
    return metadata(source, target);
  }

 private:
  Result<> entry(int source, int target, const std::string& name, int depth) {
    struct stat info {};
    if (::fstatat(source, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
      return fail_errno(errno, "look at {}", printable(name));
    if (S_ISDIR(info.st_mode)) {
      TRY_ASSIGN(const auto from, open_at(source, name, kDirectory));
      if (::mkdirat(target, name.c_str(), 0700) != 0) return fail_errno(errno, "make {}", printable(name));
      TRY_ASSIGN(const auto to, open_at(target, name, kDirectory));
      return directory(from.get(), to.get(), depth + 1);
    }
    if (S_ISREG(info.st_mode)) return file(source, target, name);
    if (S_ISLNK(info.st_mode)) {
      TRY(link(source, target, name));
    } else if (S_ISSOCK(info.st_mode)) {
      return {};
    } else if (::mknodat(target, name.c_str(), info.st_mode, info.st_rdev) != 0) {
      return fail_errno(errno, "make {}", printable(name));
    }
    if (::fchownat(target, name.c_str(), info.st_uid, info.st_gid, AT_SYMLINK_NOFOLLOW) != 0)
      return fail_errno(errno, "set the owner of {}", printable(name));
    return {};
  }

  static Result<> link(int source, int target, const std::string& name) {
    std::string text(4096, '\0');
    const ssize_t size = ::readlinkat(source, name.c_str(), text.data(), text.size());
    if (size < 0) return fail_errno(errno, "read link {}", printable(name));
    text.resize(static_cast<std::size_t>(size));
    if (::symlinkat(text.c_str(), target, name.c_str()) != 0) return fail_errno(errno, "make {}", printable(name));
    return {};
  }

  Result<> file(int source, int target, const std::string& name) {
    TRY_ASSIGN(const auto from, open_at(source, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
    struct stat info {};
    if (::fstat(from.get(), &info) != 0 || !S_ISREG(info.st_mode))
      return fail(Code::aborted, "{} was replaced during the copy", printable(name));
    const auto size = static_cast<std::uint64_t>(info.st_size);
    if (size > left_) return fail(Code::resource_exhausted, "the content of the volume is too large to copy");
    left_ -= size;
    TRY_ASSIGN(const auto to, open_at(target, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
    for (std::uint64_t done = 0; done < size;) {
      const ssize_t copied = ::copy_file_range(from.get(), nullptr, to.get(), nullptr, size - done, 0);
      if (copied < 0 && errno == EINTR) continue;
      if (copied < 0 && (errno == EXDEV || errno == EOPNOTSUPP || errno == EINVAL)) return plain_copy(from, to, name);
      if (copied < 0) return fail_errno(errno, "copy {}", printable(name));
      if (copied == 0) break;
      done += static_cast<std::uint64_t>(copied);
    }
    return metadata(from.get(), to.get());
  }

  static Result<> plain_copy(const UniqueFd& from, const UniqueFd& to, const std::string& name) {
    std::string buffer(std::size_t{1} << 20, '\0');
    if (::lseek(from.get(), 0, SEEK_SET) < 0 || ::lseek(to.get(), 0, SEEK_SET) < 0)
      return fail_errno(errno, "copy {}", printable(name));
    for (;;) {
      const ssize_t got = ::read(from.get(), buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return fail_errno(errno, "copy {}", printable(name));
      if (got == 0) return metadata(from.get(), to.get());
      TRY_CONTEXT(write_all(to.get(), std::string_view(buffer.data(), static_cast<std::size_t>(got))), "copy {}",
                  printable(name));
    }
  }

  static Result<> metadata(int source, int target) {
    struct stat info {};
    if (::fstat(source, &info) != 0 || ::fchown(target, info.st_uid, info.st_gid) != 0 ||
        ::fchmod(target, info.st_mode & 07777) != 0)
      return fail_errno(errno, "copy owner and mode");
    std::string names(65536, '\0');
    const ssize_t size = ::flistxattr(source, names.data(), names.size());
    names.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    for (const std::string_view name : split(names, '\0')) {
      if (name.substr(0, 5) != "user." && name != "security.capability") continue;
      std::string value(65536, '\0');
      const ssize_t got = ::fgetxattr(source, std::string(name).c_str(), value.data(), value.size());
      if (got >= 0)
        (void)::fsetxattr(target, std::string(name).c_str(), value.data(), static_cast<std::size_t>(got), 0);
    }
    const std::array<timespec, 2> times{info.st_atim, info.st_mtim};
    if (::futimens(target, times.data()) != 0) return fail_errno(errno, "copy times");
    return {};
  }

  std::uint64_t left_;
};

} // namespace

Result<TreeUsage> measure_tree(int directory) {
  TreeUsage usage;
  TRY_ASSIGN(UniqueFd at, open_at(directory, ".", kDirectory));
  std::vector<Level> levels;
  TRY_ASSIGN(auto top, read_level(at.get(), usage));
  levels.push_back(std::move(top));
  while (!levels.empty()) {
    auto& directories = levels.back().directories;
    if (!directories.empty()) {
      const std::string name = std::move(directories.back());
      directories.pop_back();
      UniqueFd child(::openat(at.get(), name.c_str(), kDirectory));
      if (!child) continue; // removed meanwhile
      auto level = read_level(child.get(), usage);
      if (!level) continue;
      levels.push_back(std::move(*level));
      at = std::move(child);
      continue;
    }
    levels.pop_back();
    if (levels.empty()) break;
    UniqueFd parent(::openat(at.get(), "..", kDirectory));
    struct stat info {};
    const bool found = parent && ::fstat(parent.get(), &info) == 0 && info.st_dev == levels.back().device &&
                       info.st_ino == levels.back().inode;
    if (!found) break; // the directory was moved during the walk: what was counted so far is the answer
    at = std::move(parent);
  }
  return usage;
}

Result<> copy_tree(int source, int target, std::uint64_t max_bytes) {
  return TreeCopy(max_bytes).directory(source, target, 0);
}

} // namespace keelson::cri
