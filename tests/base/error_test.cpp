#include "base/error.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>

namespace keelson {

namespace {

Result<int> half(int number) {
  if (number % 2 != 0) return fail(Code::invalid_argument, "{} is odd", number);
  return number / 2;
}

Result<int> quarter(int number) {
  TRY_ASSIGN(const int once, half(number));
  return half(once);
}

Result<> open_the_door() {
  return fail_errno(ENOENT, "open {}", "door");
}

Result<> enter() {
  TRY_CONTEXT(open_the_door(), "enter room {}", 7);
  return {};
}

Result<std::unique_ptr<int>> pass_on(std::unique_ptr<int> value) {
  TRY_ASSIGN(auto passed, Result<std::unique_ptr<int>>(std::move(value)));
  return passed;
}

TEST(Result, CarriesTheValueOrTheFirstError) {
  EXPECT_EQ(*quarter(8), 2);
  const auto failed = quarter(6);
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().code, Code::invalid_argument);
  EXPECT_EQ(failed.error().message, "3 is odd");
}

TEST(Result, KeepsCodeAndErrnoThroughContext) {
  const auto failed = enter();
  ASSERT_FALSE(failed.has_value());
  EXPECT_EQ(failed.error().code, Code::not_found);
  EXPECT_EQ(failed.error().sys_errno, ENOENT);
  EXPECT_EQ(failed.error().message, "enter room 7: open door: No such file or directory");
}

TEST(Result, MovesWhatCannotBeCopied) {
  const auto passed = pass_on(std::make_unique<int>(5));
  ASSERT_TRUE(passed.has_value());
  EXPECT_EQ(**passed, 5);
}

TEST(Code, FitsTheErrno) {
  EXPECT_EQ(code_from_errno(ENOENT), Code::not_found);
  EXPECT_EQ(code_from_errno(EEXIST), Code::already_exists);
  EXPECT_EQ(code_from_errno(EACCES), Code::permission_denied);
  EXPECT_EQ(code_from_errno(ENOSPC), Code::resource_exhausted);
  EXPECT_EQ(code_from_errno(EINVAL), Code::invalid_argument);
}

TEST(Code, HasTheNumbersOfGrpc) {
  EXPECT_EQ(static_cast<int>(Code::not_found), 5);
  EXPECT_EQ(static_cast<int>(Code::unimplemented), 12);
  EXPECT_EQ(static_cast<int>(Code::unauthenticated), 16);
}

} // namespace

} // namespace keelson
