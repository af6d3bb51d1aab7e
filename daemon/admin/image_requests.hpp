// Pulling with progress, loading, tagging and removing images for keelsonctl. Internal to daemon/admin/.
#pragma once

#include "daemon/admin/admin_server.hpp"

namespace keelson::cri {
class Runtime;
} // namespace keelson::cri

namespace keelson::daemon {

// Lines {"layer", "phase", "done", "total"} for layers that changed, a few times a second; the value is {"image"}.
Result<json::value> pull_image(cri::Runtime& runtime, const AdminRequest& request, AdminStream& stream);
Result<json::value> load_images(cri::Runtime& runtime, const AdminRequest& request);
Result<json::value> tag_image(cri::Runtime& runtime, const AdminRequest& request);
Result<json::value> remove_image(cri::Runtime& runtime, const AdminRequest& request);
Result<json::value> prune_images(cri::Runtime& runtime, const AdminRequest& request);

Result<json::object> body_object(const AdminRequest& request); // an empty body is an empty object

} // namespace keelson::daemon
