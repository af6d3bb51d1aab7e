// From what a person types (a pod's name, namespace/name, the beginning of an id) to the object that is meant. Pure.
#pragma once

#include "base/error.hpp"
#include "base/json.hpp"

#include <optional>
#include <string>
#include <vector>

namespace keelson::daemon::ctl {

struct ContainerChoice {
  std::string container; // -c; empty: the pod's only one, or the first of its spec
  bool previous = false; // the one before the last restart
};

// Pods by "name", "namespace/name", uid or beginning of a sandbox id; a static pod also without its "-<node>" suffix.
// not_found lists what is there; invalid_argument if several fit.
Result<const json::value*> find_pod(const json::array& pods, const json::array& sandboxes, const std::string& target);

// A container by the beginning of its id, or by its pod and name: the newest attempt. Containers as the daemon lists
// them.
Result<const json::value*> find_container(const json::array& pods, const json::array& sandboxes,
                                          const json::array& containers, const std::string& target,
                                          const ContainerChoice& choice);

// The newest sandbox of a pod.
Result<const json::value*> find_sandbox(const json::array& pods, const json::array& sandboxes,
                                        const std::string& target);

// The item whose id begins with it; null if none does. invalid_argument if several do.
Result<const json::value*> find_by_id(const json::array& items, const std::string& prefix);

} // namespace keelson::daemon::ctl
