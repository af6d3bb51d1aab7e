// The tables of pods, containers, images and events. Pure: the daemon's JSON in, a table out.
#pragma once

#include "base/json.hpp"
#include "base/time.hpp"
#include "daemon/ctl/table.hpp"

#include <string>

namespace keelson::daemon::ctl {

struct TableStyle {
  bool wide = false;
  bool full_ids = false;
  WallTime now{};
};

// What kubectl's STATUS column would say of a v1 Pod: "Running", "CrashLoopBackOff", "Init:0/2", "Terminating".
std::string pod_status_text(const json::value& pod);

Table pods_table(const json::array& pods, const TableStyle& style);
Table containers_table(const json::array& containers, const TableStyle& style);
Table images_table(const json::array& images, const TableStyle& style);
Table events_table(const json::array& events, const TableStyle& style);

} // namespace keelson::daemon::ctl
