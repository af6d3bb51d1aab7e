// The last events of the node's pods, as `kubectl get events` would show them.
#pragma once

#include "base/time.hpp"

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

namespace keelson::daemon {

enum class EventType { normal, warning };
std::string_view to_string(EventType type); // "Normal", "Warning"

struct Event {
  std::uint64_t sequence = 0; // of its last occurrence; rises by one with every occurrence of any event
  EventType type = EventType::normal;
  std::string reason;     // "Started", "BackOff", as kubelet names them
  std::string object;     // "pod/default/web-node1", "node/node1"
  std::string uid;        // of the pod; empty for the node
  std::string field_path; // "spec.containers{web}"; empty: the object as a whole
  std::string message;
  unsigned count = 1;
  WallTime first_at{};
  WallTime last_at{};
};

// A bounded ring. An event that repeats (same object, reason and message) is counted, and moves to the end. Any thread.
class EventLog {
 public:
  explicit EventLog(const Clock& clock, std::size_t limit = 1000)
      : clock_(clock)
      , limit_(limit) {}

  void add(Event event); // sequence, count and times are set here
  // Events with a sequence above `after`, oldest first; 0 gives all.
  std::vector<Event> since(std::uint64_t after) const;
  // The same, but waits for the first one until the deadline or close().
  std::vector<Event> wait(std::uint64_t after, Deadline deadline) const;
  void close();

 private:
  std::vector<Event> collect(std::uint64_t after) const;

  const Clock& clock_;
  const std::size_t limit_;
  mutable std::mutex mutex_; // guards what follows
  mutable std::condition_variable arrived_;
  std::deque<Event> events_; // by sequence
  std::uint64_t last_ = 0;
  bool closed_ = false;
};

} // namespace keelson::daemon
