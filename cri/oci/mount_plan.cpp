#include "cri/oci/mount_plan.hpp"

#include "base/text.hpp"
#include "cri/oci/process_args.hpp"
#include "cri/proto/runtime_v1.pb.h"

#include <algorithm>
#include <array>

namespace keelson::cri {
namespace {

using runtime::v1::Mount;

bool is_privileged(const SpecInput& input) {
  return input.container.linux().security_context().privileged();
}

std::vector<OciMount> default_mounts(const SpecInput& input) {
  const std::string access = is_privileged(input) ? "rw" : "ro";
  std::vector<OciMount> mounts = {
      {"/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}},
      {"/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}},
      {"/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
      {"/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}},
      {"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", access}},
      {"/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", access}},
  };
  std::string shm = input.generated.shm;
  if (shm.empty() && input.namespaces.ipc.kind == NamespaceSource::Kind::host) shm = "/dev/shm";
  if (shm.empty())
    mounts.push_back({"/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}});
  else
    mounts.push_back({"/dev/shm", "bind", shm, {"rbind", "rprivate", "nosuid", "noexec", "nodev", "rw"}});
  return mounts;
}

// Files of procfs that lxcfs replaces; runc allows mounts on these and on no others.
constexpr std::array<std::string_view, 9> kProcFiles = {
    "/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo",  "/proc/stat",    "/proc/swaps",
    "/proc/uptime",  "/proc/loadavg",   "/proc/slabinfo", "/proc/net/dev",
};

// Runtimes trust what these show: a volume in their place would let the container's data stand for the kernel's, or for
// /dev/null (CVE-2025-31133).
constexpr std::array<std::string_view, 5> kTrustedDevices = {"/dev/null", "/dev/console", "/dev/ptmx", "/dev/pts",
                                                             "/dev/fd"};

Result<> check_destination(const std::string& destination, const std::string& source) {
  const auto refused = [&](std::string_view why) {
    return fail(Code::invalid_argument, "mount on \"{}\" is refused: {}", printable(destination), why);
  };
  if (path_is_within(destination, "/proc") &&
      std::find(kProcFiles.begin(), kProcFiles.end(), destination) == kProcFiles.end())
    return refused("only a privileged container may have mounts in /proc");
  if (path_is_within(destination, "/sys") && !path_is_within(source, "/sys"))
    return refused("an unprivileged container may have only parts of the host's /sys there");
  if (destination == "/dev" && source != "/dev")
    return refused("only the host's /dev may take the place of /dev; mount below /dev or elsewhere");
  for (const std::string_view device : kTrustedDevices)
    if (path_is_within(destination, device) && source != destination)
      return refused("the container runtime depends on the device there");
  return {};
}

Result<std::string> propagation_option(const Mount& mount) {
  switch (mount.propagation()) {
  case runtime::v1::PROPAGATION_PRIVATE:
    return std::string("rprivate");
  case runtime::v1::PROPAGATION_HOST_TO_CONTAINER:
    return std::string("rslave");
  case runtime::v1::PROPAGATION_BIDIRECTIONAL:
    return std::string("rshared");
  default:
    return fail(Code::invalid_argument, "mount propagation {} is unknown", static_cast<int>(mount.propagation()));
  }
}

Result<> check_recursive_read_only(const Mount& mount, const RuntimeFeatures& runtime) {
  if (!mount.recursive_read_only()) return {};
  if (!mount.readonly()) return fail(Code::invalid_argument, "recursive_read_only is set without readonly");
  if (mount.propagation() != runtime::v1::PROPAGATION_PRIVATE)
    return fail(Code::invalid_argument, "recursive_read_only needs private propagation");
  if (!runtime.recursive_read_only)
    return fail(
        Code::failed_precondition,
        "recursive_read_only: the OCI runtime does not say that it can do this (mount option rro); use runc 1.1 or "
        "newer");
  return {};
}

Result<> add_extra_options(const Mount& mount, std::vector<std::string>& options) {
  static constexpr std::array<std::string_view, 10> kAllowed = {
      "noexec", "nosuid", "nodev", "exec", "suid", "dev", "noatime", "nodiratime", "relatime", "nosymfollow"};
  for (const std::string& option : mount.mount_options()) {
    if (std::find(kAllowed.begin(), kAllowed.end(), option) == kAllowed.end())
      return fail(Code::invalid_argument, "mount option \"{}\" is not supported; supported are: {}",
                  printable(option, 64), fmt::join(kAllowed, ", "));
    options.push_back(option);
  }
  return {};
}

Result<OciMount> cri_mount(const SpecInput& input, const Mount& mount, const std::string& source) {
  TRY_ASSIGN(const std::string destination, clean_container_path(mount.container_path()));
  if (destination == "/") return fail(Code::invalid_argument, "a mount cannot take the place of the root directory");
  if (mount.uidmappings_size() > 0 || mount.gidmappings_size() > 0)
    return fail(Code::unimplemented, "id-mapped mounts are not supported; user namespaces are not available");
  if (source.empty() || source.front() != '/')
    return fail(Code::invalid_argument, "host_path \"{}\" is not absolute", printable(source));
  if (!is_valid_utf8(source) || source.find('\0') != std::string::npos)
    return fail(Code::invalid_argument, "host_path \"{}\" is not UTF-8", printable(source));
  if (!is_privileged(input)) TRY(check_destination(destination, source));
  TRY(check_recursive_read_only(mount, input.runtime));
  TRY_ASSIGN(const std::string propagation, propagation_option(mount));
  OciMount result{destination, "bind", source, {"rbind", propagation}};
  if (!mount.image().image().empty()) {
    result.options.insert(result.options.end(), {"ro", "nosuid", "nodev"});
  } else {
    result.options.emplace_back(mount.recursive_read_only() ? "rro" : mount.readonly() ? "ro" : "rw");
  }
  TRY(add_extra_options(mount, result.options));
  return result;
}

Result<std::vector<OciMount>> cri_mounts(const SpecInput& input) {
  std::vector<OciMount> mounts;
  const int count = input.container.mounts_size();
  if (!input.mount_sources.empty() && input.mount_sources.size() != static_cast<std::size_t>(count))
    return fail(Code::internal, "{} mount sources for {} mounts", input.mount_sources.size(), count);
  for (int i = 0; i < count; ++i) {
    const Mount& mount = input.container.mounts(i);
    const std::string& source =
        input.mount_sources.empty() ? mount.host_path() : input.mount_sources[static_cast<std::size_t>(i)];
    auto made = cri_mount(input, mount, source);
    if (!made) return Fail(std::move(made).error().context(fmt::format("mounts[{}]", i)));
    mounts.push_back(std::move(*made));
  }
  return mounts;
}

bool has_destination(const std::vector<OciMount>& mounts, std::string_view destination) {
  return std::any_of(mounts.begin(), mounts.end(), [&](const OciMount& m) { return m.destination == destination; });
}

void add_generated(const SpecInput& input, std::vector<OciMount>& mounts) {
  const std::string access = input.container.linux().security_context().readonly_rootfs() ? "ro" : "rw";
  const std::array<std::pair<std::string, std::string>, 3> files = {{
      {"/etc/hostname", input.generated.hostname},
      {"/etc/hosts", input.generated.hosts},
      {"/etc/resolv.conf", input.generated.resolv_conf},
  }};
  for (const auto& [destination, source] : files)
    if (!source.empty() && !has_destination(mounts, destination))
      mounts.push_back({destination, "bind", source, {"rbind", "rprivate", access}});
}

std::string propagation_of_root(const SpecInput& input) {
  std::string result;
  for (const Mount& mount : input.container.mounts()) {
    if (mount.propagation() == runtime::v1::PROPAGATION_BIDIRECTIONAL) return "rshared";
    if (mount.propagation() == runtime::v1::PROPAGATION_HOST_TO_CONTAINER) result = "rslave";
  }
  return result;
}

} // namespace

Result<MountPlan> plan_mounts(const SpecInput& input) {
  TRY_ASSIGN(std::vector<OciMount> asked, cri_mounts(input));
  add_generated(input, asked);
  const auto depth = [](const OciMount& mount) {
    return std::count(mount.destination.begin(), mount.destination.end(), '/');
  };
  std::stable_sort(asked.begin(), asked.end(),
                   [&](const OciMount& a, const OciMount& b) { return depth(a) < depth(b); });
  MountPlan plan;
  plan.rootfs_propagation = propagation_of_root(input);
  for (OciMount& mount : default_mounts(input))
    if (!has_destination(asked, mount.destination)) plan.mounts.push_back(std::move(mount));
  std::move(asked.begin(), asked.end(), std::back_inserter(plan.mounts));
  return plan;
}

} // namespace keelson::cri
