// Counters of network interfaces, read by netlink without a process.
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::netns {

struct InterfaceStats {
  std::string name;
  std::uint64_t rx_bytes = 0;
  std::uint64_t rx_packets = 0;
  std::uint64_t rx_errors = 0;
  std::uint64_t rx_dropped = 0;
  std::uint64_t tx_bytes = 0;
  std::uint64_t tx_packets = 0;
  std::uint64_t tx_errors = 0;
  std::uint64_t tx_dropped = 0;
};

// All interfaces of the namespace except loopback, in the order of their indices. Enters it on a thread of its own.
Result<std::vector<InterfaceStats>> read_interface_stats(int net_namespace_fd);

// All interfaces of the caller's namespace except loopback: the node's own.
Result<std::vector<InterfaceStats>> read_interface_stats();

} // namespace keelson::netns
