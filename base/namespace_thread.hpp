// Work inside other namespaces, on a thread of its own that ends afterwards: a pool thread would carry the namespace
// on.
#pragma once

#include "base/error.hpp"

#include <functional>
#include <string>

namespace keelson {

// Runs work on a new thread that has left the process' shared file system context (CLONE_FS) and blocks until it is
// done. The thread may setns(2), unshare(2), mount and change directory; nothing of that outlives the call. Needs root
// for that.
Result<> run_on_namespace_thread(const std::function<Result<>()>& work);

// The same, inside this network namespace.
Result<> run_in_net_namespace(int net_namespace_fd, const std::function<Result<>()>& work);

} // namespace keelson
