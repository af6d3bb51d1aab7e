#include "base/file.hpp"
#include "base/text.hpp"
#include "daemon/pods/pod_volumes.hpp"

#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace keelson::daemon {

namespace {

constexpr mode_t kMadeDirectory = 0750;
constexpr int kMaxRaces = 100;

// base/ offers RESOLVE_IN_ROOT, which would lead a hostile symlink back into the volume; here it has to be an error.
Result<UniqueFd> open_beneath(int dir, const std::string& path, int flags) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  for (int tries = 0;; ++tries) {
    const long fd = ::syscall(SYS_openat2, dir, path.c_str(), &how, sizeof how);
    if (fd >= 0) return UniqueFd(static_cast<int>(fd));
    // EAGAIN: a rename raced with the walk.
    if ((errno == EAGAIN || errno == EINTR) && tries < kMaxRaces) continue;
    return fail_errno(errno, "open \"{}\" below its volume", printable(path));
  }
}

// Makes the directories that are missing, one by one, each below the one that was opened before.
Result<UniqueFd> make_beneath(const UniqueFd& base, const std::string& path) {
  struct stat status {};
  if (::fstat(base.get(), &status) != 0) return fail_errno(errno, "stat the volume");
  TRY_ASSIGN(UniqueFd at, open_beneath(base.get(), ".", O_PATH | O_DIRECTORY));
  std::string walked;
  for (const std::string_view part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    walked += (walked.empty() ? "" : "/") + std::string(part);
    if (auto next = open_beneath(base.get(), walked, O_PATH)) {
      at = std::move(*next);
      continue;
    } else if (next.error().sys_errno != ENOENT) {
      return next;
    }
    const std::string name(part);
    if (::mkdirat(at.get(), name.c_str(), kMadeDirectory) == 0) {
      TRY_ASSIGN(at, open_beneath(at.get(), name, O_PATH | O_NOFOLLOW | O_DIRECTORY));
      // As the volume itself: a container that may write to the volume may write here.
      const std::string self = fmt::format("/proc/self/fd/{}", at.get());
      if (::chmod(self.c_str(), (status.st_mode & 07777) | kMadeDirectory) != 0 ||
          ::chown(self.c_str(), static_cast<uid_t>(-1), status.st_gid) != 0)
        return fail_errno(errno, "set mode and group of subPath {}", printable(walked));
      continue;
    }
    if (errno != EEXIST) return fail_errno(errno, "make directory {} of subPath {}", printable(name), printable(path));
    TRY_ASSIGN(at, open_beneath(base.get(), walked, O_PATH));
  }
  return at;
}

Result<> prepare_target(const std::string& target, bool is_directory) {
  while (::umount2(target.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
  }
  if (errno != EINVAL && errno != ENOENT) return fail_errno(errno, "unmount {}", target);
  TRY(remove_tree(target));
  TRY(make_dirs(target.substr(0, target.rfind('/')), 0700));
  if (is_directory) return make_dir_at(AT_FDCWD, target, 0700);
  TRY(open_at(AT_FDCWD, target, O_WRONLY | O_CREAT | O_EXCL, 0600));
  return {};
}

} // namespace

Result<> bind_sub_path(const std::string& base, const std::string& path, const std::string& target) {
  for (const std::string_view part : split(path, '/'))
    if (part == "..") return fail(Code::invalid_argument, "subPath \"{}\" must not contain ..", printable(path));
  if (!path.empty() && path.front() == '/')
    return fail(Code::invalid_argument, "subPath \"{}\" must be relative", printable(path));
  TRY_ASSIGN(const UniqueFd root, open_at(AT_FDCWD, base, O_PATH));
  auto opened = open_beneath(root.get(), path, O_PATH);
  if (!opened && opened.error().sys_errno == ENOENT) opened = make_beneath(root, path);
  if (!opened && opened.error().sys_errno == EXDEV)
    return fail(Code::failed_precondition, "subPath \"{}\" leads out of its volume", printable(path));
  if (!opened) return Fail(std::move(opened).error());
  struct stat status {};
  if (::fstat(opened->get(), &status) != 0) return fail_errno(errno, "stat subPath {}", printable(path));
  TRY(prepare_target(target, S_ISDIR(status.st_mode)));
  const std::string source = fmt::format("/proc/self/fd/{}", opened->get());
  if (::mount(source.c_str(), target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0)
    return fail_errno(errno, "bind subPath {} to {}", printable(path), target);
  return {};
}

} // namespace keelson::daemon
