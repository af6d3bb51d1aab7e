// Real cgroups of this machine, whatever its mode, under a parent of the test's own.
#pragma once

#include "base/process.hpp"
#include "cgroups/group.hpp"
#include "cgroups/hierarchy.hpp"
#include "tests/support/leak_check.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace keelson::cgroups {

inline Deadline soon(int seconds = 20) {
  return Deadline::after(std::chrono::seconds(seconds));
}

// Makes itself the reaper of its descendants, removes the parent before and after every test, and fails a test that
// leaves a process or a descriptor.
class CgroupSystem : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  std::string path(const std::string& below = "") const { return "/keelson-test-" + std::to_string(getpid()) + below; }
  Group make(const std::string& below = "/group") const;
  bool has(Controller controller) const { return hierarchy().layout().version_of(controller).has_value(); }
  bool on(Controller controller, Version version) const {
    return hierarchy().layout().version_of(controller) == version;
  }
  const Hierarchy& hierarchy() const { return *hierarchy_; }

  // Starts the command inside the group.
  Child start(const Group& group, std::vector<std::string> argv) const;
  // Forks; the child joins the group, runs the function and exits with its result.
  pid_t fork_into(const Group& group, const std::function<int()>& work) const;
  // Waits for a child of this process.
  ExitStatus reap(pid_t pid) const;
  void expect_matches(const Group& group, const Applied& applied) const;

 private:
  void clean();

  std::optional<Hierarchy> hierarchy_;
  std::optional<test::LeakCheck> leaks_;
};

} // namespace keelson::cgroups
