// Mutual exclusion by name whose waiting can be called off.
#pragma once

#include "base/error.hpp"

#include <condition_variable>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <utility>

namespace keelson::cri {

// Thread-safe.
class KeyedWait {
 public:
  class Guard {
   public:
    Guard(Guard&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr))
        , key_(std::move(other.key_)) {}
    Guard& operator=(Guard&&) = delete;
    ~Guard() {
      if (owner_ != nullptr) owner_->unlock(key_);
    }

   private:
    friend class KeyedWait;
    Guard(KeyedWait* owner, std::string key)
        : owner_(owner)
        , key_(std::move(key)) {}
    KeyedWait* owner_;
    std::string key_;
  };

  Result<Guard> lock(const std::string& key, const std::stop_token& cancel) {
    std::unique_lock lock(mutex_);
    if (!freed_.wait(lock, cancel, [&] { return held_.count(key) == 0; })) return fail(Code::cancelled, "cancelled");
    held_.insert(key);
    return Guard(this, key);
  }

 private:
  void unlock(const std::string& key) {
    {
      const std::lock_guard lock(mutex_);
      held_.erase(key);
    }
    freed_.notify_all();
  }

  std::mutex mutex_; // guards held_
  std::condition_variable_any freed_;
  std::set<std::string> held_;
};

} // namespace keelson::cri
