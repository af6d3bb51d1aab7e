#include "cri/oci/devices.hpp"

#include "base/file.hpp"
#include "base/text.hpp"
#include "cri/oci/process_args.hpp"
#include "cri/proto/runtime_v1.pb.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>

namespace keelson::cri {
namespace {

constexpr std::size_t kMaxDevices = 4096;
constexpr int kMaxDepth = 16;

HostDevice device_of(const struct stat& status, std::string container_path, std::string permissions) {
  HostDevice device;
  device.container_path = std::move(container_path);
  device.type = S_ISBLK(status.st_mode) ? 'b' : 'c';
  device.major = ::major(status.st_rdev);
  device.minor = ::minor(status.st_rdev);
  device.mode = status.st_mode & 07777U;
  device.uid = status.st_uid;
  device.gid = status.st_gid;
  device.permissions = std::move(permissions);
  return device;
}

bool is_device(const struct stat& status) {
  return S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode);
}

Result<std::string> checked_permissions(const std::string& asked) {
  if (asked.empty()) return std::string("rwm");
  std::string permissions;
  for (const char c : std::string_view("rwm"))
    if (asked.find(c) != std::string::npos) permissions += c;
  if (permissions.size() != asked.size())
    return fail(Code::invalid_argument, "device permissions \"{}\" are not a set of r, w and m", printable(asked, 16));
  return permissions;
}

// A place for devices below one host directory.
struct Walk {
  std::string permissions;
  std::vector<std::string> skip; // host paths
  std::vector<HostDevice>& devices;
};

// Symlinks are not followed: what they name is found under its own name if it is below the directory.
Result<> walk(const std::string& host_dir, const std::string& container_dir, int depth, Walk& state) {
  if (depth > kMaxDepth) return fail(Code::invalid_argument, "directory \"{}\" is nested too deep", host_dir);
  TRY_ASSIGN(const std::vector<std::string> names, list_dir(host_dir));
  for (const std::string& name : names) {
    const std::string path = host_dir + "/" + name;
    if (std::find(state.skip.begin(), state.skip.end(), path) != state.skip.end()) continue;
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) continue; // hot-unplugged meanwhile
    if (S_ISDIR(status.st_mode)) {
      TRY(walk(path, container_dir + "/" + name, depth + 1, state));
    } else if (is_device(status)) {
      state.devices.push_back(device_of(status, container_dir + "/" + name, state.permissions));
      if (state.devices.size() > kMaxDevices)
        return fail(Code::resource_exhausted, "more than {} devices below \"{}\"", kMaxDevices, host_dir);
    }
  }
  return {};
}

Result<> add_device(const runtime::v1::Device& asked, std::vector<HostDevice>& devices) {
  TRY_ASSIGN(const std::string host, clean_container_path(asked.host_path()));
  TRY_ASSIGN(const std::string inside,
             clean_container_path(asked.container_path().empty() ? asked.host_path() : asked.container_path()));
  TRY_ASSIGN(std::string permissions, checked_permissions(asked.permissions()));
  struct stat status {};
  if (::stat(host.c_str(), &status) != 0) return fail_errno(errno, "device \"{}\"", printable(host));
  if (S_ISDIR(status.st_mode)) {
    Walk state{std::move(permissions), {}, devices};
    return walk(host, inside, 0, state);
  }
  if (!is_device(status)) return fail(Code::invalid_argument, "\"{}\" is not a device", printable(host));
  devices.push_back(device_of(status, inside, std::move(permissions)));
  return {};
}

// What the container gets of its own, and what lists descriptors.
const std::vector<std::string>& own_in_container() {
  static const std::vector<std::string> paths = {"/dev/pts", "/dev/shm",     "/dev/fd",    "/dev/mqueue",
                                                 "/dev/lxc", "/dev/console", "/dev/.udev", "/dev/ptmx"};
  return paths;
}

} // namespace

Result<std::vector<HostDevice>> resolve_devices(const runtime::v1::ContainerConfig& config) {
  std::vector<HostDevice> devices;
  for (int i = 0; i < config.devices_size(); ++i) TRY_CONTEXT(add_device(config.devices(i), devices), "devices[{}]", i);
  if (config.linux().security_context().privileged()) {
    Walk state{"rwm", own_in_container(), devices};
    TRY(walk("/dev", "/dev", 0, state));
  }
  std::vector<HostDevice> unique; // the first of a path wins: what was asked for by name
  for (HostDevice& device : devices) {
    const bool known = std::any_of(unique.begin(), unique.end(), [&](const HostDevice& other) {
      return other.container_path == device.container_path;
    });
    if (!known) unique.push_back(std::move(device));
  }
  return unique;
}

} // namespace keelson::cri
