// Kernel settings of the node's network namespace that routing for pods needs. Written through /proc/sys, so the
// calling thread must be in that namespace.
#pragma once

#include "base/error.hpp"
#include "netns/ip_address.hpp"

#include <string>

namespace keelson::netns {

// Turns forwarding on for the family. For IPv6 the kernel stops taking router advertisements on a forwarding node,
// which would lose the node's own default route: interfaces that take them now are told to go on (accept_ra=2).
Result<> enable_forwarding(Family family);

// A bridge of pods: no redirects (they would lead around the node), no router advertisements from pods
// (CVE-2020-10749), no duplicate address detection.
Result<> prepare_bridge_settings(const std::string& bridge, Family family);

// Lets 127.0.0.0/8 be a source on the bridge. Only after the rule that drops it as a destination is in place.
Result<> allow_localhost_source(const std::string& bridge);

// In the pod: the same for its interface, before it comes up.
Result<> prepare_pod_settings(const std::string& interface, Family family);

} // namespace keelson::netns
