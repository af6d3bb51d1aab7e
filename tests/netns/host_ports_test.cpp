#include "base/file.hpp"
#include "base/namespace_thread.hpp"
#include "tests/netns/node_fixture.hpp"
#include "tests/support/requirements.hpp"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstring>

namespace keelson::netns::test {
namespace {

// Both backends of iptables.
class HostPortsTest : public NodeFixture, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    restore4 = std::string("iptables-") + GetParam() + "-restore";
    restore6 = std::string("ip6tables-") + GetParam() + "-restore";
    KEELSON_REQUIRE(keelson::test::has_program(restore4), "needs " + restore4);
    NodeFixture::SetUp();
  }
  std::string nat_rules() const { return shell(std::string("iptables-") + GetParam() + " -t nat -S"); }
};
INSTANTIATE_TEST_SUITE_P(Backends, HostPortsTest, testing::Values("nft", "legacy"),
                         [](const auto& parameter) { return std::string(parameter.param); });

TEST_P(HostPortsTest, LeadFromOutsideToThePodWithTheClientsAddress) {
  const auto network = open_network();
  ASSERT_TRUE(network);
  const Pod a = attach(*network, "a", {mapping(Protocol::tcp, 8080, 80), mapping(Protocol::udp, 5353, 53)});
  const auto v4 = tcp_peer({outside_, "192.0.2.1", 8080, a.netns_path, 80});
  ASSERT_OK(v4);
  EXPECT_EQ(*v4, "192.0.2.2");
  const auto v6 = tcp_peer({outside_, "2001:db8::1", 8080, a.netns_path, 80});
  ASSERT_OK(v6);
  EXPECT_EQ(*v6, "2001:db8::2");
  EXPECT_OK(udp_peer({outside_, "192.0.2.1", 5353, a.netns_path, 53}));
  EXPECT_OK(udp_peer({outside_, "2001:db8::1", 5353, a.netns_path, 53}));
}

TEST_P(HostPortsTest, WorkFromTheNodeFromPodsAndFromThePodItself) {
  const auto network = open_network();
  const Pod a = attach(*network, "a", {mapping(Protocol::tcp, 8080, 80)});
  const Pod b = attach(*network, "b");
  EXPECT_OK(tcp_peer({"", "192.0.2.1", 8080, a.netns_path, 80}));
  EXPECT_OK(tcp_peer({"", "2001:db8::1", 8080, a.netns_path, 80}));
  EXPECT_OK(tcp_peer({"", "127.0.0.1", 8080, a.netns_path, 80}));
  const auto from_b = tcp_peer({b.netns_path, "192.0.2.1", 8080, a.netns_path, 80});
  ASSERT_OK(from_b);
  EXPECT_EQ(*from_b, b.addresses.ips[0].text());
  EXPECT_OK(tcp_peer({b.netns_path, "2001:db8::1", 8080, a.netns_path, 80}));
  EXPECT_OK(tcp_peer({a.netns_path, "192.0.2.1", 8080, a.netns_path, 80}));
  EXPECT_OK(tcp_peer({a.netns_path, "2001:db8::1", 8080, a.netns_path, 80}));
}

TEST_P(HostPortsTest, AreGoneAfterDetach) {
  const auto network = open_network();
  const std::string before = nat_rules();
  const Pod a = attach(*network, "a", {mapping(Protocol::tcp, 8080, 80)});
  const Pod b = attach(*network, "b", {mapping(Protocol::tcp, 8081, 80)});
  EXPECT_NE(nat_rules().find("default/a"), std::string::npos);
  remove_pod(*network, a);
  EXPECT_FALSE(tcp_peer({outside_, "192.0.2.1", 8080, b.netns_path, 80}));
  EXPECT_OK(tcp_peer({outside_, "192.0.2.1", 8081, b.netns_path, 80}));
  remove_pod(*network, b);
  EXPECT_EQ(nat_rules(), before);
}

TEST_P(HostPortsTest, OfOneAddressLeadOnlyFromThere) {
  const auto network = open_network();
  shell("ip addr add 192.0.2.9/24 dev out0");
  const Pod a = attach(*network, "a", {mapping(Protocol::tcp, 8080, 80, "192.0.2.9")});
  const Pod b = attach(*network, "b", {mapping(Protocol::tcp, 8080, 80, "192.0.2.1")}); // no conflict
  EXPECT_OK(tcp_peer({outside_, "192.0.2.9", 8080, a.netns_path, 80}));
  EXPECT_OK(tcp_peer({outside_, "192.0.2.1", 8080, b.netns_path, 80}));
}

TEST_P(HostPortsTest, ConflictNamesTheOtherPodAndKeepsIt) {
  const auto network = open_network();
  const Pod a = attach(*network, "a", {mapping(Protocol::tcp, 8080, 80)});
  const std::string before = nat_rules();
  const Pod b = make_pod("b");
  AttachRequest wanted = request(b);
  wanted.ports = {mapping(Protocol::tcp, 8080, 81)};
  const auto refused = network->attach(wanted);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::already_exists);
  EXPECT_NE(refused.error().message.find("default/a"), std::string::npos) << refused.error().message;
  EXPECT_EQ(nat_rules(), before);
  wanted.ports = {mapping(Protocol::udp, 8080, 81)};
  EXPECT_OK(network->attach(wanted));
  EXPECT_OK(tcp_peer({outside_, "192.0.2.1", 8080, a.netns_path, 80}));
}

TEST_P(HostPortsTest, AreTakenStillAfterARestart) {
  Pod a;
  {
    const auto network = open_network();
    a = attach(*network, "a", {mapping(Protocol::tcp, 8080, 80)});
  }
  const auto network = open_network();
  EXPECT_OK(tcp_peer({outside_, "192.0.2.1", 8080, a.netns_path, 80}));
  AttachRequest wanted = request(make_pod("b"));
  wanted.ports = {mapping(Protocol::tcp, 8080, 81)};
  EXPECT_EQ(network->attach(wanted).error().code, Code::already_exists);
  // A rule of a pod that is gone does not survive the restart (the record went, the rule stayed).
  shell(std::string("iptables-") + GetParam() +
        " -t nat -A KEELSON-HOSTPORTS -p tcp --dport 7777 -j DNAT --to-destination 10.88.0.77:1");
  const auto again = open_network();
  EXPECT_EQ(nat_rules().find("7777"), std::string::npos);
  EXPECT_NE(nat_rules().find("8080"), std::string::npos);
}

TEST_P(HostPortsTest, UdpClientThatGoesOnIsLedToTheNextPod) {
  KEELSON_REQUIRE(keelson::test::has_program("conntrack"), "needs conntrack");
  const auto network = open_network();
  UniqueFd client;
  const UniqueFd outside = *open_at(AT_FDCWD, outside_, O_RDONLY);
  ASSERT_OK(run_in_net_namespace(outside.get(), [&]() -> Result<> {
    client.reset(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    return {};
  }));
  sockaddr_in target{};
  target.sin_family = AF_INET;
  target.sin_port = htons(5353);
  inet_pton(AF_INET, "192.0.2.1", &target.sin_addr);
  const auto send_one = [&] {
    return sendto(client.get(), "x", 1, 0, reinterpret_cast<sockaddr*>(&target), sizeof(target)) == 1;
  };
  EXPECT_TRUE(send_one()); // nobody is there yet: the flow is remembered as the node's own
  for (const char* id : {"first", "second"}) {
    const Pod pod = attach(*network, id, {mapping(Protocol::udp, 5353, 53)});
    UniqueFd server;
    const UniqueFd netns = *open_at(AT_FDCWD, pod.netns_path, O_RDONLY);
    ASSERT_OK(run_in_net_namespace(netns.get(), [&]() -> Result<> {
      server.reset(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      sockaddr_in any{};
      any.sin_family = AF_INET;
      any.sin_port = htons(53);
      bind(server.get(), reinterpret_cast<sockaddr*>(&any), sizeof(any));
      return {};
    }));
    send_one(); // the same socket, so the same flow
    pollfd wait{server.get(), POLLIN, 0};
    EXPECT_EQ(poll(&wait, 1, 2000), 1) << id << "\n" << shell("conntrack -L -p udp");
    remove_pod(*network, pod);
  }
}

TEST_P(HostPortsTest, PodCannotReachTheNodesLoopback) {
  const auto network = open_network();
  EXPECT_EQ(*read_file("/proc/sys/net/ipv4/conf/keelson0/route_localnet"), "0\n"); // no host port yet
  const Pod a = attach(*network, "a", {mapping(Protocol::tcp, 8080, 80)});
  EXPECT_EQ(*read_file("/proc/sys/net/ipv4/conf/keelson0/route_localnet"), "1\n");
  EXPECT_EQ(*read_file("/proc/sys/net/ipv4/conf/all/route_localnet"), "0\n");
  EXPECT_EQ(*read_file("/proc/sys/net/ipv4/conf/out0/route_localnet"), "0\n");
  // CVE-2020-8558: a pod with its own route and settings sends packets for 127.0.0.1 to the node.
  const std::string enter = "nsenter --net=" + a.netns_path + " ";
  shell(enter + "sysctl -qw net.ipv4.conf.all.route_localnet=1; " + enter + "ip addr del 127.0.0.1/8 dev lo; " + enter +
        "ip route del local 127.0.0.0/8 table local; " + enter + "ip route add 127.0.0.1 via 10.88.0.1 dev eth0");
  const auto attack = [&] { return tcp_peer({a.netns_path, "127.0.0.1", 9999, "", 9999}); };
  EXPECT_FALSE(attack());
  // The attack is real: without the guard it works.
  const std::string tool = std::string("iptables-") + GetParam();
  shell(tool + " -t mangle -F KEELSON-GUARD");
  const auto unguarded = attack();
  EXPECT_TRUE(unguarded) << "the test no longer tries the attack: " << unguarded.error().message;
}

TEST_P(HostPortsTest, OfLoopbackAreNotReachedFromOutside) {
  const auto network = open_network();
  const Pod a = attach(*network, "a", {mapping(Protocol::tcp, 8080, 80, "127.0.0.1")});
  EXPECT_OK(tcp_peer({"", "127.0.0.1", 8080, a.netns_path, 80}));
  EXPECT_FALSE(tcp_peer({outside_, "192.0.2.1", 8080, a.netns_path, 80}));
  // A neighbour that sends packets for 127.0.0.1 to the node's MAC address.
  const std::string enter = "nsenter --net=" + outside_ + " ";
  shell(enter + "sysctl -qw net.ipv4.conf.all.route_localnet=1; " + enter + "ip addr del 127.0.0.1/8 dev lo; " + enter +
        "ip route del local 127.0.0.0/8 table local; " + enter + "ip route add 127.0.0.1 via 192.0.2.1 dev up0");
  EXPECT_FALSE(tcp_peer({outside_, "127.0.0.1", 8080, a.netns_path, 80}));
}

TEST_P(HostPortsTest, WithoutLocalhostNothingIsOpened) {
  BridgeConfig closed = config();
  closed.localhost_host_ports = false;
  const auto network = BridgeNetwork::open(closed);
  ASSERT_OK(network);
  const Pod a = attach(**network, "a", {mapping(Protocol::tcp, 8080, 80)});
  EXPECT_EQ(*read_file("/proc/sys/net/ipv4/conf/keelson0/route_localnet"), "0\n");
  EXPECT_FALSE(tcp_peer({"", "127.0.0.1", 8080, a.netns_path, 80}));
  EXPECT_OK(tcp_peer({"", "192.0.2.1", 8080, a.netns_path, 80}));
}

TEST_P(HostPortsTest, RulesTakeAllProtocols) {
  const auto network = open_network();
  const Pod a = attach(*network, "a",
                       {mapping(Protocol::sctp, 9, 9), mapping(Protocol::tcp, 9, 9), mapping(Protocol::udp, 9, 9)});
  const std::string rules = nat_rules();
  for (const char* protocol : {"-p sctp", "-p tcp", "-p udp"})
    EXPECT_NE(rules.find(protocol), std::string::npos) << rules;
}

TEST_P(HostPortsTest, FailingTransactionUndoesTheAttach) {
  BridgeConfig scripted = config();
  scripted.iptables.restore4 = *dir_ / "restore4";
  const auto script = [&](const std::string& last_line) {
    ASSERT_TRUE(write_file_atomic(scripted.iptables.restore4, "#!/bin/sh\n" + last_line + "\n", 0755));
  };
  script("exec " + restore4 + " \"$@\"");
  const auto network = BridgeNetwork::open(scripted);
  ASSERT_OK(network);
  const std::string before = nat_rules();
  AttachRequest wanted = request(make_pod("a"));
  wanted.ports = {mapping(Protocol::tcp, 8080, 80)};
  script("echo 'line 4 failed' >&2; exit 1");
  const auto refused = (*network)->attach(wanted);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("line 4: -A KEELSON-HOSTPORTS"), std::string::npos) << refused.error().message;
  EXPECT_EQ(shell("ip -o link").find(host_interface_name("a")), std::string::npos);
  script("exec " + restore4 + " \"$@\"");
  EXPECT_OK((*network)->detach({"a", {}, {}}));
  EXPECT_EQ(nat_rules(), before);
  EXPECT_OK((*network)->attach(wanted));
  EXPECT_OK((*network)->detach({"a", {}, {}}));
  EXPECT_EQ(nat_rules(), before);
}

} // namespace
} // namespace keelson::netns::test
