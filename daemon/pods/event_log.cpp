#include "daemon/pods/event_log.hpp"

#include <algorithm>

namespace keelson::daemon {

std::string_view to_string(EventType type) {
  return type == EventType::normal ? "Normal" : "Warning";
}

void EventLog::add(Event event) {
  const std::lock_guard lock(mutex_);
  event.last_at = clock_.wall_now();
  event.first_at = event.last_at;
  const auto same = std::find_if(events_.begin(), events_.end(), [&](const Event& known) {
    return known.uid == event.uid && known.object == event.object && known.reason == event.reason &&
           known.field_path == event.field_path && known.message == event.message;
  });
  if (same != events_.end()) {
    event.count = same->count + 1;
    event.first_at = same->first_at;
    events_.erase(same);
  }
  event.sequence = ++last_;
  events_.push_back(std::move(event));
  if (events_.size() > limit_) events_.pop_front();
  arrived_.notify_all();
}

std::vector<Event> EventLog::collect(std::uint64_t after) const {
  std::vector<Event> found;
  for (const Event& event : events_)
    if (event.sequence > after) found.push_back(event);
  return found;
}

std::vector<Event> EventLog::since(std::uint64_t after) const {
  const std::lock_guard lock(mutex_);
  return collect(after);
}

std::vector<Event> EventLog::wait(std::uint64_t after, Deadline deadline) const {
  std::unique_lock lock(mutex_);
  const auto ready = [&] { return closed_ || last_ > after; };
  if (deadline.at() == SteadyTime::max())
    arrived_.wait(lock, ready);
  else
    arrived_.wait_until(lock, deadline.at(), ready);
  return collect(after);
}

void EventLog::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  arrived_.notify_all();
}

} // namespace keelson::daemon
