// A node of the test's own: its network namespace is the test process', its mounts are private, and "outside" is
// another namespace behind a link, which has no route to the pods.
//
//   outside 192.0.2.2, 2001:db8::2 -- 192.0.2.1, 2001:db8::1 node -- bridge -- pods
#pragma once

#include "netns/bridge_network.hpp"
#include "netns/pinned_namespaces.hpp"
#include "tests/support/temp_dir.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace keelson::netns::test {

// A value or a failed test.
#define ASSERT_OK(...)                                                                                                 \
  do {                                                                                                                 \
    const auto& assert_ok_ = (__VA_ARGS__);                                                                            \
    ASSERT_TRUE(assert_ok_) << assert_ok_.error().message;                                                             \
  } while (false)

#define EXPECT_OK(...)                                                                                                 \
  do {                                                                                                                 \
    const auto& expect_ok_ = (__VA_ARGS__);                                                                            \
    EXPECT_TRUE(expect_ok_) << expect_ok_.error().message;                                                             \
  } while (false)

struct Pod {
  std::string id;
  std::string dir; // of its pinned namespaces
  std::string netns_path;
  PodAddresses addresses;
};

class NodeFixture : public testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override; // checks that nothing is left

  BridgeConfig config() const;
  std::unique_ptr<BridgeNetwork> open_network() const;
  // Namespaces only.
  Pod make_pod(const std::string& id);
  AttachRequest request(const Pod& pod) const;
  Pod attach(BridgeNetwork& network, const std::string& id, std::vector<PortMapping> ports = {});
  void remove_pod(BridgeNetwork& network, const Pod& pod);

  std::string restore4 = "iptables-nft-restore";
  std::string restore6 = "ip6tables-nft-restore";
  std::unique_ptr<keelson::test::TempDir> dir_;
  std::string outside_;           // path of the outside namespace
  std::vector<std::string> pods_; // directories with pinned namespaces, to be unpinned
};

PortMapping mapping(Protocol protocol, std::uint16_t host, std::uint16_t container, const char* host_ip = nullptr);

// Connects from one namespace to an address while a server listens in another, and returns the client's address as the
// server sees it, or an error. Empty path: the node. The deadline is 2 s.
struct Route {
  std::string from;
  std::string target;
  std::uint16_t port;
  std::string server;
  std::uint16_t server_port;
};
Result<std::string> tcp_peer(const Route& route);
// The same with one datagram.
Result<std::string> udp_peer(const Route& route);

// Output of a shell command in this network namespace; the test's way to see rules and links by other eyes than ours.
std::string shell(const std::string& command);

// Whether the process runs in namespaces of its own (main made them).
extern bool in_own_namespaces;

} // namespace keelson::netns::test
