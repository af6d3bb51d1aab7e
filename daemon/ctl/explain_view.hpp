// `keelsonctl qos explain` as text. Pure.
#pragma once

#include "base/json.hpp"
#include "daemon/ctl/table.hpp"

#include <string>

namespace keelson::daemon::ctl {

// Explanations of one pod, one per cgroup version, as qos::to_json gives them.
std::string explanation_text(const json::array& explanations, const TableOptions& options);

} // namespace keelson::daemon::ctl
