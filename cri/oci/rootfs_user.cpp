#include "cri/oci/rootfs_user.hpp"

#include "base/file.hpp"

#include <sys/stat.h>

namespace keelson::cri {
namespace {

constexpr std::size_t kMaxAccountFile = std::size_t{10} << 20;

// Looked at before it is opened: opening a FIFO blocks and opening a device may do something. An absent file is empty.
Result<std::string> read_account_file(int rootfs_fd, const std::string& path) {
  auto found = open_in_root(rootfs_fd, path, O_PATH);
  if (!found && (found.error().sys_errno == ENOENT || found.error().sys_errno == ENOTDIR)) return std::string();
  if (!found) return Fail(std::move(found).error().context("the image's /" + path));
  struct stat status {};
  if (::fstat(found->get(), &status) != 0) return fail_errno(errno, "stat the image's /{}", path);
  if (!S_ISREG(status.st_mode))
    return fail(Code::failed_precondition, "the image's /{} is not a regular file; the user cannot be looked up", path);
  if (static_cast<std::uint64_t>(status.st_size) > kMaxAccountFile)
    return fail(Code::resource_exhausted, "the image's /{} has {} bytes; at most {} are read", path, status.st_size,
                kMaxAccountFile);
  TRY_ASSIGN(const UniqueFd file, open_at(AT_FDCWD, fmt::format("/proc/self/fd/{}", found->get()), O_RDONLY));
  return read_all(file.get(), kMaxAccountFile);
}

} // namespace

Result<ResolvedUser> resolve_user(int rootfs_fd, const UserRequest& request) {
  TRY_ASSIGN(const std::string passwd, read_account_file(rootfs_fd, "etc/passwd"));
  std::string group;
  if (request.merge_image_groups || !request.who.group.empty()) {
    TRY_ASSIGN(group, read_account_file(rootfs_fd, "etc/group"));
  }
  return match_user(request, passwd, group);
}

} // namespace keelson::cri
