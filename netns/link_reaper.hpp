// Deletes links without waiting for the kernel's last word. A delete request is answered only after an RCU barrier (40
// ms on a small machine, Linux 6.18), though the link is gone and its name is free in under a millisecond.
#pragma once

#include "base/error.hpp"
#include "base/worker_pool.hpp"
#include "netns/route_socket.hpp"

#include <functional>
#include <string>

namespace keelson::netns {

// Thread-safe. The worker threads must be in the network namespace of the links: the class starts them from the thread
// that calls remove(), and each opens a socket of its own. The destructor waits for what is under way.
class LinkReaper {
 public:
  LinkReaper()
      : pool_("links", 4) {}

  // Returns when the link is gone; succeeds if there was none. is_gone asks the kernel.
  Result<> remove(const std::string& name, const std::function<Result<bool>()>& is_gone);

 private:
  WorkerPool pool_;
};

} // namespace keelson::netns
