// A group that a real OCI runtime makes below ours, by the path that the driver gives it.
#include "base/file.hpp"
#include "base/text.hpp"
#include "cgroups/driver.hpp"
#include "tests/cgroups/system_fixture.hpp"
#include "tests/support/poll_until.hpp"
#include "tests/support/requirements.hpp"
#include "tests/support/temp_dir.hpp"

#include <csignal>

namespace keelson::cgroups {
namespace {

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

// A bundle with busybox's sleep, in this cgroup.
void make_bundle(const test::TempDir& bundle, const std::string& cgroups_path) {
  ASSERT_TRUE(make_dirs(bundle / "rootfs/bin", 0755));
  ASSERT_TRUE(check_output({"cp", "/bin/busybox", bundle / "rootfs/bin/sleep"}));
  ASSERT_TRUE(check_output({"runc", "spec", "--bundle", bundle.path()}));
  auto config = read_file(bundle / "config.json");
  ASSERT_TRUE(config);
  std::string text = replaced(*config, "\"terminal\": true", "\"terminal\": false");
  text = replaced(text, "\"sh\"", "\"sleep\", \"1000\"");
  text = replaced(text, "\"linux\": {", "\"linux\": {\"cgroupsPath\": \"" + cgroups_path + "\",");
  ASSERT_TRUE(write_file_atomic(bundle / "config.json", text));
}

TEST_F(CgroupSystem, RuncUsesTheDriversPath) {
  KEELSON_REQUIRE(test::has_program("runc") && exists("/bin/busybox"), "needs runc and busybox-static");
  const auto driver = make_driver(DriverKind::cgroupfs, hierarchy());
  const GroupName pod = GroupName::parse(path("/pod-1_a")).value();
  ASSERT_TRUE(driver->create(pod));
  const std::string id = "keelson-cgroups-" + std::to_string(getpid());
  const test::TempDir bundle("bundle");
  const test::TempDir state("runc");
  make_bundle(bundle, driver->runtime_path(pod, id).value());
  const std::vector<std::string> runc = {"runc", "--root", state.path()};
  auto run = runc;
  run.insert(run.end(), {"run", "--detach", "--bundle", bundle.path(), "--pid-file", bundle / "pid", id});
  // The container keeps the descriptors that it is given: pipes of check_output would never end.
  auto child = spawn({run});
  ASSERT_TRUE(child) << child.error().message;
  ASSERT_TRUE(child->wait(soon())->success());
  const pid_t pid = parse_int<pid_t>(trim(read_file(bundle / "pid").value())).value();

  const auto group = Group::open(hierarchy(), driver->container_path(pod, id).value());
  ASSERT_TRUE(group) << group.error().message;
  EXPECT_EQ(*group->processes(), std::vector<pid_t>{pid});
  EXPECT_GE(group->statistics()->pids->current, 1u);
  Knobs knobs;
  knobs.pids_max = 33;
  const auto applied = group->apply(knobs);
  ASSERT_TRUE(applied) << applied.error().message;
  expect_matches(*group, *applied);
  ASSERT_TRUE(driver->open(pod)->kill_all(soon()));
  EXPECT_EQ(reap(pid).signal, SIGKILL);
  auto remove = runc;
  remove.insert(remove.end(), {"delete", "--force", id});
  EXPECT_TRUE(check_output(remove));
  ASSERT_TRUE(driver->remove(pod, soon()));
  for (const auto& mount : hierarchy().mounts()) EXPECT_FALSE(exists(mount.mount_point + pod.cgroupfs_path()));
}

} // namespace
} // namespace keelson::cgroups
