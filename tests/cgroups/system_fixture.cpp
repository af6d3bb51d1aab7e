#include "tests/cgroups/system_fixture.hpp"

#include "base/file.hpp"
#include "tests/support/poll_until.hpp"
#include "tests/support/requirements.hpp"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace keelson::cgroups {

void CgroupSystem::SetUp() {
  KEELSON_REQUIRE(test::is_root(), "needs root");
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  test::LeakScope scope;
  scope.paths = {"/sys/fs/cgroup" + path()}; // other mounts and files are not this test's
  scope.links = false;
  scope.descriptors = true;
  leaks_.emplace(scope);
  auto found = Hierarchy::detect();
  KEELSON_REQUIRE(found.has_value(), found.error().message);
  hierarchy_.emplace(std::move(*found));
  clean();
}

void CgroupSystem::TearDown() {
  if (!hierarchy_) return;
  clean();
  EXPECT_FALSE(Group::exists(hierarchy(), path()));
  const bool no_children = test::poll_until(soon(), [] {
    while (waitpid(-1, nullptr, WNOHANG) > 0) continue;
    return waitpid(-1, nullptr, WNOHANG) < 0;
  });
  EXPECT_TRUE(no_children) << "a process is left";
  hierarchy_.reset();
  for (const std::string& leak : leaks_->leaks()) ADD_FAILURE() << "left behind: " << leak;
}

void CgroupSystem::clean() {
  if (!Group::exists(hierarchy(), path())) return;
  {
    auto group = Group::open(hierarchy(), path());
    ASSERT_TRUE(group) << group.error().message;
    const auto killed = group->kill_all(soon());
    EXPECT_TRUE(killed) << killed.error().message;
  }
  const auto removed = Group::remove(hierarchy(), path(), soon());
  EXPECT_TRUE(removed) << removed.error().message;
}

Group CgroupSystem::make(const std::string& below) const {
  auto group = Group::create(hierarchy(), path(below));
  EXPECT_TRUE(group) << group.error().message;
  return std::move(group).value();
}

Child CgroupSystem::start(const Group& group, std::vector<std::string> argv) const {
  SpawnOptions options;
  options.argv = std::move(argv);
  options.cgroup_procs = group.join_files();
  auto child = spawn(options);
  EXPECT_TRUE(child) << child.error().message;
  return std::move(child).value();
}

pid_t CgroupSystem::fork_into(const Group& group, const std::function<int()>& work) const {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  for (const std::string& file : group.join_files()) {
    if (!write_kernel_file(file, "0")) _exit(99);
  }
  _exit(work());
}

ExitStatus CgroupSystem::reap(pid_t pid) const {
  int status = 0;
  const bool ended = test::poll_until(soon(), [&] { return waitpid(pid, &status, WNOHANG) == pid; });
  EXPECT_TRUE(ended) << "process " << pid << " still runs";
  if (!ended) return {};
  return WIFSIGNALED(status) ? ExitStatus{0, WTERMSIG(status)} : ExitStatus{WEXITSTATUS(status), 0};
}

void CgroupSystem::expect_matches(const Group& group, const Applied& applied) const {
  for (const Write& write : applied.written) {
    const auto actual = group.read_actual(write);
    ASSERT_TRUE(actual) << actual.error().message;
    // Of several writes into one file only the last counts.
    bool last = true;
    for (const Write* later = &write + 1; later < applied.written.data() + applied.written.size(); ++later)
      last = last && later->file != write.file;
    if (last) {
      EXPECT_TRUE(matches(write, *actual)) << write.file << ": wrote " << write.value << ", reads " << *actual;
    }
  }
}

} // namespace keelson::cgroups
