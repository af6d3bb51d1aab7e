#include "base/namespace_thread.hpp"

#include <sched.h>

#include <cerrno>
#include <exception>
#include <thread>

namespace keelson {

Result<> run_on_namespace_thread(const std::function<Result<>()>& work) {
  Result<> result;
  std::thread thread([&] {
    // Without a file system context of its own the thread could not change its mount namespace.
    if (::unshare(CLONE_FS) != 0) {
      result = fail_errno(errno, "leave the shared file system context");
      return;
    }
    try {
      result = work();
    } catch (const std::exception& e) {
      result = fail(Code::internal, "unexpected: {}", e.what());
    }
  });
  thread.join();
  return result;
}

Result<> run_in_net_namespace(int net_namespace_fd, const std::function<Result<>()>& work) {
  return run_on_namespace_thread([&]() -> Result<> {
    if (::setns(net_namespace_fd, CLONE_NEWNET) != 0) return fail_errno(errno, "enter the network namespace");
    return work();
  });
}

} // namespace keelson
