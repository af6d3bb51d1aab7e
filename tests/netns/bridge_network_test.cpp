#include "base/file.hpp"
#include "netns/interface_stats.hpp"
#include "tests/netns/node_fixture.hpp"
#include "tests/support/poll_until.hpp"

#include <poll.h>
#include <sys/wait.h>

#include <algorithm>
#include <mutex>
#include <random>
#include <set>
#include <thread>

namespace keelson::netns::test {
namespace {

using std::chrono::microseconds;

std::string all_rules() {
  std::string text;
  for (const char* tool : {"iptables-nft", "ip6tables-nft", "iptables-legacy", "ip6tables-legacy"})
    for (const char* table : {"nat", "filter", "mangle"})
      text += shell(fmt::format("{} -t {} -S 2>&1 | grep -v '^#'", tool, table));
  return text;
}

std::vector<std::string> names_in(const std::string& dir) {
  auto names = list_dir(dir);
  EXPECT_TRUE(names) << names.error().message;
  return names ? std::move(*names) : std::vector<std::string>();
}

class BridgeNetworkTest : public NodeFixture {};

// What an attach and a detach must leave as it was.
std::string kernel_state() {
  return shell("ip -o link | sed 's/^[0-9]*: //; s/@.*//; s/:.*//' | sort") + all_rules();
}

TEST_F(BridgeNetworkTest, PodsReachEachOtherUntranslated) {
  const auto network = open_network();
  ASSERT_TRUE(network);
  const Pod a = attach(*network, "a");
  const Pod b = attach(*network, "b");
  ASSERT_EQ(b.addresses.ips.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    const std::string target = b.addresses.ips[i].text();
    const auto peer = tcp_peer({a.netns_path, target, 8080, b.netns_path, 8080});
    ASSERT_OK(peer);
    EXPECT_EQ(*peer, a.addresses.ips[i].text());
    const auto datagram = udp_peer({a.netns_path, target, 53, b.netns_path, 53});
    ASSERT_OK(datagram);
    EXPECT_EQ(*datagram, a.addresses.ips[i].text());
  }
  EXPECT_TRUE(network->status().ready);
}

// CVE-2020-10749: a pod must not be able to advertise itself as the node's IPv6 router, with IPv4 ranges only as well.
TEST_F(BridgeNetworkTest, RouterAdvertisementsAreIgnoredWhateverTheRanges) {
  BridgeConfig ipv4_only = config();
  std::erase_if(ipv4_only.ranges, [](const IpPrefix& range) { return range.family() == Family::ipv6; });
  const auto opened = BridgeNetwork::open(ipv4_only);
  ASSERT_OK(opened);
  const Pod pod = attach(**opened, "a");
  for (const char* key : {"accept_ra", "autoconf", "accept_redirects"}) {
    EXPECT_EQ(shell(fmt::format("cat /proc/sys/net/ipv6/conf/{}/{}", ipv4_only.bridge, key)), "0\n") << key;
    EXPECT_EQ(shell(fmt::format("nsenter --net={} cat /proc/sys/net/ipv6/conf/eth0/{}", pod.netns_path, key)), "0\n")
        << key;
  }
}

TEST_F(BridgeNetworkTest, TheNodeReachesPodsAndPodsTheNode) {
  const auto network = open_network();
  const Pod a = attach(*network, "a");
  for (const IpAddress& ip : a.addresses.ips) {
    const auto peer = tcp_peer({"", ip.text(), 80, a.netns_path, 80});
    ASSERT_OK(peer);
    const auto back = tcp_peer({a.netns_path, ip.is_v4() ? "192.0.2.1" : "2001:db8::1", 10250, "", 10250});
    ASSERT_OK(back);
    EXPECT_EQ(*back, ip.text()); // kubelet's port sees the pod itself
  }
}

TEST_F(BridgeNetworkTest, OnlyTrafficThatLeavesTheRangesIsMasqueraded) {
  const auto network = open_network();
  const Pod a = attach(*network, "a");
  const auto v4 = tcp_peer({a.netns_path, "192.0.2.2", 80, outside_, 80});
  ASSERT_OK(v4);
  EXPECT_EQ(*v4, "192.0.2.1");
  const auto v6 = tcp_peer({a.netns_path, "2001:db8::2", 80, outside_, 80});
  ASSERT_OK(v6);
  EXPECT_EQ(*v6, "2001:db8::1");
}

TEST_F(BridgeNetworkTest, ListedNetworksSeeThePodsOwnAddress) {
  BridgeConfig with_list = config();
  with_list.no_masquerade = {*IpPrefix::parse("192.0.2.0/24")};
  auto network = BridgeNetwork::open(with_list);
  ASSERT_OK(network);
  const Pod a = attach(**network, "a");
  shell("nsenter --net=" + outside_ + " ip route add 10.88.0.0/22 via 192.0.2.1");
  const auto peer = tcp_peer({a.netns_path, "192.0.2.2", 80, outside_, 80});
  ASSERT_OK(peer);
  EXPECT_EQ(*peer, a.addresses.ips[0].text());
  const auto inward = tcp_peer({outside_, a.addresses.ips[0].text(), 80, a.netns_path, 80});
  ASSERT_OK(inward);
  EXPECT_EQ(*inward, "192.0.2.2");
}

TEST_F(BridgeNetworkTest, WorksBehindAForwardPolicyOfDrop) {
  shell("iptables-nft -P FORWARD DROP; ip6tables-nft -P FORWARD DROP");
  const auto network = open_network();
  const Pod a = attach(*network, "a");
  const Pod b = attach(*network, "b", {mapping(Protocol::tcp, 8080, 80)});
  EXPECT_TRUE(tcp_peer({a.netns_path, b.addresses.ips[0].text(), 80, b.netns_path, 80}));
  EXPECT_TRUE(tcp_peer({a.netns_path, "192.0.2.2", 80, outside_, 80}));
  EXPECT_TRUE(tcp_peer({outside_, "192.0.2.1", 8080, b.netns_path, 80}));
  shell("iptables-nft -P FORWARD ACCEPT; ip6tables-nft -P FORWARD ACCEPT");
}

TEST_F(BridgeNetworkTest, PodLooksAsPromised) {
  const auto network = open_network();
  const Pod a = attach(*network, "a");
  const std::string enter = "nsenter --net=" + a.netns_path + " ";
  const std::string address = shell(enter + "ip -o addr show dev eth0");
  EXPECT_NE(address.find("10.88.0.2/32"), std::string::npos) << address;
  EXPECT_NE(address.find("fd00:88::2/128"), std::string::npos) << address;
  EXPECT_EQ(address.find("tentative"), std::string::npos) << address;
  EXPECT_NE(shell(enter + "ip route").find("default via 10.88.0.1 dev eth0"), std::string::npos);
  EXPECT_NE(shell(enter + "ip -6 route").find("default via fd00:88::1 dev eth0"), std::string::npos);
  EXPECT_NE(shell(enter + "ip link show lo").find("UP"), std::string::npos);
  EXPECT_EQ(a.addresses.mac, "0a:6b:0a:58:00:02");
  EXPECT_NE(shell(enter + "ip link show eth0").find(a.addresses.mac), std::string::npos);
  const std::string port = shell("bridge -d link show dev " + host_interface_name("a"));
  EXPECT_NE(port.find("hairpin on"), std::string::npos) << port;
  EXPECT_EQ(a.addresses.gateways[0].text(), "10.88.0.1");
}

TEST_F(BridgeNetworkTest, TheMtuIsTheUplinks) {
  shell("ip link add uplink0 mtu 1400 type veth peer name far0; ip link add uplink1 mtu 1300 type veth peer name far1; "
        "ip link set uplink0 up; ip link set uplink1 up; "
        "ip route add default dev uplink1 metric 20; ip route add default dev uplink0 metric 10");
  {
    const auto network = open_network();
    ASSERT_TRUE(network);
    const Pod pod = attach(*network, "a");
    EXPECT_NE(shell("nsenter --net=" + pod.netns_path + " ip link show eth0").find("mtu 1400"), std::string::npos);
    EXPECT_NE(shell("ip link show " + config().bridge).find("mtu 1400"), std::string::npos);
    remove_pod(*network, pod);
  }
  shell("ip link del uplink0; ip link set uplink1 mtu 1000");
  const auto network = open_network(); // with IPv6 ranges, which need 1280
  ASSERT_TRUE(network);
  const std::string bridge = shell("ip link show " + config().bridge);
  EXPECT_NE(bridge.find("mtu 1280"), std::string::npos) << bridge << shell("ip route; ip link");
  shell("ip link del uplink1");
}

TEST_F(BridgeNetworkTest, DetachLeavesNothing) {
  const auto network = open_network();
  const std::string before = kernel_state();
  const Pod a = attach(*network, "a", {mapping(Protocol::tcp, 8080, 80), mapping(Protocol::udp, 53, 53)});
  EXPECT_NE(kernel_state(), before);
  remove_pod(*network, a);
  EXPECT_EQ(kernel_state(), before);
  EXPECT_EQ(names_in(*dir_ / "node/attachments"), std::vector<std::string>());
  for (const std::string& name : names_in(*dir_ / "node/ipam/bridge")) EXPECT_TRUE(name.starts_with("next.")) << name;
  EXPECT_TRUE(network->detach({"a", {}, a.netns_path})); // twice, and with the namespace gone
  EXPECT_TRUE(network->detach({"never-seen", {}, "/nowhere"}));
}

TEST_F(BridgeNetworkTest, DetachWorksWhenTheNamespaceIsGone) {
  const auto network = open_network();
  const Pod a = attach(*network, "a");
  ASSERT_TRUE(unpin_namespaces(a.dir));
  EXPECT_OK(network->detach({"a", {}, a.netns_path}));
  EXPECT_EQ(shell("ip -o link").find(host_interface_name("a")), std::string::npos);
}

TEST_F(BridgeNetworkTest, RemoveLeavesOnlyWhatOthersMade) {
  const std::string before = kernel_state();
  shell("iptables-nft -t nat -N THEIRS; iptables-nft -t nat -A POSTROUTING -s 203.0.113.0/24 -j THEIRS");
  const std::string with_theirs = kernel_state();
  const auto network = open_network();
  const Pod a = attach(*network, "a", {mapping(Protocol::tcp, 8080, 80)});
  EXPECT_NE(shell("iptables-nft -t nat -S").find("-s 203.0.113.0/24 -j THEIRS"), std::string::npos);
  remove_pod(*network, a);
  ASSERT_OK(network->remove());
  EXPECT_EQ(kernel_state(), with_theirs);
  shell("iptables-nft -t nat -F POSTROUTING; iptables-nft -t nat -X THEIRS");
  EXPECT_EQ(kernel_state(), before);
}

TEST_F(BridgeNetworkTest, OpeningAgainAddsNothing) {
  const auto first = open_network();
  const std::string once = kernel_state();
  const auto second = open_network();
  EXPECT_EQ(kernel_state(), once);
  // A jump that somebody doubled or deleted is one again.
  shell("iptables-nft -t nat -A POSTROUTING -j KEELSON-POSTROUTING; iptables-nft -D FORWARD -j KEELSON-FORWARD");
  const auto third = open_network();
  EXPECT_EQ(kernel_state(), once);
}

TEST_F(BridgeNetworkTest, SecondAttachGivesTheSameAddresses) {
  const auto network = open_network();
  const Pod a = attach(*network, "a");
  const auto again = network->attach(request(a));
  ASSERT_OK(again);
  EXPECT_EQ(again->ips, a.addresses.ips);
  EXPECT_EQ(again->mac, a.addresses.mac);
}

TEST_F(BridgeNetworkTest, CheckSaysWhatIsMissing) {
  const auto network = open_network();
  const Pod a = attach(*network, "a");
  ASSERT_OK(network->check("a", a.netns_path));
  EXPECT_EQ(network->check("b", a.netns_path).error().code, Code::not_found);
  shell("nsenter --net=" + a.netns_path + " ip addr del 10.88.0.2/32 dev eth0");
  EXPECT_NE(network->check("a", a.netns_path).error().message.find("10.88.0.2"), std::string::npos);
  shell("ip link set " + host_interface_name("a") + " nomaster");
  EXPECT_NE(network->check("a", a.netns_path).error().message.find("not connected"), std::string::npos);
  shell("ip link del " + host_interface_name("a"));
  EXPECT_EQ(network->check("a", a.netns_path).error().code, Code::failed_precondition);
  const auto repaired = network->attach(request(a));
  ASSERT_OK(repaired);
  EXPECT_OK(network->check("a", a.netns_path));
}

TEST_F(BridgeNetworkTest, FailedAttachUndoesEverything) {
  const auto network = open_network();
  const std::string before = kernel_state();
  Pod ghost;
  ghost.id = "ghost";
  ghost.netns_path = *dir_ / "nowhere";
  EXPECT_FALSE(network->attach(request(ghost)));
  Pod occupied = make_pod("occupied");
  shell("nsenter --net=" + occupied.netns_path + " ip link add eth0 type veth peer name x1");
  const auto refused = network->attach(request(occupied));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("default/occupied"), std::string::npos) << refused.error().message;
  AttachRequest late = request(make_pod("late"));
  late.deadline = Deadline::after(std::chrono::nanoseconds(0));
  EXPECT_EQ(network->attach(late).error().code, Code::deadline_exceeded);
  EXPECT_EQ(kernel_state(), before);
  EXPECT_TRUE(list_dir(*dir_ / "node/attachments")->empty());
}

TEST_F(BridgeNetworkTest, ReconcileFreesWhatNobodyOwns) {
  const Pod pods[] = {[&] {
                        const auto network = open_network();
                        return attach(*network, "live", {mapping(Protocol::tcp, 8080, 80)});
                      }(),
                      [&] {
                        const auto network = open_network();
                        return attach(*network, "dead", {mapping(Protocol::tcp, 8081, 80)});
                      }()};
  // And a link whose record is lost.
  ASSERT_TRUE(remove_file_at(AT_FDCWD, *dir_ / "node/attachments/dead"));
  const auto network = open_network(); // as after a restart
  ASSERT_OK(network->reconcile({"live"}));
  EXPECT_EQ(shell("ip -o link").find(host_interface_name("dead")), std::string::npos);
  EXPECT_EQ(shell("iptables-nft -t nat -S").find("8081"), std::string::npos);
  EXPECT_FALSE(exists(*dir_ / ("node/ipam/bridge/" + pods[1].addresses.ips[0].text())));
  EXPECT_TRUE(exists(*dir_ / ("node/ipam/bridge/" + pods[0].addresses.ips[0].text())));
  EXPECT_OK(network->check("live", pods[0].netns_path));
  EXPECT_OK(tcp_peer({outside_, "192.0.2.1", 8080, pods[0].netns_path, 80}));
  // Links of others on our bridge stay.
  shell("ip link add foreign0 type veth peer name foreign1; ip link set foreign0 master keelson0");
  ASSERT_OK(network->reconcile({}));
  EXPECT_NE(shell("ip -o link").find("foreign0"), std::string::npos);
  EXPECT_EQ(shell("ip -o link").find(host_interface_name("live")), std::string::npos);
  shell("ip link del foreign0");
}

TEST_F(BridgeNetworkTest, ManyAtOnceGetDifferentAddresses) {
  const auto network = open_network();
  const std::string before = kernel_state();
  constexpr int kThreads = 4;
  constexpr int kEach = 50;
  std::vector<Pod> pods;
  for (int i = 0; i < kThreads * kEach; ++i) pods.push_back(make_pod("p" + std::to_string(i)));
  std::mutex mutex;
  std::set<IpAddress> seen;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int i = t * kEach; i < (t + 1) * kEach; ++i) {
        const auto addresses = network->attach(request(pods[static_cast<std::size_t>(i)]));
        const std::lock_guard lock(mutex);
        EXPECT_TRUE(addresses) << addresses.error().message;
        if (!addresses) return;
        for (const IpAddress& ip : addresses->ips) EXPECT_TRUE(seen.insert(ip).second) << ip.text();
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(seen.size(), 400U);
  threads.clear();
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int i = t * kEach; i < (t + 1) * kEach; ++i)
        EXPECT_TRUE(network->detach({pods[static_cast<std::size_t>(i)].id, {}, {}}));
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(kernel_state(), before);
}

TEST_F(BridgeNetworkTest, KilledInTheMiddleLeavesNothingAfterReconcile) {
  { ASSERT_TRUE(open_network()); } // the fixed rules are there before and after
  std::vector<Pod> pods;
  for (int i = 0; i < 8; ++i) pods.push_back(make_pod("k" + std::to_string(i)));
  const std::string before = kernel_state();
  std::mt19937 random(42);
  for (int round = 0; round < 30; ++round) {
    const pid_t child = fork();
    if (child == 0) {
      auto network = BridgeNetwork::open(config());
      for (int i = 0; network && i < 1000; ++i) {
        AttachRequest wanted = request(pods[static_cast<std::size_t>(i) % pods.size()]);
        if (i % 5 == 4) wanted.ports = {mapping(Protocol::tcp, 9000, 80)};
        if (!(*network)->attach(wanted) || !(*network)->detach({wanted.sandbox_id, {}, {}})) _exit(1);
      }
      _exit(0);
    }
    poll(nullptr, 0, std::uniform_int_distribution<int>(0, 120)(random)); // the moment is what the test varies
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "an attach or detach failed in round " << round;
    const auto network = open_network();
    ASSERT_TRUE(network);
    ASSERT_OK(network->reconcile({}));
    ASSERT_EQ(kernel_state(), before) << "round " << round;
    ASSERT_TRUE(list_dir(*dir_ / "node/attachments")->empty());
    for (const std::string& name : names_in(*dir_ / "node/ipam/bridge")) ASSERT_TRUE(name.starts_with("next.")) << name;
  }
}

TEST_F(BridgeNetworkTest, CountsThePodsTraffic) {
  const auto network = open_network();
  const Pod a = attach(*network, "a");
  const UniqueFd netns = *open_pinned_namespace(a.dir, NamespaceKind::net);
  const auto before = read_interface_stats(netns.get());
  ASSERT_OK(before);
  ASSERT_EQ(before->size(), 1U);
  EXPECT_EQ(before->front().name, "eth0");
  EXPECT_OK(tcp_peer({"", a.addresses.ips[0].text(), 80, a.netns_path, 80}));
  const auto after = read_interface_stats(netns.get());
  EXPECT_GT(after->front().rx_bytes, before->front().rx_bytes + 100);
  EXPECT_GT(after->front().tx_packets, before->front().tx_packets);
  EXPECT_EQ(after->front().rx_errors, 0U);
  bool bridge_seen = false;
  const auto of_node = read_interface_stats();
  for (const InterfaceStats& stats : *of_node) bridge_seen |= stats.name == "keelson0";
  EXPECT_TRUE(bridge_seen);
}

TEST_F(BridgeNetworkTest, RefusesWhatCannotWork) {
  shell("ip link add keelson0 type veth peer name x1");
  auto taken = BridgeNetwork::open(config());
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, Code::already_exists);
  shell("ip link del keelson0");
  BridgeConfig missing = config();
  missing.iptables.restore4 = "no-such-iptables-restore";
  auto unready = BridgeNetwork::open(missing);
  ASSERT_FALSE(unready);
  EXPECT_EQ(unready.error().code, Code::failed_precondition);
  EXPECT_NE(unready.error().message.find("install iptables"), std::string::npos);
  missing.masquerade = missing.host_ports = false;
  auto bare = BridgeNetwork::open(missing);
  ASSERT_OK(bare);
  Pod pod = make_pod("a");
  AttachRequest with_port = request(pod);
  with_port.ports = {mapping(Protocol::tcp, 80, 80)};
  EXPECT_EQ((*bare)->attach(with_port).error().code, Code::failed_precondition);
  EXPECT_OK((*bare)->attach(request(pod)));
  for (auto* name : {"", "a/b", "sixteen-letters-x", ".."}) {
    BridgeConfig bad = config();
    bad.bridge = name;
    EXPECT_FALSE(BridgeNetwork::open(bad)) << name;
  }
  BridgeConfig bad = config();
  bad.iptables.chain_prefix = "X\n-F";
  EXPECT_FALSE(BridgeNetwork::open(bad));
}

TEST_F(BridgeNetworkTest, StatusSeesALostBridge) {
  const auto network = open_network();
  EXPECT_TRUE(network->status().ready);
  shell("ip link set keelson0 down");
  EXPECT_FALSE(network->status().ready);
  shell("ip link del keelson0");
  EXPECT_NE(network->status().reason.find("keelson0"), std::string::npos);
}

// A plug-in that is a program, or a call of iptables for each pod, would cost many process starts.
TEST_F(BridgeNetworkTest, AttachAndDetachCostLittleMoreThanAProcessStart) {
  const auto network = open_network();
  std::vector<double> attach_ms;
  std::vector<double> detach_ms;
  std::vector<double> create_ms;
  std::vector<double> process_ms;
  const auto now = [] { return std::chrono::steady_clock::now(); };
  const auto ms = [](auto time) { return std::chrono::duration<double, std::milli>(time).count(); };
  for (int i = 0; i < 60; ++i) {
    const auto start = now();
    const Pod pod = make_pod("m" + std::to_string(i));
    const auto created = now();
    ASSERT_OK(network->attach(request(pod)));
    const auto attached = now();
    ASSERT_OK(network->detach({pod.id, {}, {}}));
    const auto detached = now();
    shell("ip link show lo");
    process_ms.push_back(ms(now() - detached));
    detach_ms.push_back(ms(detached - attached));
    attach_ms.push_back(ms(attached - created));
    create_ms.push_back(ms(created - start));
  }
  const auto median = [](std::vector<double>& values) {
    std::nth_element(values.begin(), values.begin() + 30, values.end());
    return values[30];
  };
  const double process = median(process_ms);
  fmt::print("create {:.2f} ms, attach {:.2f} ms, detach {:.2f} ms, ip(8) {:.2f} ms (medians of 60)\n",
             median(create_ms), median(attach_ms), median(detach_ms), process);
  EXPECT_LT(median(attach_ms), 4 * process);
  EXPECT_LT(median(detach_ms), 4 * process);
}

} // namespace
} // namespace keelson::netns::test
