// What happens between the fork and the program of an exec: the process enters the container and becomes what the
// request says, in the order that the kernel's permission checks need.
#pragma once

#include "cri/monitor/protocol.hpp"

#include <array>

namespace keelson::cri::monitor {

struct ExecChild {
  const ExecRequest* request = nullptr;
  int pidfd = -1;                       // of the container's init
  int namespaces = 0;                   // CLONE_NEW* to join, the PID namespace excepted: the child was born in it
  std::array<int, 3> stdio{-1, -1, -1}; // -1: /dev/null; all unused with tty
  std::string tracking_procs;           // cgroup.procs to join; empty: born in it, or none
  int report = -1;                      // SOCK_SEQPACKET: gets an ErrorReply payload on failure, the terminal with tty
};

// Runs in the forked child and ends in exec or _exit. The report socket closes by exec: silence is success.
[[noreturn]] void run_exec_child(const ExecChild& child);

} // namespace keelson::cri::monitor
