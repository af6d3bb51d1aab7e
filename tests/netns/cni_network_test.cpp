#include "base/file.hpp"
#include "base/text.hpp"
#include "netns/auto_network.hpp"
#include "tests/netns/node_fixture.hpp"
#include "tests/support/poll_until.hpp"
#include "tests/support/requirements.hpp"

#include <sys/stat.h>

#include <thread>

namespace keelson::netns::test {
namespace {

constexpr const char* kDebianPlugins = "/usr/lib/cni";

class CniNetworkTest : public NodeFixture {
 protected:
  void SetUp() override {
    NodeFixture::SetUp();
    if (!dir_) return;
    conf_ = *dir_ / "net.d";
    bin_ = *dir_ / "bin";
    log_ = *dir_ / "calls";
    ASSERT_TRUE(make_dirs(conf_, 0700));
    ASSERT_TRUE(make_dirs(bin_, 0700));
  }

  CniConfig cni_config() const {
    CniConfig config;
    config.config_dir = conf_;
    config.plugin_dirs = {bin_, kDebianPlugins};
    config.cache_dir = *dir_ / "node/cni";
    return config;
  }
  std::unique_ptr<CniNetwork> open_cni() const { return open_cni(cni_config()); }
  std::unique_ptr<CniNetwork> open_cni(const CniConfig& config) const {
    auto network = CniNetwork::open(config);
    EXPECT_TRUE(network) << network.error().message;
    return network ? std::move(*network) : nullptr;
  }
  void write_conf(const std::string& name, const std::string& text) const {
    ASSERT_TRUE(write_file_atomic(conf_ + "/" + name, text));
  }
  // A plug-in that logs its command, environment and input, then runs the lines.
  void write_plugin(const std::string& name, const std::string& lines) const {
    const std::string text =
        fmt::format("#!/bin/sh\ninput=$(cat)\necho \"{} $CNI_COMMAND id=$CNI_CONTAINERID if=$CNI_IFNAME "
                    "ns=$CNI_NETNS args=$CNI_ARGS path=$CNI_PATH $input\" >> {}\n{}\n",
                    name, log_, lines);
    ASSERT_TRUE(write_file_atomic(bin_ + "/" + name, text, 0755));
  }
  std::vector<std::string> calls() const {
    const auto text = read_file(log_);
    std::vector<std::string> lines;
    if (!text) return lines;
    for (const std::string_view line : split(trim(*text), '\n')) lines.emplace_back(line);
    return lines;
  }
  // "first ADD, second ADD"
  std::string order() const {
    std::vector<std::string> heads;
    for (const std::string& call : calls()) {
      const auto words = split_words(call);
      heads.push_back(std::string(words[0]) + " " + std::string(words[1]));
    }
    return join(heads, ", ");
  }
  static constexpr const char* kResult =
      "[ $CNI_COMMAND = ADD ] && echo '{\"cniVersion\":\"1.0.0\",\"ips\":[{\"address\":\"10.5.0.2/24\"}]}'; exit 0";
  static constexpr const char* kTwo =
      R"({"cniVersion":"1.0.0","name":"two","plugins":[{"type":"first"},{"type":"second","capabilities":{"portMappings":true}}]})";

  std::string conf_;
  std::string bin_;
  std::string log_;
};

TEST_F(CniNetworkTest, ChainsPluginsForwardAndBack) {
  write_conf("10.conflist", kTwo);
  write_plugin("first", kResult);
  write_plugin("second", kResult);
  const auto network = open_cni();
  AttachRequest wanted = request(make_pod("a"));
  wanted.ports = {mapping(Protocol::tcp, 8080, 80)};
  const auto addresses = network->attach(wanted);
  ASSERT_OK(addresses);
  EXPECT_EQ(addresses->ips[0].text(), "10.5.0.2");
  ASSERT_OK(network->check("a", wanted.netns_path));
  ASSERT_OK(network->detach({"a", {}, wanted.netns_path}));
  EXPECT_EQ(order(), "first ADD, second ADD, first CHECK, second CHECK, second DEL, first DEL");
  const auto log = calls();
  EXPECT_NE(log[0].find("id=a if=eth0 ns=" + wanted.netns_path), std::string::npos) << log[0];
  EXPECT_NE(log[0].find("K8S_POD_NAMESPACE=default;K8S_POD_NAME=a;K8S_POD_INFRA_CONTAINER_ID=a;K8S_POD_UID=uid-a"),
            std::string::npos);
  EXPECT_NE(log[0].find("path=" + bin_ + ":"), std::string::npos);
  EXPECT_EQ(log[0].find("prevResult"), std::string::npos);
  EXPECT_EQ(log[0].find("runtimeConfig"), std::string::npos);
  EXPECT_NE(log[1].find("\"runtimeConfig\":{\"portMappings\":[{\"hostPort\":8080"), std::string::npos) << log[1];
  for (std::size_t i = 1; i < log.size(); ++i) EXPECT_NE(log[i].find("\"prevResult\":{"), std::string::npos) << log[i];
  EXPECT_TRUE(list_dir(*dir_ / "node/cni")->empty());
  EXPECT_OK(network->detach({"a", {}, wanted.netns_path}));
  EXPECT_EQ(calls().size(), 6U); // nothing to do any more
}

TEST_F(CniNetworkTest, DetachAfterARestartUsesWhatAddHad) {
  write_conf("10.conflist", kTwo);
  write_plugin("first", kResult);
  write_plugin("second", kResult);
  AttachRequest wanted = request(make_pod("a"));
  { ASSERT_OK(open_cni()->attach(wanted)); }
  ASSERT_TRUE(remove_file_at(AT_FDCWD, conf_ + "/10.conflist"));
  const auto network = open_cni();
  EXPECT_FALSE(network->status().ready);
  ASSERT_TRUE(unpin_namespaces(*dir_ / "ns-a"));
  ASSERT_OK(network->detach({"a", {}, wanted.netns_path}));
  EXPECT_EQ(order(), "first ADD, second ADD, second DEL, first DEL");
  EXPECT_NE(calls()[2].find("prevResult"), std::string::npos);
  EXPECT_NE(calls()[2].find(" ns= "), std::string::npos) << calls()[2]; // it is gone
}

TEST_F(CniNetworkTest, FailedAddIsUndoneInFull) {
  write_conf("10.conflist", kTwo);
  write_plugin("first", kResult);
  write_plugin("second", "[ $CNI_COMMAND = ADD ] && { echo '{\"code\":11,\"msg\":\"no room\"}'; exit 1; }; exit 1");
  const auto network = open_cni();
  const auto refused = network->attach(request(make_pod("a")));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::unavailable);
  EXPECT_NE(refused.error().message.find("no room"), std::string::npos);
  // second's DEL fails, first's is made all the same, and the record stays for the next detach.
  EXPECT_EQ(order(), "first ADD, second ADD, second DEL, first DEL");
  write_plugin("second", "exit 0");
  EXPECT_FALSE(list_dir(*dir_ / "node/cni")->empty());
  ASSERT_OK(network->reconcile({}));
  EXPECT_TRUE(list_dir(*dir_ / "node/cni")->empty());
}

TEST_F(CniNetworkTest, HangingPluginIsKilledWithItsChildren) {
  write_conf("10.conf", R"({"cniVersion":"1.0.0","name":"one","type":"first"})");
  write_plugin("first", "[ $CNI_COMMAND = ADD ] || exit 0; sleep 4711 & echo $! > " + log_ + ".pid; wait");
  const auto network = open_cni();
  AttachRequest wanted = request(make_pod("a"));
  wanted.deadline = Deadline::after(std::chrono::milliseconds(700));
  const auto late = network->attach(wanted);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::deadline_exceeded);
  const std::string pid(trim(*read_file(log_ + ".pid")));
  EXPECT_TRUE(keelson::test::poll_until(Deadline::after(std::chrono::seconds(3)), [&] {
    const auto stat = read_file("/proc/" + pid + "/stat");
    return !stat || stat->find(") Z ") != std::string::npos;
  }));
  EXPECT_EQ(order(), "first ADD, first DEL");
}

TEST_F(CniNetworkTest, AnswersThatAreNoResultAreRefused) {
  write_conf("10.conf", R"({"cniVersion":"1.0.0","name":"one","type":"first"})");
  const auto network = open_cni();
  const Pod pod = make_pod("a");
  for (const char* lines :
       {"[ $CNI_COMMAND = ADD ] && echo nonsense", "exit 0", "[ $CNI_COMMAND = ADD ] && echo '[]'; exit 0",
        "[ $CNI_COMMAND = ADD ] && head -c 3000000 /dev/zero; exit 0",
        "[ $CNI_COMMAND = ADD ] && echo '{\"ips\":[]}'; exit 0", "kill -9 $$"}) {
    write_plugin("first", lines);
    EXPECT_FALSE(network->attach(request(pod))) << lines;
    write_plugin("first", "exit 0");
    ASSERT_OK(network->detach({"a", {}, {}}));
  }
  write_conf("10.conf", R"({"cniVersion":"1.0.0","name":"one","type":"absent"})");
  ASSERT_OK(network->reload());
  const auto missing = network->attach(request(pod));
  ASSERT_FALSE(missing);
  EXPECT_TRUE(list_dir(*dir_ / "node/cni")->empty());
  EXPECT_NE(missing.error().message.find("\"absent\" is not in " + bin_), std::string::npos) << missing.error().message;
}

TEST_F(CniNetworkTest, ReloadFollowsTheDirectory) {
  const auto network = open_cni();
  EXPECT_FALSE(network->status().ready);
  EXPECT_NE(network->status().reason.find("cni plugin not initialized"), std::string::npos);
  EXPECT_EQ(network->attach(request(make_pod("a"))).error().code, Code::unavailable);
  write_conf("20.conf", R"({"cniVersion":"1.0.0","name":"late","type":"first"})");
  ASSERT_OK(network->reload());
  EXPECT_TRUE(network->status().ready);
  EXPECT_EQ(network->network_name(), "late");
  write_conf("10.conf", "{");
  EXPECT_FALSE(network->reload());
  EXPECT_EQ(network->network_name(), "late"); // the last good one
  EXPECT_NE(network->status().reason.find("10.conf"), std::string::npos);
  shell("rm " + conf_ + "/*");
  EXPECT_FALSE(network->reload());
  EXPECT_FALSE(network->has_configuration());
}

TEST_F(CniNetworkTest, DamagedRecordCanBeDetached) {
  write_conf("10.conf", R"({"cniVersion":"1.0.0","name":"one","type":"first"})");
  write_plugin("first", kResult);
  const auto network = open_cni();
  const Pod pod = make_pod("a");
  ASSERT_OK(network->attach(request(pod)));
  ASSERT_TRUE(write_file_atomic(*dir_ / "node/cni/a", "{\"sandboxId\":"));
  ASSERT_OK(network->detach({"a", {"a", "default", "u"}, pod.netns_path}));
  EXPECT_EQ(order(), "first ADD, first DEL");
  EXPECT_TRUE(list_dir(*dir_ / "node/cni")->empty());
}

TEST_F(CniNetworkTest, RealPluginsConnectPodsAndHostPorts) {
  KEELSON_REQUIRE(exists(std::string(kDebianPlugins) + "/bridge"), "needs containernetworking-plugins");
  write_conf("10-real.conflist", fmt::format(R"({{"cniVersion":"1.0.0","name":"real","plugins":[
    {{"type":"bridge","bridge":"cnitest0","isGateway":true,"ipMasq":true,"hairpinMode":true,
      "ipam":{{"type":"host-local","dataDir":"{}","ranges":[[{{"subnet":"10.77.0.0/24"}}],[{{"subnet":"fd00:77::/64"}}]],
        "routes":[{{"dst":"0.0.0.0/0"}},{{"dst":"::/0"}}]}}}},
    {{"type":"portmap","capabilities":{{"portMappings":true}}}}]}})",
                                             *dir_ / "ipam"));
  const auto network = open_cni();
  ASSERT_TRUE(network->status().ready) << network->status().reason;
  const Pod a = make_pod("a");
  const Pod b = make_pod("b");
  AttachRequest wanted = request(a);
  wanted.ports = {mapping(Protocol::tcp, 8080, 80)};
  const auto of_a = network->attach(wanted);
  ASSERT_OK(of_a);
  const auto of_b = network->attach(request(b));
  ASSERT_OK(of_b);
  ASSERT_EQ(of_a->ips.size(), 2U);
  EXPECT_EQ(of_a->ips[0].text(), "10.77.0.2");
  EXPECT_FALSE(of_a->mac.empty());
  const auto peer = tcp_peer({b.netns_path, "10.77.0.2", 80, a.netns_path, 80});
  ASSERT_OK(peer);
  EXPECT_EQ(*peer, of_b->ips[0].text());
  EXPECT_OK(tcp_peer({outside_, "192.0.2.1", 8080, a.netns_path, 80}));
  ASSERT_OK(network->detach({"a", {}, a.netns_path}));
  ASSERT_OK(network->reconcile({}));
  EXPECT_EQ(shell("ip -o link show master cnitest0"), "");
  EXPECT_EQ(shell("iptables-nft -t nat -S 2>/dev/null | grep -c 10.77.0.2/32"), "0\n");
  EXPECT_EQ(shell("ls " + (*dir_ / "ipam") + "/real | grep -c '^10'"), "0\n");
  shell("ip link del cnitest0");
}

TEST_F(CniNetworkTest, ManyAtOnce) {
  KEELSON_REQUIRE(exists(std::string(kDebianPlugins) + "/bridge"), "needs containernetworking-plugins");
  write_conf("10.conf", fmt::format(R"({{"cniVersion":"0.4.0","name":"many","type":"bridge","bridge":"cnitest0","ipam":
    {{"type":"host-local","dataDir":"{}","subnet":"10.77.0.0/24"}}}})",
                                    *dir_ / "ipam"));
  const auto network = open_cni();
  std::vector<Pod> pods;
  for (int i = 0; i < 12; ++i) pods.push_back(make_pod("c" + std::to_string(i)));
  const Pod checked = make_pod("checked");
  ASSERT_OK(network->attach(request(checked)));
  EXPECT_OK(network->check("checked", checked.netns_path));
  shell("nsenter --net=" + checked.netns_path + " ip addr flush dev eth0");
  EXPECT_EQ(network->check("checked", checked.netns_path).error().code, Code::failed_precondition);
  ASSERT_OK(network->detach({"checked", {}, checked.netns_path}));
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (std::size_t i = t; i < pods.size(); i += 4) {
        EXPECT_OK(network->attach(request(pods[i])));
        EXPECT_OK(network->detach({pods[i].id, {}, pods[i].netns_path}));
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(list_dir(*dir_ / "node/cni")->empty());
  shell("ip link del cnitest0");
}

TEST_F(CniNetworkTest, AutoTakesTheBridgeUntilAConfigurationIsThere) {
  const auto open = [&] {
    auto network = AutoNetwork::open(cni_config(), config());
    EXPECT_TRUE(network) << network.error().message;
    return network ? std::move(*network) : nullptr;
  };
  auto network = open();
  ASSERT_TRUE(network);
  EXPECT_TRUE(network->status().ready);
  const Pod early = make_pod("early");
  const auto bridged = network->attach(request(early));
  ASSERT_OK(bridged);
  write_conf("10.conflist", kTwo);
  write_plugin("first", kResult);
  write_plugin("second", kResult);
  ASSERT_OK(network->cni().reload());
  const Pod late = make_pod("late");
  const auto plugged = network->attach(request(late));
  ASSERT_OK(plugged);
  EXPECT_EQ(plugged->ips[0].text(), "10.5.0.2");
  network = open(); // a restart of the daemon
  ASSERT_TRUE(network);
  ASSERT_OK(network->reconcile({"early", "late"}));
  const auto checked = network->check("early", early.netns_path);
  ASSERT_OK(checked);
  EXPECT_EQ(checked->ips, bridged->ips);
  EXPECT_OK(network->check("late", late.netns_path));
  EXPECT_OK(network->detach({"early", {}, early.netns_path}));
  EXPECT_OK(network->detach({"late", {}, late.netns_path}));
  EXPECT_EQ(network->check("early", early.netns_path).error().code, Code::not_found);
  ASSERT_TRUE(network->bridge());
  ASSERT_OK(network->bridge()->remove());
  network = open(); // nothing needs the bridge any more
  ASSERT_TRUE(network);
  EXPECT_FALSE(network->bridge());
}

} // namespace
} // namespace keelson::netns::test
