// The network of pods as the sandbox code sees it: attach, detach, check. BridgeNetwork and CniNetwork implement it.
#pragma once

#include "base/error.hpp"
#include "base/time.hpp"
#include "netns/ip_address.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::netns {

inline constexpr const char* kPodInterface = "eth0"; // inside the pod

enum class Protocol { tcp, udp, sctp };
std::string_view to_string(Protocol protocol); // "tcp", "udp", "sctp"

// A port of the node that leads to a port of the pod.
struct PortMapping {
  Protocol protocol = Protocol::tcp;
  std::uint16_t container_port = 0;
  std::uint16_t host_port = 0;      // 0: no host port; such entries are ignored
  std::optional<IpAddress> host_ip; // absent: every address of the node; 0.0.0.0 or ::: every one of that family
  bool operator==(const PortMapping&) const = default;
};

// Which pod, for messages, comments in rules, and CNI arguments.
struct PodName {
  std::string name;
  std::string name_space;
  std::string uid;
};

struct PodDns {
  std::vector<std::string> servers;
  std::vector<std::string> searches;
  std::vector<std::string> options;
};

struct AttachRequest {
  std::string sandbox_id;
  PodName pod;
  std::string netns_path; // of the pinned namespace, loopback already up
  std::vector<PortMapping> ports;
  std::string hostname;
  PodDns dns;                                     // passed to CNI plug-ins that ask for it
  std::map<std::string, std::string> annotations; // the same
  Deadline deadline = Deadline::never();
};

struct DetachRequest {
  std::string sandbox_id;
  PodName pod;            // may be empty: what attach was given is on record
  std::string netns_path; // may be empty or lead nowhere: the namespace may be gone
  Deadline deadline = Deadline::never();
};

struct PodAddresses {
  std::vector<IpAddress> ips; // the first is the pod's primary one; at most one of each family
  std::vector<IpAddress> gateways;
  std::string interface; // inside the pod
  std::string mac;
};

struct NetworkStatus {
  bool ready = false;
  std::string reason; // why not, in words for the node's condition; empty if ready
};

// Any thread; calls for one sandbox are serialised by the caller, calls for different ones run in parallel.
class PodNetwork {
 public:
  virtual ~PodNetwork() = default;

  // Connects the sandbox. On an error everything done is undone. A second attach of a sandbox that is attached gives
  // its addresses again.
  virtual Result<PodAddresses> attach(const AttachRequest& request) = 0;

  // Disconnects and frees the addresses. Succeeds if the sandbox was never attached, was detached before, or its
  // namespace is gone.
  virtual Result<> detach(const DetachRequest& request) = 0;

  // Whether the sandbox is still connected as attach left it; failed_precondition says what is missing, not_found if it
  // was never attached.
  virtual Result<PodAddresses> check(const std::string& sandbox_id, const std::string& netns_path) = 0;

  virtual NetworkStatus status() = 0;

  // After a start: frees addresses, links and rules of every sandbox that is not in the list, and restores rules of
  // those that are.
  virtual Result<> reconcile(const std::vector<std::string>& live_sandbox_ids) = 0;
};

} // namespace keelson::netns
