// The promise to tell one caller of one probe's outcome: at most once, and not after it was abandoned. Any thread.
#pragma once

#include "health/prober.hpp"

#include <atomic>
#include <utility>

namespace keelson::health {

class ProbeCall {
 public:
  explicit ProbeCall(Prober::Done done)
      : done_(std::move(done)) {}

  void finish(ProbeOutcome outcome) {
    if (settled_.exchange(true)) return;
    const Prober::Done done = std::move(done_);
    done(std::move(outcome));
  }

  void abandon() {
    if (!settled_.exchange(true)) done_ = nullptr;
  }

  bool settled() const { return settled_; }

 private:
  std::atomic<bool> settled_{false};
  Prober::Done done_; // touched only by the one who settles
};

} // namespace keelson::health
