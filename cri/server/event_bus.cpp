#include "cri/server/event_bus.hpp"

#include <algorithm>

namespace keelson::cri {

void EventSubscription::push(const std::shared_ptr<const v1::ContainerEventResponse>& event) {
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() >= limit_) queue_.pop_front();
    queue_.push_back(event);
  }
  arrived_.notify_one();
}

std::shared_ptr<const v1::ContainerEventResponse> EventSubscription::next(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  arrived_.wait_for(lock, patience, [this] { return closed_ || !queue_.empty(); });
  if (queue_.empty()) return nullptr;
  auto event = std::move(queue_.front());
  queue_.pop_front();
  return event;
}

void EventSubscription::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  arrived_.notify_all();
}

bool EventSubscription::closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

std::shared_ptr<EventSubscription> EventBus::subscribe(std::size_t limit) {
  auto subscription = std::make_shared<EventSubscription>(limit);
  const std::lock_guard lock(mutex_);
  if (closed_) subscription->close();
  listeners_.push_back(subscription);
  return subscription;
}

void EventBus::publish(v1::ContainerEventResponse event) {
  const auto shared = std::make_shared<const v1::ContainerEventResponse>(std::move(event));
  const std::lock_guard lock(mutex_);
  std::erase_if(listeners_, [&](const std::weak_ptr<EventSubscription>& listener) {
    const auto subscription = listener.lock();
    if (subscription) subscription->push(shared);
    return subscription == nullptr;
  });
}

bool EventBus::has_listeners() const {
  const std::lock_guard lock(mutex_);
  return std::any_of(listeners_.begin(), listeners_.end(), [](const auto& listener) { return !listener.expired(); });
}

void EventBus::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (const auto& listener : listeners_)
    if (const auto subscription = listener.lock()) subscription->close();
}

} // namespace keelson::cri
