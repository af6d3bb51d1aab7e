#include "cri/images/overlay_mount.hpp"

#include "base/file.hpp"

#include <sys/mount.h>

#include <cerrno>
#include <optional>

namespace keelson::cri {

namespace {

constexpr unsigned kLowerAppendMax = 255; // a string of fsconfig(2) is cut at 256 bytes

std::string magic_path(const UniqueFd& fd) {
  return "/proc/self/fd/" + std::to_string(fd.get());
}

Result<std::vector<UniqueFd>> open_layers(const std::vector<std::string>& paths) {
  std::vector<UniqueFd> fds;
  fds.reserve(paths.size());
  for (const auto& path : paths) {
    TRY_ASSIGN(auto fd, open_at(AT_FDCWD, path, O_PATH | O_DIRECTORY));
    fds.push_back(std::move(fd));
  }
  return fds;
}

// What the kernel says in words about a refused mount; the descriptor is its message queue.
std::string kernel_words(int fs) {
  char text[512];
  const ssize_t size = ::read(fs, text, sizeof text - 1);
  return size > 2 ? ": " + std::string(text + 2, static_cast<std::size_t>(size) - 2) : std::string();
}

// A directory for one key: as a descriptor (6.13), else by its name, else by a name that is short.
bool set_directory(int fs, const char* key, const std::string& path, const UniqueFd& fd) {
  if (::fsconfig(fs, FSCONFIG_SET_FD, key, nullptr, fd.get()) == 0) return true;
  const std::string name = path.size() <= kLowerAppendMax ? path : magic_path(fd);
  return ::fsconfig(fs, FSCONFIG_SET_STRING, key, name.c_str(), 0) == 0;
}

// Up to Linux 6.4 overlayfs takes every key and looks at them when the mount is made, which then fails for "lowerdir+".
bool checks_keys() {
  const UniqueFd fs(::fsopen("overlay", FSOPEN_CLOEXEC));
  return fs && ::fsconfig(fs.get(), FSCONFIG_SET_FLAG, "no-such-key", nullptr, 0) != 0;
}

// nullopt: the kernel does not know the way. Otherwise the mount is there or failed for a reason of its own.
std::optional<Result<>> mount_new(const OverlaySpec& spec, const std::string& target) {
  static const bool known = checks_keys();
  const UniqueFd fs(::fsopen("overlay", FSOPEN_CLOEXEC));
  if (!known || !fs) return std::nullopt;
  (void)::fsconfig(fs.get(), FSCONFIG_SET_STRING, "source", "overlay", 0);
  auto layers = open_layers(spec.lower);
  if (!layers) return Result<>(Fail(std::move(layers).error()));
  for (std::size_t i = 0; i < spec.lower.size(); ++i)
    if (!set_directory(fs.get(), "lowerdir+", spec.lower[i], (*layers)[i])) return std::nullopt;
  if (!spec.upper.empty()) {
    auto writable = open_layers({spec.upper, spec.work});
    if (!writable) return Result<>(Fail(std::move(writable).error()));
    if (!set_directory(fs.get(), "upperdir", spec.upper, (*writable)[0]) ||
        !set_directory(fs.get(), "workdir", spec.work, (*writable)[1]))
      return std::nullopt;
    if (spec.volatile_upper) (void)::fsconfig(fs.get(), FSCONFIG_SET_FLAG, "volatile", nullptr, 0);
  }
  if (::fsconfig(fs.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    const int reason = errno;
    return Result<>(fail_errno(reason, "make the overlay for {}{}", target, kernel_words(fs.get())));
  }
  const unsigned attributes = spec.upper.empty() ? static_cast<unsigned>(MOUNT_ATTR_RDONLY) : 0U;
  const UniqueFd mounted(::fsmount(fs.get(), FSMOUNT_CLOEXEC, attributes));
  if (!mounted) return Result<>(fail_errno(errno, "make the mount for {}", target));
  if (::move_mount(mounted.get(), "", AT_FDCWD, target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0)
    return Result<>(fail_errno(errno, "mount the overlay at {}", target));
  return Result<>();
}

Result<> mount_legacy(const OverlaySpec& spec, const std::string& target) {
  TRY_ASSIGN(const auto layers, open_layers(spec.lower));
  std::string options = "lowerdir=";
  for (std::size_t i = 0; i < layers.size(); ++i) options += (i == 0 ? "" : ":") + magic_path(layers[i]);
  std::vector<UniqueFd> writable;
  if (!spec.upper.empty()) {
    TRY_ASSIGN(writable, open_layers({spec.upper, spec.work}));
    options += ",upperdir=" + magic_path(writable[0]) + ",workdir=" + magic_path(writable[1]);
  }
  const unsigned long flags = spec.upper.empty() ? static_cast<unsigned long>(MS_RDONLY) : 0UL;
  if (spec.volatile_upper && !spec.upper.empty() &&
      ::mount("overlay", target.c_str(), "overlay", flags, (options + ",volatile").c_str()) == 0)
    return {};
  if (::mount("overlay", target.c_str(), "overlay", flags, options.c_str()) == 0) return {};
  return fail_errno(errno, "mount an overlay of {} layers at {}", layers.size(), target);
}

Result<> bind_readonly(const std::string& source, const std::string& target) {
  if (::mount(source.c_str(), target.c_str(), nullptr, MS_BIND, nullptr) != 0)
    return fail_errno(errno, "bind {} to {}", source, target);
  if (::mount(nullptr, target.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr) == 0) return {};
  const int reason = errno;
  (void)::umount2(target.c_str(), MNT_DETACH);
  return fail_errno(reason, "make {} read-only", target);
}

} // namespace

Result<> mount_overlay(const OverlaySpec& spec, const std::string& target, bool legacy) {
  if (spec.upper.empty() && spec.lower.size() == 1) return bind_readonly(spec.lower.front(), target);
  if (!legacy)
    if (auto mounted = mount_new(spec, target)) return std::move(*mounted);
  return mount_legacy(spec, target);
}

Result<> unmount_path(const std::string& target) {
  constexpr int kFlags = UMOUNT_NOFOLLOW;
  if (::umount2(target.c_str(), kFlags) == 0 || errno == EINVAL || errno == ENOENT) return {};
  if (errno == EBUSY && ::umount2(target.c_str(), kFlags | MNT_DETACH) == 0) return {};
  return fail_errno(errno, "unmount {}", target);
}

} // namespace keelson::cri
