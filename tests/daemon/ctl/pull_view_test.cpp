#include "daemon/ctl/pull_view.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace keelson::daemon::ctl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const SteadyTime kStart{std::chrono::seconds(1000)};

PullFrame frame(std::chrono::milliseconds at, std::size_t height = 24) {
  return {100, height, false, false, kStart + at};
}

TEST(ProgressBar, IsAsWideAsItShouldBe) {
  EXPECT_EQ(progress_bar(0, 4, false), "────");
  EXPECT_EQ(progress_bar(0.5, 4, false), "━━──");
  EXPECT_EQ(progress_bar(0.625, 4, false), "━━╸─");
  EXPECT_EQ(progress_bar(1, 4, false), "━━━━");
  EXPECT_EQ(progress_bar(7, 4, false), "━━━━");
  EXPECT_EQ(progress_bar(0.5, 4, true), "==> ");
  EXPECT_EQ(progress_bar(1, 4, true), "====");
}

TEST(PullView, ShowsSizesRateAndTimeLeft) {
  PullView view("busybox");
  const std::uint64_t mib = std::uint64_t{1} << 20;
  view.update({"sha256:aaaaaaaaaaaaaaaa", "downloading", 0, 100 * mib}, kStart);
  view.update({"sha256:aaaaaaaaaaaaaaaa", "downloading", 20 * mib, 100 * mib}, kStart + std::chrono::seconds(2));
  const std::string text = view.frame(frame(std::chrono::seconds(2)));
  EXPECT_THAT(text, HasSubstr("aaaaaaaaaaaaa  downloading"));
  EXPECT_THAT(text, HasSubstr("20MiB / 100MiB  10MiB/s  8s"));
  EXPECT_THAT(text, HasSubstr("Pulling busybox  0/1 layers  20MiB / 100MiB  10MiB/s  8s left"));
}

TEST(PullView, AStalledLayerLosesItsRate) {
  PullView view("x");
  view.update({"a", "downloading", 0, 1000000}, kStart);
  view.update({"a", "downloading", 500000, 1000000}, kStart + std::chrono::seconds(1));
  view.update({"a", "downloading", 500000, 1000000}, kStart + std::chrono::seconds(5));
  view.update({"a", "downloading", 500000, 1000000}, kStart + std::chrono::seconds(9));
  EXPECT_THAT(view.frame(frame(std::chrono::seconds(9))), Not(HasSubstr("/s")));
}

TEST(PullView, UnknownSizesDoNotDivideByZero) {
  PullView view("x");
  view.update({"a", "downloading", 10, 0}, kStart);
  view.update({"b", "waiting", 0, 0}, kStart);
  EXPECT_THAT(view.frame(frame(std::chrono::seconds(0))), HasSubstr("0/2 layers"));
}

TEST(PullView, NeverUsesMoreLinesThanThereAre) {
  PullView view("x");
  for (int i = 0; i < 50; ++i)
    view.update({fmt::format("layer{}", i), i < 20 ? "done" : (i < 23 ? "downloading" : "waiting"), 1, 10}, kStart);
  const std::string text = view.frame(frame(std::chrono::seconds(0), 10));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 10);
  EXPECT_THAT(text, HasSubstr("layer20"));
  EXPECT_THAT(text, HasSubstr("20/50 layers"));
}

TEST(PullView, ToldOncePerPhaseWithoutATerminal) {
  PullView view("x");
  view.update({"sha256:aaaa", "downloading", 0, 2048}, kStart);
  EXPECT_THAT(view.news(), ElementsAre("aaaa: downloading 2KiB"));
  view.update({"sha256:aaaa", "downloading", 100, 2048}, kStart);
  EXPECT_THAT(view.news(), ElementsAre());
  view.update({"sha256:aaaa", "done", 2048, 2048}, kStart);
  EXPECT_THAT(view.news(), ElementsAre("aaaa: done 2KiB"));
}

} // namespace
} // namespace keelson::daemon::ctl
