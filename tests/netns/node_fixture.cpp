#include "tests/netns/node_fixture.hpp"

#include "base/file.hpp"
#include "base/namespace_thread.hpp"
#include "base/process.hpp"
#include "netns/links.hpp"
#include "tests/support/requirements.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstring>

namespace keelson::netns::test {

bool in_own_namespaces = false;

namespace {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

SocketAddress socket_address(const std::string& text, std::uint16_t port) {
  SocketAddress address;
  const IpAddress ip = *IpAddress::parse(text);
  if (ip.is_v4()) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    std::memcpy(&v4->sin_addr, ip.data(), 4);
    address.size = sizeof(*v4);
  } else {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    std::memcpy(&v6->sin6_addr, ip.data(), 16);
    address.size = sizeof(*v6);
  }
  return address;
}

std::string text_of(const SocketAddress& address) {
  if (address.storage.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address.storage);
    return IpAddress::from_bytes(Family::ipv4, reinterpret_cast<const std::uint8_t*>(&v4->sin_addr)).text();
  }
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address.storage);
  return IpAddress::from_bytes(Family::ipv6, reinterpret_cast<const std::uint8_t*>(&v6->sin6_addr)).text();
}

// A socket belongs to the namespace of the thread that makes it.
Result<UniqueFd> socket_in(const std::string& netns_path, int family, int type) {
  UniqueFd fd;
  const auto make = [&]() -> Result<> {
    fd.reset(::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    return fd ? Result<>() : fail_errno(errno, "socket");
  };
  if (netns_path.empty()) {
    TRY(make());
  } else {
    TRY_ASSIGN(const UniqueFd netns, open_at(AT_FDCWD, netns_path, O_RDONLY));
    TRY(run_in_net_namespace(netns.get(), make));
  }
  return fd;
}

Result<> wait_for(int fd, short events) {
  pollfd wait{fd, events, 0};
  const int ready = poll(&wait, 1, 2000);
  if (ready <= 0) return fail(Code::deadline_exceeded, "nothing came within 2 s");
  return {};
}

Result<UniqueFd> server_socket(const Route& route, int type) {
  const bool v6 = route.target.find(':') != std::string::npos;
  TRY_ASSIGN(UniqueFd server, socket_in(route.server, v6 ? AF_INET6 : AF_INET, type));
  const int on = 1;
  setsockopt(server.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  SocketAddress any = socket_address(v6 ? "::" : "0.0.0.0", route.server_port);
  if (bind(server.get(), any.get(), any.size) != 0) return fail_errno(errno, "bind");
  if (type == SOCK_STREAM && listen(server.get(), 4) != 0) return fail_errno(errno, "listen");
  return server;
}

} // namespace

Result<std::string> tcp_peer(const Route& route) {
  TRY_ASSIGN(const UniqueFd server, server_socket(route, SOCK_STREAM));
  SocketAddress target = socket_address(route.target, route.port);
  TRY_ASSIGN(const UniqueFd client, socket_in(route.from, target.storage.ss_family, SOCK_STREAM));
  if (connect(client.get(), target.get(), target.size) != 0 && errno != EINPROGRESS)
    return fail_errno(errno, "connect");
  TRY(wait_for(client.get(), POLLOUT));
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(client.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return fail_errno(error, "connect");
  TRY(wait_for(server.get(), POLLIN));
  SocketAddress peer;
  peer.size = sizeof(peer.storage);
  const UniqueFd accepted(accept4(server.get(), peer.get(), &peer.size, SOCK_CLOEXEC));
  if (!accepted) return fail_errno(errno, "accept");
  TRY(write_all(accepted.get(), "x")); // both directions work
  TRY(wait_for(client.get(), POLLIN));
  return text_of(peer);
}

Result<std::string> udp_peer(const Route& route) {
  TRY_ASSIGN(const UniqueFd server, server_socket(route, SOCK_DGRAM));
  SocketAddress target = socket_address(route.target, route.port);
  TRY_ASSIGN(const UniqueFd client, socket_in(route.from, target.storage.ss_family, SOCK_DGRAM));
  if (connect(client.get(), target.get(), target.size) != 0) return fail_errno(errno, "connect");
  if (send(client.get(), "x", 1, 0) != 1) return fail_errno(errno, "send");
  TRY(wait_for(server.get(), POLLIN));
  SocketAddress peer;
  peer.size = sizeof(peer.storage);
  char byte = 0;
  if (recvfrom(server.get(), &byte, 1, 0, peer.get(), &peer.size) != 1) return fail_errno(errno, "recvfrom");
  if (sendto(server.get(), "y", 1, 0, peer.get(), peer.size) != 1) return fail_errno(errno, "sendto");
  TRY(wait_for(client.get(), POLLIN));
  return text_of(peer);
}

std::string shell(const std::string& command) {
  SpawnOptions options;
  options.argv = {"sh", "-c", command};
  const auto output = run_command(std::move(options));
  return output ? output->out + output->err : output.error().message;
}

PortMapping mapping(Protocol protocol, std::uint16_t host, std::uint16_t container, const char* host_ip) {
  PortMapping port;
  port.protocol = protocol;
  port.host_port = host;
  port.container_port = container;
  if (host_ip != nullptr) port.host_ip = *IpAddress::parse(host_ip);
  return port;
}

void NodeFixture::SetUp() {
  KEELSON_REQUIRE(in_own_namespaces, "needs root: unshare(CLONE_NEWNET | CLONE_NEWNS)");
  dir_ = std::make_unique<keelson::test::TempDir>("netns");
  const Pod outside = make_pod("outside");
  outside_ = outside.netns_path;
  const std::string enter = "nsenter --net=" + outside_ + " ";
  ASSERT_EQ(shell("ip link set lo up && ip link add out0 type veth peer name up0 && ip link set up0 netns " + outside_ +
                  " && ip addr add 192.0.2.1/24 dev out0 && ip addr add 2001:db8::1/64 dev out0 nodad && "
                  "ip link set out0 up && " +
                  enter + "ip addr add 192.0.2.2/24 dev up0 && " + enter +
                  "ip addr add 2001:db8::2/64 dev up0 nodad && " + enter + "ip link set up0 up"),
            "");
}

void NodeFixture::TearDown() {
  if (!dir_) return;
  for (const std::string& dir : pods_) EXPECT_TRUE(unpin_namespaces(dir));
  shell("ip link del out0");
  // Whatever a failed test left: the next one starts from nothing.
  shell("ip link del keelson0; ip -o link | grep -o 'kv[0-9a-v]\\{13\\}' | xargs -r -n1 ip link del");
  for (const char* tool : {"iptables-nft", "ip6tables-nft", "iptables-legacy", "ip6tables-legacy"})
    for (const char* table : {"nat", "filter", "mangle"})
      shell(fmt::format("{0} -t {1} -F; {0} -t {1} -X", tool, table));
}

BridgeConfig NodeFixture::config() const {
  BridgeConfig config;
  config.state_dir = *dir_ / "node";
  config.ranges = {*IpPrefix::parse("10.88.0.0/22"), *IpPrefix::parse("fd00:88::/64")};
  config.iptables.restore4 = restore4;
  config.iptables.restore6 = restore6;
  return config;
}

std::unique_ptr<BridgeNetwork> NodeFixture::open_network() const {
  auto network = BridgeNetwork::open(config());
  EXPECT_TRUE(network) << network.error().message;
  return network ? std::move(*network) : nullptr;
}

Pod NodeFixture::make_pod(const std::string& id) {
  Pod pod;
  pod.id = id;
  pod.dir = *dir_ / ("ns-" + id);
  pod.netns_path = namespace_path(pod.dir, NamespaceKind::net);
  EXPECT_TRUE(make_dirs(pod.dir, 0700));
  NamespaceSpec spec;
  spec.ipc = spec.uts = false;
  const auto pinned = create_pinned_namespaces(pod.dir, spec);
  EXPECT_TRUE(pinned) << pinned.error().message;
  pods_.push_back(pod.dir);
  return pod;
}

AttachRequest NodeFixture::request(const Pod& pod) const {
  AttachRequest request;
  request.sandbox_id = pod.id;
  request.pod = {pod.id, "default", "uid-" + pod.id};
  request.netns_path = pod.netns_path;
  return request;
}

Pod NodeFixture::attach(BridgeNetwork& network, const std::string& id, std::vector<PortMapping> ports) {
  Pod pod = make_pod(id);
  AttachRequest wanted = request(pod);
  wanted.ports = std::move(ports);
  auto addresses = network.attach(wanted);
  EXPECT_TRUE(addresses) << addresses.error().message;
  if (addresses) pod.addresses = *addresses;
  return pod;
}

void NodeFixture::remove_pod(BridgeNetwork& network, const Pod& pod) {
  const auto done = network.detach({pod.id, {}, pod.netns_path});
  EXPECT_TRUE(done) << done.error().message;
  EXPECT_TRUE(unpin_namespaces(pod.dir));
}

} // namespace keelson::netns::test
