// What most commands ask the daemon first: its pods, sandboxes and containers.
#pragma once

#include "base/error.hpp"
#include "base/json.hpp"
#include "daemon/ctl/client.hpp"
#include "daemon/ctl/target.hpp"

#include <string>

namespace keelson::daemon::ctl {

Result<json::array> list_items(const Client& client, const std::string& path);

struct NodeObjects {
  json::array pods;
  json::array sandboxes;
  json::array containers;
};
Result<NodeObjects> read_objects(const Client& client);

// A copy of the container that is meant.
Result<json::value> choose_container(const NodeObjects& objects, const std::string& target,
                                     const ContainerChoice& choice);

} // namespace keelson::daemon::ctl
