// Every system test of netns/ runs in a network and a mount namespace of its own; nothing of the machine is touched.
#include "base/file.hpp"
#include "tests/netns/node_fixture.hpp"

#include <sched.h>
#include <sys/mount.h>

#include <csignal>
#include <cstdlib>

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  // As the daemon: a child that ends without reading its input must not end us.
  signal(SIGPIPE, SIG_IGN);
  // A /run of its own: the lock file of iptables-legacy.
  keelson::netns::test::in_own_namespaces = unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 &&
                                            mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                                            mount("tmpfs", "/run", "tmpfs", 0, "mode=755") == 0;
  if (const char* temporary = std::getenv("TMPDIR")) // it may have been below /run
    (void)keelson::make_dirs(temporary, 0700);
  return RUN_ALL_TESTS();
}
