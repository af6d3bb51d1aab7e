#include "daemon/pods/pod_volumes.hpp"

#include "api/environment.hpp"
#include "api/field_ref.hpp"
#include "base/file.hpp"
#include "base/random.hpp"
#include "base/text.hpp"

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace keelson::daemon {

namespace {

// Below them the pods' directories: traversable for the daemon only.
constexpr mode_t kPrivate = 0750;

std::string plugin_of(const api::Volume& volume) {
  if (volume.empty_dir) return "kubernetes.io~empty-dir";
  if (volume.downward_api) return "kubernetes.io~downward-api";
  if (volume.config_map) return "kubernetes.io~configmap";
  if (volume.secret) return "kubernetes.io~secret";
  return "kubernetes.io~projected";
}

bool is_mount_point(const std::string& path) {
  struct stat own {};
  struct stat parent {};
  if (::lstat(path.c_str(), &own) != 0 || ::lstat((path + "/..").c_str(), &parent) != 0) return false;
  return own.st_dev != parent.st_dev;
}

// "HugePages-2Mi" is pagesize=2M; "HugePages" the kernel's default size.
Result<std::string> huge_page_options(const std::string& medium) {
  constexpr std::string_view kPrefix = "HugePages-";
  if (medium == "HugePages") return std::string();
  TRY_ASSIGN(const api::Quantity size, api::Quantity::parse(std::string_view(medium).substr(kPrefix.size())));
  return fmt::format("pagesize={}", size.value());
}

Result<> mount_medium(const api::EmptyDirVolume& volume, const std::string& path) {
  std::string type = "tmpfs";
  std::string options;
  if (volume.medium.starts_with("HugePages")) {
    type = "hugetlbfs";
    TRY_ASSIGN(options, huge_page_options(volume.medium));
  }
  if (volume.size_limit && volume.size_limit->value() > 0)
    options += fmt::format("{}size={}", options.empty() ? "" : ",", volume.size_limit->value());
  if (::mount(type.c_str(), path.c_str(), type.c_str(), MS_NOSUID | MS_NODEV, options.c_str()) != 0)
    return fail_errno(errno, "mount a {} ({}) on {}", type, options.empty() ? "no options" : options, path);
  return {};
}

Result<> set_up_empty_dir(const api::Pod& pod, const api::EmptyDirVolume& volume, const std::string& path) {
  TRY(make_dirs(path, kPrivate));
  const bool mounted = !volume.medium.empty();
  if (mounted && is_mount_point(path)) return {};
  if (mounted) TRY(mount_medium(volume, path));
  mode_t mode = 0777;
  const auto& context = pod.spec.security_context;
  if (context && context->fs_group) {
    if (::lchown(path.c_str(), static_cast<uid_t>(-1), static_cast<gid_t>(*context->fs_group)) != 0)
      return fail_errno(errno, "give {} to group {}", path, *context->fs_group);
    mode |= S_ISGID;
  }
  if (::chmod(path.c_str(), mode) != 0) return fail_errno(errno, "set the mode of {}", path);
  return {};
}

struct TypeRule {
  api::HostPathType type;
  mode_t format;
  std::string_view name;
};

Result<> check_host_path(const api::HostPathVolume& volume) {
  using Type = api::HostPathType;
  static constexpr TypeRule kRules[] = {{Type::directory, S_IFDIR, "Directory"},
                                        {Type::directory_or_create, S_IFDIR, "Directory"},
                                        {Type::file, S_IFREG, "File"},
                                        {Type::file_or_create, S_IFREG, "File"},
                                        {Type::socket, S_IFSOCK, "Socket"},
                                        {Type::char_device, S_IFCHR, "CharDevice"},
                                        {Type::block_device, S_IFBLK, "BlockDevice"}};
  if (volume.type == Type::unset) return {};
  struct stat status {};
  if (::stat(volume.path.c_str(), &status) != 0) {
    if (errno != ENOENT) return fail_errno(errno, "hostPath {}", printable(volume.path));
    if (volume.type == Type::directory_or_create) return make_dirs(volume.path, 0755);
    if (volume.type == Type::file_or_create) {
      TRY(open_at(AT_FDCWD, volume.path, O_RDONLY | O_CREAT, 0644));
      return {};
    }
  }
  for (const TypeRule& rule : kRules)
    if (rule.type == volume.type && (status.st_mode & S_IFMT) != rule.format)
      return fail(Code::failed_precondition, "hostPath type check failed: {} is not a {}", printable(volume.path),
                  rule.name);
  return {};
}

Result<> write_file_below(const std::string& dir, const std::string& path, const std::string& text, mode_t mode) {
  const std::size_t slash = path.rfind('/');
  if (slash != std::string::npos) TRY(make_dirs(dir + "/" + path.substr(0, slash), 0755));
  return write_file_atomic(dir + "/" + path, text, mode);
}

Result<> write_downward_file(const api::Pod& pod, const api::DownwardApiFile& file, const std::string& dir,
                             mode_t default_mode, const api::ResourceList& allocatable) {
  std::string text;
  if (file.field_ref) {
    TRY_ASSIGN(text, api::field_value(pod, file.field_ref->field_path));
  } else if (file.resource_field_ref) {
    const api::Container* container = api::find_container(pod, file.resource_field_ref->container_name);
    if (container == nullptr)
      return fail(Code::not_found, "container \"{}\" not found", file.resource_field_ref->container_name);
    TRY_ASSIGN(text, api::resource_field_value(*container, *file.resource_field_ref, allocatable));
  }
  return write_file_below(dir, file.path, text, file.mode ? static_cast<mode_t>(*file.mode) : default_mode);
}

Result<> set_up_downward_api(const api::Pod& pod, const std::vector<api::DownwardApiFile>& files,
                             const std::string& dir, mode_t mode, const api::ResourceList& allocatable) {
  TRY(make_dirs(dir, 0755));
  for (const api::DownwardApiFile& file : files)
    TRY_CONTEXT(write_downward_file(pod, file, dir, mode, allocatable), "file {}", file.path);
  return {};
}

[[nodiscard]] Fail not_available(std::string_view kind, const std::string& name) {
  return fail(Code::failed_precondition, "{} \"{}\" is not available without an API server", kind, name);
}

Result<> set_up_projected(const api::Pod& pod, const api::ProjectedVolume& volume, const std::string& dir,
                          const api::ResourceList& allocatable) {
  TRY(make_dirs(dir, 0755));
  for (const api::VolumeProjection& source : volume.sources) {
    if (source.secret && !source.secret->optional.value_or(false)) return not_available("Secret", source.secret->name);
    if (source.config_map && !source.config_map->optional.value_or(false))
      return not_available("ConfigMap", source.config_map->name);
    if (source.service_account_token) return not_available("service account token", source.service_account_token->path);
    if (source.downward_api)
      TRY(set_up_downward_api(pod, source.downward_api->items, dir,
                              static_cast<mode_t>(volume.default_mode.value_or(0644)), allocatable));
  }
  return {};
}

Result<> set_up_volume(const api::Pod& pod, const api::Volume& volume, const std::string& dir,
                       const api::ResourceList& allocatable) {
  if (volume.empty_dir) return set_up_empty_dir(pod, *volume.empty_dir, dir);
  if (volume.host_path) return check_host_path(*volume.host_path);
  if (volume.downward_api)
    return set_up_downward_api(pod, volume.downward_api->items, dir,
                               static_cast<mode_t>(volume.downward_api->default_mode.value_or(0644)), allocatable);
  if (volume.projected) return set_up_projected(pod, *volume.projected, dir, allocatable);
  if (volume.config_map) {
    if (!volume.config_map->optional.value_or(false)) return not_available("ConfigMap", volume.config_map->name);
    return make_dirs(dir, 0755);
  }
  if (volume.secret) {
    if (!volume.secret->optional.value_or(false)) return not_available("Secret", volume.secret->secret_name);
    return make_dirs(dir, 0755);
  }
  if (volume.persistent_volume_claim)
    return not_available("PersistentVolumeClaim", volume.persistent_volume_claim->claim_name);
  if (api::source_name(volume) == "gitRepo")
    return fail(Code::failed_precondition,
                "gitRepo volumes are refused: clone in an init container into an emptyDir instead");
  return fail(Code::failed_precondition, "volumes of type {} are not supported by this node", api::source_name(volume));
}

// Mount points below dir, the deepest last.
Result<std::vector<std::string>> mounts_below(const std::string& dir) {
  TRY_ASSIGN(const std::string text, read_file("/proc/self/mountinfo", std::size_t{64} << 20));
  std::vector<std::string> found;
  for (const std::string_view line : split(text, '\n')) {
    const auto words = split_words(line);
    // Volume names and uids have no characters that mountinfo escapes; a root with spaces would.
    if (words.size() < 5) continue;
    std::string path;
    for (std::size_t i = 0; i < words[4].size(); ++i) {
      const auto octal = words[4][i] == '\\' ? parse_int<unsigned>(words[4].substr(i + 1, 3), 8)
                                             : Result<unsigned>(fail(Code::not_found, "plain"));
      if (octal) i += 3;
      path += octal ? static_cast<char>(*octal) : words[4][i];
    }
    if (path.starts_with(dir + "/")) found.push_back(std::move(path));
  }
  return found;
}

} // namespace

Result<> PodVolumes::set_up(const api::Pod& pod, const api::ResourceList& allocatable) const {
  TRY(make_dirs(pod_dir(pod.metadata.uid), kPrivate));
  for (const api::Volume& volume : pod.spec.volumes) {
    const std::string dir = pod_dir(pod.metadata.uid) + "/volumes/" + plugin_of(volume) + "/" + volume.name;
    TRY_CONTEXT(set_up_volume(pod, volume, dir, allocatable), "MountVolume.SetUp failed for volume \"{}\"",
                volume.name);
  }
  return {};
}

Result<std::vector<PreparedMount>>
PodVolumes::mounts_of(const api::Pod& pod, const api::Container& container,
                      const std::vector<std::pair<std::string, std::string>>& environment) const {
  std::vector<PreparedMount> mounts;
  for (std::size_t i = 0; i < container.volume_mounts.size(); ++i) {
    const api::VolumeMount& wanted = container.volume_mounts[i];
    const auto volume = std::find_if(pod.spec.volumes.begin(), pod.spec.volumes.end(),
                                     [&](const api::Volume& v) { return v.name == wanted.name; });
    if (volume == pod.spec.volumes.end())
      return fail(Code::invalid_argument, "container {} mounts the volume \"{}\", which the pod does not have",
                  container.name, wanted.name);
    PreparedMount mount;
    mount.host_path = volume->host_path
                          ? volume->host_path->path
                          : pod_dir(pod.metadata.uid) + "/volumes/" + plugin_of(*volume) + "/" + volume->name;
    mount.container_path = wanted.mount_path.starts_with('/') ? wanted.mount_path : "/" + wanted.mount_path;
    mount.read_only = wanted.read_only || (!volume->host_path && !volume->empty_dir);
    mount.recursive = wanted.recursive_read_only;
    mount.propagation = wanted.mount_propagation;
    std::string sub_path = wanted.sub_path;
    if (!wanted.sub_path_expr.empty()) sub_path = api::expand_all({wanted.sub_path_expr}, environment).front();
    if (!sub_path.empty()) {
      const std::string target =
          fmt::format("{}/volume-subpaths/{}/{}/{}", pod_dir(pod.metadata.uid), volume->name, container.name, i);
      TRY_CONTEXT(bind_sub_path(mount.host_path, sub_path, target), "failed to prepare subPath for volumeMount \"{}\"",
                  wanted.name);
      mount.host_path = target;
    }
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

Result<std::string> PodVolumes::write_hosts(const api::Pod& pod, const std::vector<std::string>& addresses) const {
  std::string text;
  if (pod.spec.host_network) {
    text = "# The node's hosts file, copied by keelson for this pod.\n" + read_file("/etc/hosts").value_or("");
    if (!text.ends_with('\n')) text += '\n';
  } else {
    text = "# Written by keelson for this pod; changes are lost.\n"
           "127.0.0.1\tlocalhost\n"
           "::1\tlocalhost ip6-localhost ip6-loopback\n"
           "fe00::\tip6-localnet\n"
           "ff00::\tip6-mcastprefix\n"
           "ff02::1\tip6-allnodes\n"
           "ff02::2\tip6-allrouters\n";
    for (const std::string& address : addresses) text += address + "\t" + pod_hostname(pod) + "\n";
  }
  for (const api::HostAlias& alias : pod.spec.host_aliases)
    text += fmt::format("{}\t{}\n", alias.ip, fmt::join(alias.hostnames, "\t"));
  const std::string path = pod_dir(pod.metadata.uid) + "/etc-hosts";
  TRY(make_dirs(pod_dir(pod.metadata.uid), kPrivate));
  // In place, once it is there: containers have this very file mounted.
  if (exists(path)) {
    TRY_ASSIGN(const UniqueFd file, open_at(AT_FDCWD, path, O_WRONLY | O_TRUNC | O_NOFOLLOW));
    TRY(write_all(file.get(), text));
  } else {
    TRY(write_file_atomic(path, text, 0644));
  }
  return path;
}

Result<std::string> PodVolumes::make_termination_file(const std::string& uid, const std::string& container) const {
  const std::string dir = pod_dir(uid) + "/containers/" + container;
  TRY(make_dirs(dir, kPrivate));
  const std::string path = dir + "/" + random_hex(4);
  TRY_ASSIGN(const UniqueFd file, open_at(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL, 0666));
  // Any user of the container may write to it.
  if (::fchmod(file.get(), 0666) != 0) return fail_errno(errno, "set the mode of {}", path);
  return path;
}

Result<> PodVolumes::tear_down(const std::string& uid, Extent extent) const {
  const std::string dir = pod_dir(uid);
  TRY_ASSIGN(std::vector<std::string> mounts, mounts_below(dir));
  for (auto mount = mounts.rbegin(); mount != mounts.rend(); ++mount)
    if (::umount2(mount->c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL && errno != ENOENT)
      return fail_errno(errno, "unmount {}", *mount);
  if (extent == Extent::everything) return remove_tree(dir);
  TRY(remove_tree(dir + "/volume-subpaths"));
  return remove_tree(dir + "/volumes");
}

std::vector<std::string> PodVolumes::known_uids() const {
  return list_dir(root_ + "/pods").value_or(std::vector<std::string>{});
}

} // namespace keelson::daemon
