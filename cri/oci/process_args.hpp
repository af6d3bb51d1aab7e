// What a container's first process executes, where, and with which environment. Pure.
#pragma once

#include "base/error.hpp"
#include "cri/images/image_config.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace runtime::v1 {
class ContainerConfig;
} // namespace runtime::v1

namespace keelson::cri {

// Docker's and CRI's rule: command replaces the entrypoint and drops the image's CMD; args replace CMD.
Result<std::vector<std::string>> build_args(const runtime::v1::ContainerConfig& config, const ImageConfig& image);

struct EnvDefaults {
  std::string hostname; // empty: no HOSTNAME
  std::string home;
  bool tty = false;
};
// HOSTNAME, then the image's, then the config's, which override by name in place; PATH, TERM and HOME only if nobody
// set them. Names without a value or bytes that JSON cannot carry: an error in the config, a warning in the image.
Result<std::vector<std::string>> build_env(const runtime::v1::ContainerConfig& config, const ImageConfig& image,
                                           const EnvDefaults& defaults, std::vector<std::string>& warnings);

// The config's directory, else the image's, else "/". Refused if it climbs above the root or lies in /proc or /dev/fd,
// where descriptors of the runtime may be found (CVE-2024-21626).
Result<std::string> build_cwd(const runtime::v1::ContainerConfig& config, const ImageConfig& image);

// The path without "." and empty parts. invalid_argument unless it is absolute UTF-8 without control characters and
// "..".
Result<std::string> clean_container_path(std::string_view path);
bool path_is_within(std::string_view path, std::string_view parent); // equal or below; both clean

} // namespace keelson::cri
