#include "netns/pod_network.hpp"

namespace keelson::netns {

std::string_view to_string(Protocol protocol) {
  switch (protocol) {
  case Protocol::tcp:
    return "tcp";
  case Protocol::udp:
    return "udp";
  case Protocol::sctp:
    return "sctp";
  }
  return "";
}

} // namespace keelson::netns
