#include "netns/sysctl.hpp"

#include <gtest/gtest.h>

namespace keelson::netns {
namespace {

TEST(Sysctl, TakesNamespacedNamesInBothForms) {
  EXPECT_EQ(validate_sysctl("net.ipv4.tcp_syncookies", "1", false, false)->name, "net.ipv4.tcp_syncookies");
  EXPECT_EQ(validate_sysctl("net/ipv4/tcp_syncookies", "1", false, false)->name, "net.ipv4.tcp_syncookies");
  EXPECT_EQ(validate_sysctl("net/ipv4/conf/eth0.1/forwarding", "1", false, false)->name,
            "net.ipv4.conf.eth0/1.forwarding");
  for (const char* name : {"kernel.shmmax", "kernel.shm_rmid_forced", "kernel.msgmax", "kernel.sem",
                           "fs.mqueue.msg_max", "net.core.somaxconn", "kernel/sem"})
    EXPECT_TRUE(validate_sysctl(name, "1", false, false)) << name;
  EXPECT_TRUE(validate_sysctl("net.ipv4.ip_local_port_range", "1024 65000", false, false));
  EXPECT_TRUE(validate_sysctl("net.ipv4.ping_group_range", "0\t2147483647", false, false));
}

TEST(Sysctl, RefusesWhatBelongsToTheNode) {
  for (const char* name : {"kernel.core_pattern", "kernel.semantics", "kernel.sem_next_id", "vm.swappiness",
                           "fs.file-max", "fs.mqueue", "net", "kernel.hostname", "kernel.modprobe",
                           "user.max_user_namespaces", "networks.x", "dev.tty.legacy_tiocsti"})
    EXPECT_FALSE(validate_sysctl(name, "1", false, false)) << name;
}

TEST(Sysctl, RefusesNamesThatLeaveTheirDirectory) {
  using namespace std::string_literals;
  for (const std::string& name :
       {"net/../kernel/core_pattern"s, "net..ipv4"s, "net.."s, ".net.ipv4"s, "/net/ipv4"s, "net.ipv4."s, "net/ipv4/"s,
        "net.ipv4/../../kernel"s, "net.ipv4\nkernel.core_pattern"s, "net.ipv4=1"s, "net ipv4"s, ""s, "net.\0x"s,
        "net.*"s, "NET.ipv4.x"s, "net.-a"s, "net.a-"s, "net." + std::string(300, 'a')})
    EXPECT_FALSE(validate_sysctl(name, "1", false, false)) << name;
}

TEST(Sysctl, RefusesValuesThatCarryMore) {
  using namespace std::string_literals;
  for (const std::string& value : {"1+kernel.core_pattern=|/evil"s, "1\nkernel.core_pattern"s, "1\r"s, "a=b"s, "1+2"s,
                                   ""s, "1\0"s, "\x7f"s, std::string(257, '1')})
    EXPECT_FALSE(validate_sysctl("kernel.shm_rmid_forced", value, false, false)) << value;
}

TEST(Sysctl, NeedsTheNamespaceItIsKeptIn) {
  EXPECT_FALSE(validate_sysctl("net.ipv4.tcp_syncookies", "1", true, false));
  EXPECT_TRUE(validate_sysctl("net.ipv4.tcp_syncookies", "1", false, true));
  EXPECT_FALSE(validate_sysctl("kernel.sem", "1 2 3 4", false, true));
  EXPECT_TRUE(validate_sysctl("kernel.sem", "1 2 3 4", true, false));
  EXPECT_EQ(sysctl_scope("fs.mqueue.msg_max"), SysctlScope::ipc);
  EXPECT_EQ(sysctl_scope("net.core.somaxconn"), SysctlScope::net);
}

TEST(Sysctl, KnowsTheSafeOnes) {
  EXPECT_TRUE(is_safe_sysctl("net.ipv4.tcp_syncookies"));
  EXPECT_TRUE(is_safe_sysctl("net/ipv4/ping_group_range"));
  EXPECT_TRUE(is_safe_sysctl("kernel.shm_rmid_forced"));
  EXPECT_FALSE(is_safe_sysctl("net.core.somaxconn"));
  EXPECT_FALSE(is_safe_sysctl("kernel.sem"));
  EXPECT_FALSE(is_safe_sysctl(""));
}

TEST(Sysctl, PathKeepsDotsOfInterfaceNames) {
  EXPECT_EQ(sysctl_path("net.ipv4.conf.eth0/1.forwarding"), "net/ipv4/conf/eth0.1/forwarding");
}

} // namespace
} // namespace keelson::netns
