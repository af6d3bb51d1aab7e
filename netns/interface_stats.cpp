#include "netns/interface_stats.hpp"

#include "base/namespace_thread.hpp"
#include "netns/links.hpp"

namespace keelson::netns {

Result<std::vector<InterfaceStats>> read_interface_stats() {
  TRY_ASSIGN(RouteSocket socket, RouteSocket::open());
  TRY_ASSIGN(const auto links, list_links(socket));
  std::vector<InterfaceStats> stats;
  for (const Link& link : links)
    if (!link.loopback) stats.push_back(link.stats);
  return stats;
}

Result<std::vector<InterfaceStats>> read_interface_stats(int net_namespace_fd) {
  std::vector<InterfaceStats> stats;
  TRY(run_in_net_namespace(net_namespace_fd, [&stats]() -> Result<> {
    TRY_ASSIGN(stats, read_interface_stats());
    return {};
  }));
  return stats;
}

} // namespace keelson::netns
