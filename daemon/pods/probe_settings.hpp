// The probes of a container in the form of health/: port names resolved, defaults applied. Pure.
#pragma once

#include "api/pod.hpp"
#include "base/error.hpp"
#include "health/probe_config.hpp"

#include <string>

namespace keelson::daemon {

// The host of network probes is address unless the probe names one. invalid_argument for a port name that the
// container does not have.
Result<health::ContainerProbes> container_probes(const api::Container& container, const std::string& address);

Result<std::uint16_t> resolve_port(const api::Container& container, const api::IntOrString& port);
Result<health::HttpAction> http_action(const api::Container& container, const api::HttpGetAction& action,
                                       const std::string& address);

} // namespace keelson::daemon
