#include "base/file.hpp"
#include "base/loop.hpp"
#include "tests/support/poll_until.hpp"
#include "tests/support/temp_dir.hpp"

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <atomic>
#include <stdexcept>
#include <thread>

namespace keelson {

namespace {

using namespace std::chrono_literals;

class LoopTest : public testing::Test {
 protected:
  LoopTest()
      : thread_([this] { loop_.run(); }) {}
  ~LoopTest() override {
    loop_.stop();
    thread_.join();
  }
  static bool soon(const std::function<bool()>& predicate) { return test::poll_until(Deadline::after(10s), predicate); }
  // After this, everything that was posted before has run.
  void settle() {
    std::atomic<bool> reached = false;
    loop_.post([&] { reached = true; });
    EXPECT_TRUE(soon([&] { return reached.load(); }));
  }

  Loop loop_;
  std::thread thread_;
};

TEST_F(LoopTest, CallsTheHandlerEachTimeADescriptorIsReady) {
  const UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  std::atomic<std::uint64_t> sum = 0;
  const auto id = loop_.watch(event.get(), Loop::Wait::readable, [&] {
    std::uint64_t value = 0;
    if (::read(event.get(), &value, sizeof value) == sizeof value) sum += value;
  });
  ASSERT_TRUE(id.has_value());
  for (std::uint64_t i = 1; i <= 3; ++i) {
    ASSERT_EQ(::eventfd_write(event.get(), 1), 0);
    EXPECT_TRUE(soon([&] { return sum == i; }));
  }
  loop_.unwatch(*id);
  settle();
  ASSERT_EQ(::eventfd_write(event.get(), 1), 0);
  settle();
  EXPECT_EQ(sum, 3U);
}

TEST_F(LoopTest, NeverRunsAHandlerThatRemovedItself) {
  const UniqueFd event(::eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK)); // stays readable
  std::atomic<int> calls = 0;
  std::atomic<Loop::Id> id = 0;
  loop_.post([&] {
    const auto watched = loop_.watch(event.get(), Loop::Wait::readable, [&] {
      ++calls;
      loop_.unwatch(id);
    });
    if (watched) id = *watched;
  });
  EXPECT_TRUE(soon([&] { return calls == 1; }));
  settle();
  settle();
  EXPECT_EQ(calls, 1);
}

TEST_F(LoopTest, RunsTimersInTheOrderOfTheirTimes) {
  std::atomic<int> order = 0;
  std::atomic<int> late = 0;
  std::atomic<int> early = 0;
  loop_.run_after(60ms, [&] { late = ++order; });
  loop_.run_after(5ms, [&] { early = ++order; });
  EXPECT_TRUE(soon([&] { return order == 2; }));
  EXPECT_EQ(early, 1);
  EXPECT_EQ(late, 2);
}

TEST_F(LoopTest, DoesNotRunCancelledTimers) {
  std::atomic<bool> ran = false;
  std::atomic<bool> after = false;
  const auto id = loop_.run_after(20ms, [&] { ran = true; });
  loop_.cancel_timer(id);
  loop_.cancel_timer(id);
  loop_.run_after(60ms, [&] { after = true; });
  EXPECT_TRUE(soon([&] { return after.load(); }));
  EXPECT_FALSE(ran);
}

TEST_F(LoopTest, SurvivesAStrayException) {
  loop_.post([] { throw std::runtime_error("stray"); });
  settle();
}

TEST_F(LoopTest, RefusesWhatCannotBeWaitedFor) {
  const test::TempDir dir;
  const auto file = open_at(AT_FDCWD, dir / "file", O_CREAT | O_RDWR, 0600);
  ASSERT_TRUE(file.has_value());
  EXPECT_FALSE(loop_.watch(file->get(), Loop::Wait::readable, [] {}).has_value());
  EXPECT_FALSE(loop_.watch(-1, Loop::Wait::readable, [] {}).has_value());
}

} // namespace

} // namespace keelson
