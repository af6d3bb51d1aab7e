// The part of an image's configuration that decides how a container starts. It comes from the image: hostile until
// checked.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace keelson::cri {

// Shape of the `config` object of an OCI image configuration (OCI image-spec, config.md).
struct ImageConfig {
  std::string user;             // "", "uid", "uid:gid", "name", "name:group"
  std::vector<std::string> env; // "NAME=value"
  std::vector<std::string> entrypoint;
  std::vector<std::string> cmd;
  std::string working_dir;
  std::vector<std::string> volumes; // paths inside the container, sorted
  std::vector<std::string> exposed_ports;
  std::map<std::string, std::string> labels;
  std::string stop_signal; // "", "SIGTERM", "TERM" or a number
};

} // namespace keelson::cri
