// Which namespaces a process lives in, and how to start a child in another PID namespace.
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"

#include <sys/types.h>

#include <array>
#include <cstdint>

namespace keelson::cri::monitor {

// The monitor's own namespaces, taken at its start.
class OwnNamespaces {
 public:
  static Result<OwnNamespaces> capture();

  // CLONE_NEW* of every namespace in which the process is not in the monitor's.
  Result<int> different_from(pid_t pid) const;

  // Children made from now on are born in the PID namespace of that process; and back.
  Result<> enter_pid_namespace(int pidfd) const;
  Result<> leave_pid_namespace() const;

 private:
  static constexpr std::size_t kCount = 8;
  std::array<std::uint64_t, kCount> inodes_{}; // 0: the kernel has no such namespace
  UniqueFd pid_namespace_;
};

} // namespace keelson::cri::monitor
