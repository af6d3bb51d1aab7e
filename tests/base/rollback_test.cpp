#include "base/rollback.hpp"

#include <gmock/gmock.h>

#include <cerrno>

namespace keelson {

namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class RollbackTest : public testing::Test {
 protected:
  std::function<Result<>()> step(const std::string& name) {
    return [this, name]() -> Result<> {
      done_.push_back(name);
      return {};
    };
  }
  std::vector<std::string> done_;
};

TEST_F(RollbackTest, UndoesNewestFirst) {
  {
    Rollback rollback;
    rollback.add("one", step("one"));
    rollback.add("two", step("two"));
  }
  EXPECT_THAT(done_, ElementsAre("two", "one"));
}

TEST_F(RollbackTest, ForgetsAfterCommit) {
  {
    Rollback rollback;
    rollback.add("one", step("one"));
    rollback.commit();
  }
  EXPECT_THAT(done_, IsEmpty());
}

TEST_F(RollbackTest, RunsOnce) {
  {
    Rollback rollback;
    rollback.add("one", step("one"));
    EXPECT_TRUE(rollback.run().has_value());
    EXPECT_TRUE(rollback.run().has_value());
  }
  EXPECT_THAT(done_, ElementsAre("one"));
}

TEST_F(RollbackTest, GoesOnAfterAFailureAndNamesEachOne) {
  Rollback rollback;
  rollback.add("one", step("one"));
  rollback.add("remove link", []() -> Result<> { return fail_errno(EBUSY, "link a"); });
  rollback.add("two", step("two"));
  rollback.add("remove mount", []() -> Result<> { return fail(Code::unavailable, "still used"); });
  const auto undone = rollback.run();
  ASSERT_FALSE(undone.has_value());
  EXPECT_THAT(done_, ElementsAre("two", "one"));
  EXPECT_THAT(undone.error().message, HasSubstr("remove link: link a"));
  EXPECT_THAT(undone.error().message, HasSubstr("remove mount: still used"));
}

} // namespace

} // namespace keelson
