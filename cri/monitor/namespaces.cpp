#include "cri/monitor/namespaces.hpp"

#include "base/file.hpp"

#include <sched.h>
#include <sys/stat.h>

#include <cerrno>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

namespace keelson::cri::monitor {
namespace {

struct Kind {
  const char* name;
  int flag;
};

constexpr std::array<Kind, 8> kKinds = {{{"user", CLONE_NEWUSER},
                                         {"pid", CLONE_NEWPID},
                                         {"mnt", CLONE_NEWNS},
                                         {"ipc", CLONE_NEWIPC},
                                         {"uts", CLONE_NEWUTS},
                                         {"net", CLONE_NEWNET},
                                         {"cgroup", CLONE_NEWCGROUP},
                                         {"time", CLONE_NEWTIME}}};

std::uint64_t inode_of(int dir, const char* name) {
  struct stat info {};
  return ::fstatat(dir, name, &info, 0) == 0 ? info.st_ino : 0;
}

} // namespace

Result<OwnNamespaces> OwnNamespaces::capture() {
  OwnNamespaces own;
  TRY_ASSIGN(const UniqueFd dir, open_at(AT_FDCWD, "/proc/self/ns", O_RDONLY | O_DIRECTORY));
  for (std::size_t i = 0; i < kCount; ++i) own.inodes_[i] = inode_of(dir.get(), kKinds[i].name);
  TRY_ASSIGN(own.pid_namespace_, open_at(dir.get(), "pid", O_RDONLY));
  return own;
}

Result<int> OwnNamespaces::different_from(pid_t pid) const {
  TRY_ASSIGN(const UniqueFd dir, open_at(AT_FDCWD, fmt::format("/proc/{}/ns", pid), O_RDONLY | O_DIRECTORY));
  int flags = 0;
  for (std::size_t i = 0; i < kCount; ++i) {
    if (inodes_[i] == 0) continue;
    const std::uint64_t inode = inode_of(dir.get(), kKinds[i].name);
    // A process that is ending has lost its namespaces, except the user and PID ones.
    if (inode == 0) return fail(Code::failed_precondition, "process {} is ending", pid);
    if (inode != inodes_[i]) flags |= kKinds[i].flag;
  }
  return flags;
}

Result<> OwnNamespaces::enter_pid_namespace(int pidfd) const {
  if (::setns(pidfd, CLONE_NEWPID) != 0) return fail_errno(errno, "join the PID namespace");
  return {};
}

Result<> OwnNamespaces::leave_pid_namespace() const {
  if (::setns(pid_namespace_.get(), CLONE_NEWPID) != 0) return fail_errno(errno, "return to the own PID namespace");
  return {};
}

} // namespace keelson::cri::monitor
