#include "daemon/ctl/node_objects.hpp"

#include "daemon/ctl/fields.hpp"

namespace keelson::daemon::ctl {

Result<json::array> list_items(const Client& client, const std::string& path) {
  TRY_ASSIGN(const json::value answer, client.get(path));
  return list_at(answer, {"items"});
}

Result<NodeObjects> read_objects(const Client& client) {
  NodeObjects objects;
  TRY_ASSIGN(objects.pods, list_items(client, "/v1/pods"));
  TRY_ASSIGN(objects.sandboxes, list_items(client, "/v1/sandboxes"));
  TRY_ASSIGN(objects.containers, list_items(client, "/v1/containers"));
  return objects;
}

Result<json::value> choose_container(const NodeObjects& objects, const std::string& target,
                                     const ContainerChoice& choice) {
  TRY_ASSIGN(const json::value* found,
             find_container(objects.pods, objects.sandboxes, objects.containers, target, choice));
  return *found;
}

} // namespace keelson::daemon::ctl
