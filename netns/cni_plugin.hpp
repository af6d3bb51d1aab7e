// Running CNI plug-ins: a process per call, its configuration on standard input, its answer on standard output.
#pragma once

#include "base/error.hpp"
#include "base/time.hpp"
#include "netns/cni_config.hpp"

#include <optional>
#include <string>
#include <vector>

namespace keelson::netns {

// What is the same for all plug-ins of a chain.
struct CniCall {
  std::string command; // ADD, DEL, CHECK
  std::string sandbox_id;
  std::string netns_path;
  std::string interface;
  std::string args; // CNI_ARGS
  std::vector<std::string> plugin_dirs;
  Deadline deadline = Deadline::never();
};

// Runs one plug-in. Returns its answer, null for an empty one. At the deadline its process group is killed. An answer
// over 1 MiB is an error.
Result<json::value> run_cni_plugin(const CniCall& call, const std::string& type, const std::string& input);

// The plug-in's program: the first executable file of that name. not_found lists the directories.
Result<std::string> find_cni_plugin(const std::vector<std::string>& dirs, const std::string& type);

} // namespace keelson::netns
