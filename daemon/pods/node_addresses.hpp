// The addresses by which the node is known: of the routes that lead out, IPv4 first.
#pragma once

#include <string>
#include <vector>

namespace keelson::daemon {

std::vector<std::string> node_addresses(); // never empty: a node without routes is 127.0.0.1

} // namespace keelson::daemon
