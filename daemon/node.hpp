// The composition root: makes every part of a node from the configuration, connects them, and takes them down again in
// the opposite order. Pods run on when it goes.
#pragma once

#include "base/error.hpp"
#include "base/loop.hpp"
#include "daemon/config.hpp"

#include <memory>

namespace keelson::daemon {

// One thread makes and destroys it; the loop must be running on another one from before start() until after the
// destructor.
class Node {
 public:
  // Takes the lock of the state directory: failed_precondition if another keelsond works on it.
  static Result<std::unique_ptr<Node>> start(const Config& config, Loop& loop);
  ~Node();

  // Ends every pod of this node's state and removes what the node made on the machine: bridge, rules, cgroups, mounts.
  // Images stay. For a node that goes away; refused while a keelsond runs on the state directory.
  static Result<> clean_up(const Config& config, Loop& loop);

 private:
  struct Parts;
  explicit Node(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

} // namespace keelson::daemon
