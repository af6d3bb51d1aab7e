// The runtime's objects as plain JSON: flat, times in RFC 3339, lower-case states. Internal to daemon/admin/.
#pragma once

#include "base/error.hpp"
#include "base/json.hpp"

#include <string>

namespace keelson::cgroups {
class Hierarchy;
} // namespace keelson::cgroups
namespace keelson::cri {
class Runtime;
struct Image;
} // namespace keelson::cri

namespace keelson::daemon {

// Sorted by namespace and name, then age. All block.
Result<json::array> list_sandboxes(cri::Runtime& runtime);
Result<json::array> list_containers(cri::Runtime& runtime);
json::array list_images(cri::Runtime& runtime);
Result<json::array> list_stats(cri::Runtime& runtime, const cgroups::Hierarchy& hierarchy);

// {"container" or "sandbox": as in the list, "status": CRI's, "info": the verbose part}. An id may be a prefix.
Result<json::value> inspect_container(cri::Runtime& runtime, const std::string& id);
Result<json::value> inspect_sandbox(cri::Runtime& runtime, const std::string& id);

// CRI's Status with its verbose part parsed, and the runtime's version.
Result<json::value> runtime_status(cri::Runtime& runtime);

// A CRI call by its name, as protobuf's JSON. not_found for a call that is not offered here.
Result<json::value> cri_call(cri::Runtime& runtime, const std::string& name, const std::string& body);

} // namespace keelson::daemon
