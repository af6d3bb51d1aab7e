// Runs inside test containers, linked statically: makes system calls and prints "name errno" lines, then its
// descriptors.
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace {

void print(const char* name, long result) {
  std::printf("%s %d\n", name, result < 0 ? errno : 0);
}

void print_descriptors() {
  DIR* dir = ::opendir("/proc/self/fd");
  if (dir == nullptr) return;
  std::printf("fds");
  while (const dirent* entry = ::readdir(dir)) {
    if (entry->d_name[0] == '.' || std::atoi(entry->d_name) == ::dirfd(dir)) continue;
    std::printf(" %s", entry->d_name);
  }
  std::printf("\n");
  ::closedir(dir);
}

} // namespace

int main() {
  print("mkdir", ::mkdir("/tmp/made", 0700));
  print("unshare", ::unshare(CLONE_NEWUSER));
  print("keyctl", ::syscall(SYS_keyctl, 0, -3, 0, 0, 0));
  print("clone3", ::syscall(SYS_clone3, nullptr, 0));
  print("vsock", ::syscall(SYS_socket, 40L | 1L << 32, SOCK_STREAM, 0));
  const int inet = ::socket(AF_INET, SOCK_STREAM, 0);
  print("inet", inet);
  ::close(inet);
  print("mount", ::syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, nullptr));
  print("io_uring", ::syscall(SYS_io_uring_setup, 0, nullptr));
  print("newer", ::syscall(600));
  print("ptrace", ::syscall(SYS_ptrace, 0, 0, 0, 0));
  print_descriptors();
  return 0;
}
