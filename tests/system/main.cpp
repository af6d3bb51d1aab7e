// Every test of whole nodes runs in a network and a mount namespace of its own; nothing of the machine is touched.
#include "tests/system/node.hpp"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>

#include <csignal>

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  signal(SIGPIPE, SIG_IGN);
  // A /run of its own: the lock file of iptables.
  keelson::test::in_own_namespaces = unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 &&
                                     mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                                     mount("tmpfs", "/run", "tmpfs", 0, "mode=755") == 0;
  if (keelson::test::in_own_namespaces) {
    keelson::test::shell("ip link set lo up");
    keelson::test::end_leftovers();
  }
  return RUN_ALL_TESTS();
}
