// A bounded pool of threads for work that blocks, and one lock per object id.
#pragma once

#include "base/error.hpp"

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace keelson {

// post() from any thread. A stray exception in work is caught and logged. The destructor finishes what is queued.
class WorkerPool {
 public:
  WorkerPool(std::string name, unsigned threads);
  ~WorkerPool();
  void post(std::function<void()> work);

 private:
  void loop();

  std::string name_;
  std::mutex mutex_; // guards queue_, stopping_, idle_, threads_
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;
  bool stopping_ = false;
  unsigned limit_;
  unsigned idle_ = 0;
  std::vector<std::thread> threads_; // started when work needs them, up to limit_
};

// Mutual exclusion by name: two holders of different keys never wait for each other.
class KeyedMutex {
 public:
  class Guard {
   public:
    Guard(Guard&& other) noexcept
        : owner_(std::exchange(other.owner_, nullptr))
        , key_(std::move(other.key_)) {}
    Guard& operator=(Guard&&) = delete;
    ~Guard();

   private:
    friend class KeyedMutex;
    Guard(KeyedMutex* owner, std::string key)
        : owner_(owner)
        , key_(std::move(key)) {}
    KeyedMutex* owner_;
    std::string key_;
  };

  [[nodiscard]] Guard lock(const std::string& key);

 private:
  void unlock(const std::string& key);

  struct Entry {
    bool held = false;
    unsigned waiting = 0;
  };
  std::mutex mutex_; // guards entries_
  std::condition_variable freed_;
  std::unordered_map<std::string, Entry> entries_;
};

} // namespace keelson
