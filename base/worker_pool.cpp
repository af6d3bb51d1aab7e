#include "base/worker_pool.hpp"

#include "base/log.hpp"

#include <pthread.h>

#include <exception>

namespace keelson {

WorkerPool::WorkerPool(std::string name, unsigned threads)
    : name_(std::move(name))
    , limit_(threads) {}

WorkerPool::~WorkerPool() {
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    threads.swap(threads_);
  }
  wake_.notify_all();
  for (std::thread& thread : threads) thread.join();
}

void WorkerPool::post(std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  queue_.push_back(std::move(work));
  if (idle_ < queue_.size() && threads_.size() < limit_ && !stopping_) {
    threads_.emplace_back([this] { loop(); });
    ::pthread_setname_np(threads_.back().native_handle(), name_.substr(0, 15).c_str());
  }
  wake_.notify_one();
}

void WorkerPool::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    --idle_;
    if (queue_.empty()) return;
    std::function<void()> work = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    try {
      work();
    } catch (const std::exception& e) {
      log::error("{}: unexpected exception: {}", name_, e.what());
    }
    work = nullptr; // what it captured goes before the lock is taken again
    lock.lock();
  }
}

KeyedMutex::Guard::~Guard() {
  if (owner_ != nullptr) owner_->unlock(key_);
}

KeyedMutex::Guard KeyedMutex::lock(const std::string& key) {
  std::unique_lock lock(mutex_);
  Entry& entry = entries_[key]; // references to elements survive rehashing
  if (entry.held) {
    ++entry.waiting;
    freed_.wait(lock, [&] { return !entry.held; });
    --entry.waiting;
  }
  entry.held = true;
  return Guard(this, key);
}

void KeyedMutex::unlock(const std::string& key) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(key);
    found->second.held = false;
    if (found->second.waiting == 0) entries_.erase(found);
  }
  freed_.notify_all();
}

} // namespace keelson
