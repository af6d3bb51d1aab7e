// Environment of a container. Pure functions; ConfigMaps and Secrets come from the caller.
// Rules: https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
#pragma once

#include "api/pod.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keelson::api {

using Lookup = std::function<std::optional<std::string>(std::string_view name)>;

// Replaces $(NAME) by what lookup gives. $$ is one dollar, so $$(NAME) stays as $(NAME). An unknown name and a
// reference that is not closed stay as they are.
std::string expand(std::string_view text, const Lookup& lookup);

using Environment = std::vector<std::pair<std::string, std::string>>; // in order; a name occurs once

struct EnvironmentSources {
  // nullopt: no such object. Absent and not optional: the container cannot start.
  std::function<std::optional<StringMap>(const std::string& name)> config_map;
  std::function<std::optional<StringMap>(const std::string& name)> secret;
  ResourceList node_allocatable; // for resourceFieldRef of a limit that is not set
};

// envFrom, then env in order: each value may refer to names before it and to envFrom. not_found names what is missing.
// Names of envFrom that are not environment names are skipped, as the kubelet does.
Result<Environment> resolve_environment(const Pod& pod, const Container& container, const EnvironmentSources& sources);

// command and args with references to the environment expanded.
std::vector<std::string> expand_all(const std::vector<std::string>& words, const Environment& environment);

} // namespace keelson::api
