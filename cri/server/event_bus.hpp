// Container events, from where they happen to everyone who listens: the CRI stream and the pod agent.
#pragma once

#include "cri/proto/runtime_v1.pb.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace keelson::cri {

namespace v1 = ::runtime::v1;

// One listener's queue. A listener that does not keep up loses the oldest events beyond the limit: events are hints,
// the lists are the truth.
class EventSubscription {
 public:
  explicit EventSubscription(std::size_t limit)
      : limit_(limit) {}

  void push(const std::shared_ptr<const v1::ContainerEventResponse>& event);
  // The next event; null if none came in time.
  std::shared_ptr<const v1::ContainerEventResponse> next(std::chrono::milliseconds patience);
  void close(); // wakes next(); closed() is true from then on
  bool closed() const;

 private:
  std::size_t limit_;
  mutable std::mutex mutex_; // guards queue_ and closed_
  std::condition_variable arrived_;
  std::deque<std::shared_ptr<const v1::ContainerEventResponse>> queue_;
  bool closed_ = false;
};

// Any thread.
class EventBus {
 public:
  std::shared_ptr<EventSubscription> subscribe(std::size_t limit = 4096);
  void publish(v1::ContainerEventResponse event);
  bool has_listeners() const;
  void close(); // ends every subscription, and those to come

 private:
  mutable std::mutex mutex_; // guards listeners_ and closed_
  std::vector<std::weak_ptr<EventSubscription>> listeners_;
  bool closed_ = false;
};

} // namespace keelson::cri
