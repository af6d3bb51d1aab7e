#include "cgroups/group_directory.hpp"

#include "base/file.hpp"
#include "base/text.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <thread>

namespace keelson::cgroups {
namespace {

// A group with a hundred thousand processes has a cgroup.procs of less than a megabyte.
constexpr std::size_t kMaxFile = std::size_t{16} << 20;
constexpr std::chrono::microseconds kLongestPause{20000};

struct CloseDir {
  void operator()(DIR* dir) const { closedir(dir); }
};

bool is_directory(int dir, const dirent& entry) {
  if (entry.d_type != DT_UNKNOWN) return entry.d_type == DT_DIR;
  struct stat info {};
  return fstatat(dir, entry.d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode);
}

} // namespace

bool is_gone(const Error& error) {
  return error.sys_errno == ENOENT || error.sys_errno == ENODEV;
}

Result<UniqueFd> open_group_directory(int dir, const std::string& path) {
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
  // EAGAIN: a rename or mount somewhere raced with the lookup (openat2(2)).
  for (int attempt = 0; attempt < 100; ++attempt) {
    const long fd = syscall(SYS_openat2, dir, path.c_str(), &how, sizeof how);
    if (fd >= 0) return UniqueFd(static_cast<int>(fd));
    if (errno != EAGAIN && errno != EINTR) break;
  }
  return fail_errno(errno, "cannot open cgroup directory {}", path);
}

Result<std::vector<std::string>> child_directories(int dir) {
  // A descriptor of its own: the position of a shared one would be moved by other threads.
  UniqueFd own(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!own) return fail_errno(errno, "cannot open cgroup directory");
  std::unique_ptr<DIR, CloseDir> stream(fdopendir(own.get()));
  if (!stream) return fail_errno(errno, "cannot list cgroup directory");
  (void)own.release();
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(stream.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != ".." && is_directory(dir, *entry)) names.emplace_back(name);
  }
  if (errno != 0) return fail_errno(errno, "cannot list cgroup directory");
  return names;
}

Result<std::string> read_group_file(int dir, const std::string& file) {
  return read_file_at(dir, file, kMaxFile);
}

Result<> write_group_file(int dir, const std::string& file, std::string_view value, std::string_view full_path) {
  const auto refused = [&](int error) {
    return fail_errno(error, "cannot write {} to {}", value.empty() ? "an empty line" : printable(value), full_path);
  };
  const UniqueFd fd(openat(dir, file.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return refused(errno);
  // The kernel never sees a write(2) of no bytes, so an empty value goes as an empty line.
  const std::string_view data = value.empty() ? "\n" : value;
  ssize_t written = 0;
  do {
    written = ::write(fd.get(), data.data(), data.size());
  } while (written < 0 && errno == EINTR);
  if (written < 0) return refused(errno);
  if (static_cast<std::size_t>(written) != data.size()) return refused(EIO);
  return {};
}

Result<> walk_bottom_up(int top, const WalkVisitor& visitor) {
  struct Level {
    std::string name;
    std::vector<std::string> children;
    std::size_t next = 0;
  };
  TRY_ASSIGN(UniqueFd current, open_group_directory(top, "."));
  TRY_ASSIGN(auto children, child_directories(current.get()));
  std::vector<Level> levels;
  levels.push_back({"", std::move(children)});
  while (!levels.empty()) {
    Level& level = levels.back();
    if (level.next < level.children.size()) {
      const std::string name = level.children[level.next++];
      auto child = open_group_directory(current.get(), name);
      auto below = child ? child_directories(child->get()) : Result<std::vector<std::string>>();
      if (!child || !below) {
        const Error& error = child ? below.error() : child.error();
        if (is_gone(error)) continue;
        return Fail(error);
      }
      current = std::move(*child);
      levels.push_back({name, std::move(*below)});
      continue;
    }
    if (visitor.inside) TRY(visitor.inside(current.get()));
    const std::string name = std::move(level.name);
    levels.pop_back();
    if (levels.empty()) break;
    UniqueFd parent(openat(current.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!parent) return fail_errno(errno, "cannot go up from cgroup directory {}", name);
    current = std::move(parent);
    if (visitor.left) TRY(visitor.left(current.get(), name));
  }
  return {};
}

bool Backoff::wait() {
  if (deadline_.passed()) return false;
  const auto left = std::chrono::duration_cast<std::chrono::microseconds>(
      std::min<std::chrono::milliseconds>(deadline_.remaining(), std::chrono::seconds(1)));
  std::this_thread::sleep_for(std::min(pause_, std::max(left, std::chrono::microseconds(100))));
  pause_ = std::min(pause_ * 2, kLongestPause);
  return true;
}

} // namespace keelson::cgroups
