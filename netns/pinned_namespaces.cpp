#include "netns/pinned_namespaces.hpp"

#include "base/file.hpp"
#include "base/namespace_thread.hpp"
#include "base/rollback.hpp"

#include <linux/magic.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <array>
#include <cstring>

namespace keelson::netns {
namespace {

constexpr std::array kKinds = {NamespaceKind::net, NamespaceKind::ipc, NamespaceKind::uts};

int clone_flag(NamespaceKind kind) {
  switch (kind) {
  case NamespaceKind::net:
    return CLONE_NEWNET;
  case NamespaceKind::ipc:
    return CLONE_NEWIPC;
  case NamespaceKind::uts:
    return CLONE_NEWUTS;
  }
  return 0;
}

bool is_wanted(const NamespaceSpec& spec, NamespaceKind kind) {
  switch (kind) {
  case NamespaceKind::net:
    return spec.net;
  case NamespaceKind::ipc:
    return spec.ipc;
  case NamespaceKind::uts:
    return spec.uts;
  }
  return false;
}

UniqueFd& slot(PinnedNamespaces& namespaces, NamespaceKind kind) {
  switch (kind) {
  case NamespaceKind::net:
    return namespaces.net;
  case NamespaceKind::ipc:
    return namespaces.ipc;
  case NamespaceKind::uts:
    break;
  }
  return namespaces.uts;
}

Result<> bring_up_loopback() {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno(errno, "open a socket to bring loopback up");
  ifreq request{};
  std::memcpy(request.ifr_name, "lo", 3);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) return fail_errno(errno, "bring interface lo up");
  return {};
}

Result<> unpin_one(const std::string& path) {
  // More than one mount can be stacked on the file if two processes pinned at once.
  while (umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
  }
  if (errno != EINVAL && errno != ENOENT && errno != ENOTDIR) return fail_errno(errno, "unmount {}", path);
  if (unlink(path.c_str()) != 0 && errno != ENOENT && errno != ENOTDIR) return fail_errno(errno, "remove {}", path);
  return {};
}

// Binds the calling thread's namespace of this kind to the file.
Result<UniqueFd> pin_one(const std::string& dir, NamespaceKind kind) {
  const std::string path = namespace_path(dir, kind);
  const std::string source = fmt::format("/proc/thread-self/ns/{}", to_string(kind));
  { TRY_ASSIGN(const UniqueFd file, open_at(AT_FDCWD, path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0400)); }
  if (mount(source.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) != 0) {
    const int saved = errno;
    unlink(path.c_str());
    return fail_errno(saved, "pin the {} namespace at {}", to_string(kind), path);
  }
  return open_at(AT_FDCWD, source, O_RDONLY);
}

// Runs on the thread that is thrown away afterwards.
Result<PinnedNamespaces> create_on_this_thread(const std::string& dir, const NamespaceSpec& spec) {
  int flags = 0;
  for (const NamespaceKind kind : kKinds)
    if (is_wanted(spec, kind)) flags |= clone_flag(kind);
  if (flags != 0 && unshare(flags) != 0) return fail_errno(errno, "create the namespaces of {}", dir);
  if (spec.net) TRY(bring_up_loopback());
  if (spec.uts && !spec.hostname.empty() && sethostname(spec.hostname.data(), spec.hostname.size()) != 0)
    return fail_errno(errno, "set the host name \"{}\"", spec.hostname);
  for (const Sysctl& sysctl : spec.sysctls) TRY(apply_sysctl(sysctl));

  PinnedNamespaces pinned;
  Rollback rollback;
  for (const NamespaceKind kind : kKinds) {
    if (!is_wanted(spec, kind)) continue;
    TRY_ASSIGN(slot(pinned, kind), pin_one(dir, kind));
    rollback.add("unpin", [path = namespace_path(dir, kind)] { return unpin_one(path); });
  }
  rollback.commit();
  return pinned;
}

Result<> check_spec(const std::string& dir, const NamespaceSpec& spec) {
  // Without a namespace of its own a parameter would be written to the node.
  for (const Sysctl& sysctl : spec.sysctls) {
    const bool own = sysctl_scope(sysctl.name) == SysctlScope::net ? spec.net : spec.ipc;
    if (!own)
      return fail(Code::invalid_argument, "sysctl {} needs a namespace that the pod does not have", sysctl.name);
  }
  // sethostname(2) takes 64 bytes.
  if (spec.hostname.size() > 64)
    return fail(Code::invalid_argument, "the host name \"{}\" is longer than 64 bytes", spec.hostname);
  TRY_ASSIGN(const auto present, list_pinned_namespaces(dir));
  if (!present.empty()) return fail(Code::already_exists, "{} is pinned already", present.front().path);
  return {};
}

} // namespace

std::string_view to_string(NamespaceKind kind) {
  switch (kind) {
  case NamespaceKind::net:
    return "net";
  case NamespaceKind::ipc:
    return "ipc";
  case NamespaceKind::uts:
    return "uts";
  }
  return "";
}

std::string namespace_path(const std::string& dir, NamespaceKind kind) {
  return fmt::format("{}/{}", dir, to_string(kind));
}

Result<PinnedNamespaces> create_pinned_namespaces(const std::string& dir, const NamespaceSpec& spec) {
  TRY(check_spec(dir, spec));
  TRY(unpin_namespaces(dir)); // plain files of a create that died
  PinnedNamespaces pinned;
  TRY(run_on_namespace_thread([&]() -> Result<> {
    TRY_ASSIGN(pinned, create_on_this_thread(dir, spec));
    return {};
  }));
  return pinned;
}

Result<UniqueFd> open_pinned_namespace(const std::string& dir, NamespaceKind kind) {
  const std::string path = namespace_path(dir, kind);
  TRY_ASSIGN(UniqueFd fd, open_at(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
  struct statfs about {};
  if (fstatfs(fd.get(), &about) != 0) return fail_errno(errno, "look at {}", path);
  if (about.f_type != NSFS_MAGIC) return fail(Code::not_found, "{} is not mounted: no namespace is pinned there", path);
  return fd;
}

Result<PinnedNamespaces> open_pinned_namespaces(const std::string& dir) {
  PinnedNamespaces pinned;
  bool any = false;
  for (const NamespaceKind kind : kKinds) {
    auto fd = open_pinned_namespace(dir, kind);
    if (!fd && fd.error().code != Code::not_found) return Fail(std::move(fd).error());
    if (!fd) continue;
    slot(pinned, kind) = std::move(*fd);
    any = true;
  }
  if (!any) return fail(Code::not_found, "no namespace is pinned in {}", dir);
  return pinned;
}

Result<std::vector<PinnedNamespace>> list_pinned_namespaces(const std::string& dir) {
  std::vector<PinnedNamespace> found;
  for (const NamespaceKind kind : kKinds) {
    auto fd = open_pinned_namespace(dir, kind);
    if (!fd && fd.error().code != Code::not_found) return Fail(std::move(fd).error());
    if (!fd) continue;
    TRY_ASSIGN(const NamespaceId id, namespace_id(fd->get()));
    found.push_back({kind, id, namespace_path(dir, kind)});
  }
  return found;
}

Result<> unpin_namespaces(const std::string& dir) {
  Result<> first_error;
  for (const NamespaceKind kind : kKinds)
    if (auto done = unpin_one(namespace_path(dir, kind)); !done && first_error) first_error = std::move(done);
  return first_error;
}

Result<NamespaceId> namespace_id(int namespace_fd) {
  struct stat about {};
  if (fstat(namespace_fd, &about) != 0) return fail_errno(errno, "identify a namespace");
  return NamespaceId{about.st_dev, about.st_ino};
}

Result<> make_private_mount(const std::string& dir) {
  // A mount point's propagation can be changed; anything else is EINVAL.
  if (mount(nullptr, dir.c_str(), nullptr, MS_PRIVATE, nullptr) == 0) return {};
  if (errno != EINVAL) return fail_errno(errno, "make the mount {} private", dir);
  if (mount(dir.c_str(), dir.c_str(), nullptr, MS_BIND, nullptr) != 0)
    return fail_errno(errno, "mount {} on itself", dir);
  if (mount(nullptr, dir.c_str(), nullptr, MS_PRIVATE, nullptr) != 0) {
    const int saved = errno;
    umount2(dir.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
    return fail_errno(saved, "make the mount {} private", dir);
  }
  return {};
}

} // namespace keelson::netns
