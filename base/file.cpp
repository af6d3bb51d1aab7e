#include "base/file.hpp"

#include "base/random.hpp"
#include "base/text.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <memory>

namespace keelson {

namespace {

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

Result<std::unique_ptr<DIR, CloseDir>> read_dir(UniqueFd fd, const std::string& path) {
  DIR* dir = ::fdopendir(fd.get());
  if (dir == nullptr) return fail_errno(errno, "read directory {}", path);
  static_cast<void>(fd.release());
  return std::unique_ptr<DIR, CloseDir>(dir);
}

bool is_dot(const char* name) {
  return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<> sync_parent(int dir, const std::string& path) {
  TRY_ASSIGN(const UniqueFd parent, open_dir_at(dir, parent_of(path)));
  if (::fsync(parent.get()) != 0) return fail_errno(errno, "sync directory {}", parent_of(path));
  return {};
}

Result<> write_temporary(int dir, const std::string& temporary, std::string_view data, mode_t mode, bool sync) {
  TRY_ASSIGN(const UniqueFd fd, open_at(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode));
  // The mode is the caller's choice, not the umask's.
  if (::fchmod(fd.get(), mode) != 0) return fail_errno(errno, "set mode of {}", temporary);
  TRY_CONTEXT(write_all(fd.get(), data), "{}", temporary);
  if (sync && ::fsync(fd.get()) != 0) return fail_errno(errno, "sync {}", temporary);
  return {};
}

} // namespace

Result<UniqueFd> open_at(int dir, const std::string& path, int flags, mode_t mode) {
  for (;;) {
    UniqueFd fd(::openat(dir, path.c_str(), flags | O_CLOEXEC, mode));
    if (fd) return fd;
    if (errno != EINTR) return fail_errno(errno, "open {}", path);
  }
}

Result<UniqueFd> open_dir_at(int dir, const std::string& path) {
  return open_at(dir, path, O_RDONLY | O_DIRECTORY);
}
Result<UniqueFd> open_dir(const std::string& path) {
  return open_dir_at(AT_FDCWD, path);
}

Result<UniqueFd> open_in_root(int root, const std::string& path, int flags, mode_t mode) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  how.mode = (flags & O_CREAT) != 0 ? mode : 0;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  // EAGAIN: something was renamed during the walk and ".." could not be proven to stay below root.
  for (int attempt = 0; attempt < 128; ++attempt) {
    UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how)));
    if (fd) return fd;
    if (errno != EINTR && errno != EAGAIN) return fail_errno(errno, "open {} in its root", printable(path));
  }
  return fail_errno(EAGAIN, "open {} in its root", printable(path));
}

Result<std::string> read_all(int fd, std::size_t max_size) {
  std::string data;
  char buffer[16384];
  for (;;) {
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, "read");
    if (got == 0) return data;
    if (data.size() + static_cast<std::size_t>(got) > max_size)
      return fail(Code::resource_exhausted, "longer than {} bytes", max_size);
    data.append(buffer, static_cast<std::size_t>(got));
  }
}

Result<std::string> read_file_at(int dir, const std::string& path, std::size_t max_size) {
  TRY_ASSIGN(const UniqueFd fd, open_at(dir, path, O_RDONLY));
  auto data = read_all(fd.get(), max_size);
  if (!data) return Fail(std::move(data).error().context(path));
  return data;
}

Result<std::string> read_file(const std::string& path, std::size_t max_size) {
  return read_file_at(AT_FDCWD, path, max_size);
}

Result<> write_all(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t put = ::write(fd, data.data(), data.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail_errno(errno, "write");
    data.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

Result<> write_kernel_file_at(int dir, const std::string& path, std::string_view value) {
  TRY_ASSIGN(const UniqueFd fd, open_at(dir, path, O_WRONLY));
  for (;;) {
    const ssize_t put = ::write(fd.get(), value.data(), value.size());
    if (put >= 0) return {};
    if (errno != EINTR) return fail_errno(errno, "write \"{}\" to {}", printable(value), path);
  }
}

Result<> write_kernel_file(const std::string& path, std::string_view value) {
  return write_kernel_file_at(AT_FDCWD, path, value);
}

Result<> write_file_atomic_at(int dir, const std::string& path, std::string_view data, mode_t mode,
                              Durability durability) {
  const std::string temporary = path + ".tmp-" + random_hex(6);
  const bool sync = durability == Durability::power_loss;
  if (auto written = write_temporary(dir, temporary, data, mode, sync); !written) {
    ::unlinkat(dir, temporary.c_str(), 0);
    return written;
  }
  if (::renameat(dir, temporary.c_str(), dir, path.c_str()) != 0) {
    const int rename_errno = errno;
    ::unlinkat(dir, temporary.c_str(), 0);
    return fail_errno(rename_errno, "rename {} to {}", temporary, path);
  }
  return sync ? sync_parent(dir, path) : Result<>{};
}

Result<> write_file_atomic(const std::string& path, std::string_view data, mode_t mode, Durability durability) {
  return write_file_atomic_at(AT_FDCWD, path, data, mode, durability);
}

Result<> make_dir_at(int dir, const std::string& path, mode_t mode) {
  if (::mkdirat(dir, path.c_str(), mode) == 0) {
    if (::fchmodat(dir, path.c_str(), mode, 0) != 0) return fail_errno(errno, "set mode of {}", path);
    return {};
  }
  if (errno != EEXIST) return fail_errno(errno, "create directory {}", path);
  struct stat info {};
  if (::fstatat(dir, path.c_str(), &info, 0) != 0) return fail_errno(errno, "stat {}", path);
  if (!S_ISDIR(info.st_mode)) return fail_errno(ENOTDIR, "create directory {}", path);
  return {};
}

Result<> make_dirs(const std::string& path, mode_t mode) {
  for (std::size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1))
    TRY(make_dir_at(AT_FDCWD, path.substr(0, at), mode));
  return make_dir_at(AT_FDCWD, path, mode);
}

Result<> remove_file_at(int dir, const std::string& path) {
  if (::unlinkat(dir, path.c_str(), 0) != 0 && errno != ENOENT) return fail_errno(errno, "remove {}", path);
  return {};
}

Result<std::vector<std::string>> list_dir_at(int dir, const std::string& path) {
  TRY_ASSIGN(UniqueFd fd, open_dir_at(dir, path));
  TRY_ASSIGN(const auto entries, read_dir(std::move(fd), path));
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(entries.get());
    if (entry == nullptr) break;
    if (!is_dot(entry->d_name)) names.emplace_back(entry->d_name);
  }
  if (errno != 0) return fail_errno(errno, "read directory {}", path);
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::vector<std::string>> list_dir(const std::string& path) {
  return list_dir_at(AT_FDCWD, path);
}

bool exists_at(int dir, const std::string& path) {
  struct stat info {};
  return ::fstatat(dir, path.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
}

bool exists(const std::string& path) {
  return exists_at(AT_FDCWD, path);
}

Result<LockFile> LockFile::acquire(const std::string& path) {
  TRY_ASSIGN(UniqueFd fd, open_at(AT_FDCWD, path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  struct flock whole = {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  if (::fcntl(fd.get(), F_SETLK, &whole) != 0) {
    if (errno == EACCES || errno == EAGAIN) return fail(Code::already_exists, "{} is locked by another process", path);
    return fail_errno(errno, "lock {}", path);
  }
  return LockFile(std::move(fd));
}

} // namespace keelson
