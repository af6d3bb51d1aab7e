#include "base/file.hpp"
#include "netns/bridge_rules.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

namespace keelson::netns {
namespace {

RuleOptions options() {
  RuleOptions options;
  options.bridge = "keelson0";
  options.ranges = {*IpPrefix::parse("10.88.0.0/24"), *IpPrefix::parse("10.89.0.0/24"),
                    *IpPrefix::parse("fd00:88::/64")};
  options.no_masquerade = {*IpPrefix::parse("10.90.0.0/16"), *IpPrefix::parse("fd00:90::/48")};
  return options;
}

PortMapping port(Protocol protocol, std::uint16_t host, std::uint16_t container, const char* host_ip = nullptr) {
  PortMapping mapping;
  mapping.protocol = protocol;
  mapping.host_port = host;
  mapping.container_port = container;
  if (host_ip != nullptr) mapping.host_ip = *IpAddress::parse(host_ip);
  return mapping;
}

std::vector<PodHostPorts> pods() {
  return {{"default/web",
           {*IpAddress::parse("10.88.0.5"), *IpAddress::parse("fd00:88::5")},
           {port(Protocol::tcp, 8080, 80), port(Protocol::udp, 53, 5353, "192.0.2.1"), port(Protocol::tcp, 0, 81)}},
          {"a\"b\n-A INPUT -j DROP/evil", {*IpAddress::parse("10.88.0.6")}, {port(Protocol::sctp, 9, 9, "0.0.0.0")}}};
}

// KEELSON_UPDATE_GOLDEN=1 rewrites the files.
void expect_golden(const std::string& name, const std::string& text) {
  const std::string path = std::string(KEELSON_NETNS_GOLDEN) + "/" + name;
  if (std::getenv("KEELSON_UPDATE_GOLDEN") != nullptr) {
    ASSERT_TRUE(write_file_atomic(path, text, 0644));
  }
  const auto expected = read_file(path);
  ASSERT_TRUE(expected) << expected.error().message;
  EXPECT_EQ(text, *expected);
}

TEST(BridgeRules, TextForIpv4) {
  expect_golden("rules-v4", format_chains(options(), Family::ipv4, pods()));
}

TEST(BridgeRules, TextForIpv6) {
  expect_golden("rules-v6", format_chains(options(), Family::ipv6, pods()));
}

TEST(BridgeRules, HostPortsTouchOnlyTheirChains) {
  expect_golden("host-ports-v4", format_host_port_chains(options(), Family::ipv4, pods()));
}

TEST(BridgeRules, JumpsAreReplacedInOneTransactionPerTable) {
  expect_golden("jumps-v4", format_jump_replacement(bridge_jumps(options(), Family::ipv4)));
  expect_golden("jumps-v6", format_jump_replacement(bridge_jumps(options(), Family::ipv6)));
}

TEST(BridgeRules, NamesCannotLeaveTheirComment) {
  const std::string text = format_chains(options(), Family::ipv4, pods());
  EXPECT_EQ(text.find("\n-A INPUT"), std::string::npos);
  EXPECT_NE(text.find("\"a_b_-A_INPUT_-j_DROP/evil\""), std::string::npos);
}

TEST(BridgeRules, WithoutLocalhostNothingLeadsFromIt) {
  RuleOptions closed = options();
  closed.localhost_host_ports = false;
  const std::string text = format_chains(closed, Family::ipv4, pods());
  EXPECT_EQ(text.find("127.0.0.0/8"), std::string::npos);
  bool excluded = false;
  for (const Jump& jump : bridge_jumps(closed, Family::ipv4))
    if (jump.chain == "OUTPUT") excluded = jump.rule.starts_with("! -d 127.0.0.0/8 ");
  EXPECT_TRUE(excluded);
}

TEST(BridgeRules, WithoutMasqueradeOnlyHairpinIsTranslated) {
  RuleOptions plain = options();
  plain.masquerade = false;
  const std::string text = format_chains(plain, Family::ipv6, pods());
  EXPECT_EQ(text.find("--random-fully"), std::string::npos);
  EXPECT_NE(text.find("-s fd00:88::5/128 -d fd00:88::5/128 -j MASQUERADE"), std::string::npos);
}

TEST(PortMapping, ConflictsOnlyWithTheSamePort) {
  EXPECT_TRUE(conflict(port(Protocol::tcp, 80, 1), port(Protocol::tcp, 80, 2)));
  EXPECT_FALSE(conflict(port(Protocol::tcp, 80, 1), port(Protocol::udp, 80, 1)));
  EXPECT_FALSE(conflict(port(Protocol::tcp, 80, 1), port(Protocol::tcp, 81, 1)));
  EXPECT_FALSE(conflict(port(Protocol::tcp, 0, 1), port(Protocol::tcp, 0, 1)));
  EXPECT_TRUE(conflict(port(Protocol::tcp, 80, 1, "192.0.2.1"), port(Protocol::tcp, 80, 2)));
  EXPECT_TRUE(conflict(port(Protocol::tcp, 80, 1, "192.0.2.1"), port(Protocol::tcp, 80, 2, "0.0.0.0")));
  EXPECT_FALSE(conflict(port(Protocol::tcp, 80, 1, "192.0.2.1"), port(Protocol::tcp, 80, 2, "192.0.2.2")));
  EXPECT_FALSE(conflict(port(Protocol::tcp, 80, 1, "0.0.0.0"), port(Protocol::tcp, 80, 2, "::")));
}

} // namespace
} // namespace keelson::netns
