#include "base/file.hpp"
#include "base/namespace_thread.hpp"
#include "netns/pinned_namespaces.hpp"
#include "tests/netns/node_fixture.hpp"
#include "tests/support/requirements.hpp"

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

namespace keelson::netns::test {
namespace {

class PinnedNamespacesTest : public testing::Test {
 protected:
  void SetUp() override {
    KEELSON_REQUIRE(in_own_namespaces, "needs root: unshare(CLONE_NEWNET | CLONE_NEWNS)");
    dir_ = std::make_unique<keelson::test::TempDir>("pinned");
  }
  void TearDown() override {
    if (!dir_) return;
    EXPECT_TRUE(unpin_namespaces(dir_->path()));
    EXPECT_EQ(shell("grep -c " + dir_->path() + " /proc/self/mounts"), "0\n");
  }
  std::string path(NamespaceKind kind) const { return namespace_path(dir_->path(), kind); }

  std::unique_ptr<keelson::test::TempDir> dir_;
};

std::string inside(const std::string& dir, const std::string& command) {
  return shell(fmt::format("nsenter --net={0}/net --ipc={0}/ipc --uts={0}/uts {1}", dir, command));
}

TEST_F(PinnedNamespacesTest, HoldNameLoopbackAndParametersWithoutAProcess) {
  NamespaceSpec spec;
  spec.hostname = "web-0";
  spec.sysctls = {*validate_sysctl("net.ipv4.ip_unprivileged_port_start", "0", false, false),
                  *validate_sysctl("kernel.shmmax", "123456", false, false),
                  *validate_sysctl("kernel/sem", "250 32000 100 128", false, false),
                  *validate_sysctl("kernel.msgmax", "4096", false, false),
                  *validate_sysctl("fs.mqueue.msg_max", "17", false, false)};
  const std::string host_shmmax = *read_file("/proc/sys/kernel/shmmax");
  const std::string host_name = shell("hostname");
  ASSERT_OK(create_pinned_namespaces(dir_->path(), spec));
  EXPECT_EQ(inside(dir_->path(), "hostname"), "web-0\n");
  EXPECT_NE(inside(dir_->path(), "ip addr show lo").find("127.0.0.1/8"), std::string::npos);
  EXPECT_EQ(inside(dir_->path(), "cat /proc/sys/net/ipv4/ip_unprivileged_port_start"), "0\n");
  EXPECT_EQ(inside(dir_->path(), "cat /proc/sys/kernel/shmmax"), "123456\n");
  EXPECT_EQ(inside(dir_->path(), "cat /proc/sys/kernel/sem"), "250\t32000\t100\t128\n");
  EXPECT_EQ(inside(dir_->path(), "cat /proc/sys/kernel/msgmax"), "4096\n");
  EXPECT_EQ(inside(dir_->path(), "cat /proc/sys/fs/mqueue/msg_max"), "17\n");
  EXPECT_EQ(*read_file("/proc/sys/kernel/shmmax"), host_shmmax);
  EXPECT_EQ(shell("hostname"), host_name);
}

TEST_F(PinnedNamespacesTest, AreTheSameAfterReopening) {
  NamespaceId net;
  {
    auto pinned = create_pinned_namespaces(dir_->path(), {});
    ASSERT_OK(pinned);
    net = *namespace_id(pinned->net.get());
  }
  const auto again = open_pinned_namespaces(dir_->path());
  ASSERT_OK(again);
  EXPECT_EQ(*namespace_id(again->net.get()), net);
  EXPECT_TRUE(again->ipc && again->uts);
  const auto listed = list_pinned_namespaces(dir_->path());
  ASSERT_OK(listed);
  ASSERT_EQ(listed->size(), 3U);
  EXPECT_EQ(listed->front().id, net);
  EXPECT_EQ(listed->front().path, path(NamespaceKind::net));
  const UniqueFd own(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  EXPECT_FALSE(*namespace_id(own.get()) == net);
}

TEST_F(PinnedNamespacesTest, HostVariantsAreNotPinned) {
  NamespaceSpec spec;
  spec.net = false;
  spec.uts = false;
  ASSERT_OK(create_pinned_namespaces(dir_->path(), spec));
  EXPECT_FALSE(exists(path(NamespaceKind::net)));
  EXPECT_EQ(list_pinned_namespaces(dir_->path())->size(), 1U);
  EXPECT_FALSE(open_pinned_namespaces(dir_->path())->net);
}

TEST_F(PinnedNamespacesTest, UnpinsTwiceAndWhereNothingIs) {
  ASSERT_OK(create_pinned_namespaces(dir_->path(), {}));
  ASSERT_OK(unpin_namespaces(dir_->path()));
  EXPECT_OK(unpin_namespaces(dir_->path()));
  EXPECT_OK(unpin_namespaces(*dir_ / "absent"));
  EXPECT_EQ(open_pinned_namespaces(dir_->path()).error().code, Code::not_found);
}

TEST_F(PinnedNamespacesTest, PlainFilesOfADeadCreateAreNoNamespaces) {
  ASSERT_TRUE(write_file_atomic(path(NamespaceKind::net), ""));
  EXPECT_EQ(open_pinned_namespace(dir_->path(), NamespaceKind::net).error().code, Code::not_found);
  ASSERT_OK(create_pinned_namespaces(dir_->path(), {}));
  EXPECT_EQ(list_pinned_namespaces(dir_->path())->size(), 3U);
}

TEST_F(PinnedNamespacesTest, RefusesASecondCreate) {
  const auto first = create_pinned_namespaces(dir_->path(), {});
  ASSERT_OK(first);
  EXPECT_EQ(create_pinned_namespaces(dir_->path(), {}).error().code, Code::already_exists);
  EXPECT_EQ(*namespace_id(first->net.get()), list_pinned_namespaces(dir_->path())->front().id);
}

TEST_F(PinnedNamespacesTest, FailureLeavesNothing) {
  NamespaceSpec spec;
  spec.sysctls = {{"net.ipv4.no_such_parameter", "1"}};
  const auto unknown = create_pinned_namespaces(dir_->path(), spec);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, Code::invalid_argument);
  spec.sysctls = {{"net.ipv4.ip_forward", "banana"}};
  EXPECT_NE(create_pinned_namespaces(dir_->path(), spec).error().message.find("net.ipv4.ip_forward"),
            std::string::npos);
  spec.sysctls.clear();
  spec.hostname = std::string(65, 'x');
  EXPECT_EQ(create_pinned_namespaces(dir_->path(), spec).error().code, Code::invalid_argument);
  EXPECT_TRUE(list_dir(dir_->path())->empty());
  EXPECT_FALSE(create_pinned_namespaces(*dir_ / "absent", {}));
}

TEST_F(PinnedNamespacesTest, NeverWriteAParameterIntoTheNode) {
  NamespaceSpec spec;
  spec.net = false;
  spec.sysctls = {{"net.ipv4.ip_forward", "1"}};
  const std::string before = *read_file("/proc/sys/net/ipv4/ip_forward");
  EXPECT_EQ(create_pinned_namespaces(dir_->path(), spec).error().code, Code::invalid_argument);
  EXPECT_EQ(*read_file("/proc/sys/net/ipv4/ip_forward"), before);
}

TEST_F(PinnedNamespacesTest, UnpinFollowsNoSymlink) {
  const std::string target = *dir_ / "victim";
  ASSERT_TRUE(make_dirs(target, 0700));
  ASSERT_EQ(mount("tmpfs", target.c_str(), "tmpfs", 0, nullptr), 0);
  ASSERT_EQ(symlink(target.c_str(), path(NamespaceKind::net).c_str()), 0);
  EXPECT_EQ(open_pinned_namespace(dir_->path(), NamespaceKind::net).error().sys_errno, ELOOP);
  ASSERT_OK(unpin_namespaces(dir_->path()));
  EXPECT_FALSE(exists(path(NamespaceKind::net)));
  EXPECT_EQ(umount2(target.c_str(), MNT_DETACH), 0); // it was still mounted
}

TEST_F(PinnedNamespacesTest, PrivateMountKeepsPinsFromSpreading) {
  const std::string run = *dir_ / "run";
  ASSERT_TRUE(make_dirs(run, 0700));
  ASSERT_OK(make_private_mount(run));
  ASSERT_OK(make_private_mount(run)); // once
  EXPECT_EQ(shell("grep -c ' " + run + " ' /proc/self/mountinfo"), "1\n");
  EXPECT_EQ(shell("grep ' " + run + " ' /proc/self/mountinfo | grep -c shared:"), "0\n");
  EXPECT_EQ(umount2(run.c_str(), MNT_DETACH), 0);
}

} // namespace
} // namespace keelson::netns::test
