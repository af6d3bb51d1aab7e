#include "base/worker_pool.hpp"
#include "tests/support/poll_until.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>

namespace keelson {

namespace {

using namespace std::chrono_literals;

TEST(WorkerPool, FinishesWhatIsQueuedBeforeItEnds) {
  std::atomic<int> done = 0;
  {
    WorkerPool pool("test", 3);
    for (int i = 0; i < 1000; ++i) pool.post([&] { ++done; });
  }
  EXPECT_EQ(done, 1000);
}

TEST(WorkerPool, RunsUpToItsLimitAtTheSameTime) {
  std::mutex gate;
  std::unique_lock closed(gate);
  std::atomic<int> inside = 0;
  std::atomic<int> most = 0;
  {
    WorkerPool pool("test", 3);
    for (int i = 0; i < 12; ++i)
      pool.post([&] {
        const int now = ++inside;
        for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) continue;
        const std::lock_guard wait(gate);
        --inside;
      });
    EXPECT_TRUE(test::poll_until(Deadline::after(10s), [&] { return inside == 3; }));
    closed.unlock();
  }
  EXPECT_EQ(most, 3);
}

TEST(WorkerPool, SurvivesAStrayException) {
  std::atomic<bool> done = false;
  {
    WorkerPool pool("test", 1);
    pool.post([] { throw std::runtime_error("stray"); });
    pool.post([&] { done = true; });
  }
  EXPECT_TRUE(done);
}

TEST(WorkerPool, TakesWorkFromItsOwnWork) {
  std::atomic<int> done = 0;
  {
    WorkerPool pool("test", 2);
    pool.post([&] { pool.post([&] { pool.post([&] { ++done; }); }); });
  }
  EXPECT_EQ(done, 1);
}

TEST(KeyedMutex, ExcludesHoldersOfTheSameKeyOnly) {
  KeyedMutex mutex;
  int unguarded[2] = {0, 0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 2000; ++i) {
        const auto guard = mutex.lock(t % 2 == 0 ? "even" : "odd");
        ++unguarded[t % 2];
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(unguarded[0], 8000);
  EXPECT_EQ(unguarded[1], 8000);
}

TEST(KeyedMutex, LetsOtherKeysThrough) {
  KeyedMutex mutex;
  const auto held = mutex.lock("a");
  std::atomic<bool> through = false;
  std::thread other([&] {
    const auto guard = mutex.lock("b");
    through = true;
  });
  other.join();
  EXPECT_TRUE(through);
}

} // namespace

} // namespace keelson
