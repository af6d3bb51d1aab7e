#include "cri/oci/mount_sources.hpp"

#include "base/file.hpp"
#include "base/text.hpp"
#include "cri/oci/process_args.hpp"
#include "cri/proto/runtime_v1.pb.h"

#include <climits>
#include <cstdlib>

namespace keelson::cri {
namespace {

// Spaces, tabs, newlines and backslashes are \ooo in mountinfo.
std::string unescape(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      if (const auto value = parse_int<unsigned>(text.substr(i + 1, 3), 8); value && *value < 256) {
        result += static_cast<char>(*value);
        i += 3;
        continue;
      }
    }
    result += text[i];
  }
  return result;
}

Result<std::string> real_path(const std::string& path) {
  char buffer[PATH_MAX];
  if (::realpath(path.c_str(), buffer) == nullptr) return fail_errno(errno, "host_path \"{}\"", printable(path));
  return std::string(buffer);
}

Result<std::string> host_source(const std::string& host_path) {
  if (host_path.empty() || host_path.front() != '/' || host_path.find('\0') != std::string::npos)
    return fail(Code::invalid_argument, "host_path \"{}\" is not absolute", printable(host_path));
  auto real = real_path(host_path);
  if (real || real.error().sys_errno != ENOENT) return real;
  TRY_CONTEXT(make_dirs(host_path, 0755), "host_path");
  return real_path(host_path);
}

Result<std::string> image_source(const std::string& image_path, const std::string& sub_path) {
  if (image_path.empty()) return fail(Code::failed_precondition, "the image volume is not mounted on the host");
  if (sub_path.empty()) return image_path;
  TRY_ASSIGN(const UniqueFd root, open_dir(image_path));
  auto found = open_in_root(root.get(), sub_path, O_PATH);
  if (!found) return Fail(std::move(found).error().context("image_sub_path"));
  return real_path(fmt::format("/proc/self/fd/{}", found->get()));
}

Result<> check_propagation(const runtime::v1::Mount& mount, const std::string& source) {
  if (mount.propagation() == runtime::v1::PROPAGATION_PRIVATE) return {};
  TRY_ASSIGN(const std::string mountinfo, read_file("/proc/self/mountinfo", std::size_t{64} << 20));
  TRY_ASSIGN(const MountPeer peer, mount_holding(mountinfo, source));
  const bool bidirectional = mount.propagation() == runtime::v1::PROPAGATION_BIDIRECTIONAL;
  if (peer.shared || (!bidirectional && peer.slave)) return {};
  return fail(Code::failed_precondition,
              "host_path \"{}\" is on the mount \"{}\", which does not propagate; run: mount --make-rshared {}",
              printable(source), printable(peer.mount_point), printable(peer.mount_point));
}

} // namespace

Result<MountPeer> mount_holding(std::string_view mountinfo, const std::string& path) {
  MountPeer best;
  bool found = false;
  for (const std::string_view line : split(mountinfo, '\n')) {
    const auto fields = split_words(line);
    if (fields.size() < 7) continue;
    const std::string mount_point = unescape(fields[4]);
    if (!path_is_within(path, mount_point) || (found && mount_point.size() < best.mount_point.size())) continue;
    found = true; // on equal paths the later line lies on top
    best = {mount_point, false, false};
    for (std::size_t i = 6; i < fields.size() && fields[i] != "-"; ++i) {
      best.shared = best.shared || fields[i].substr(0, 7) == "shared:";
      best.slave = best.slave || fields[i].substr(0, 7) == "master:";
    }
  }
  if (!found) return fail(Code::not_found, "no mount holds \"{}\"", printable(path));
  return best;
}

Result<std::vector<std::string>> resolve_mount_sources(const runtime::v1::ContainerConfig& config,
                                                       const std::vector<std::string>& image_paths) {
  std::vector<std::string> sources;
  for (int i = 0; i < config.mounts_size(); ++i) {
    const runtime::v1::Mount& mount = config.mounts(i);
    const auto index = static_cast<std::size_t>(i);
    const bool is_image = !mount.image().image().empty();
    auto source = is_image ? image_source(index < image_paths.size() ? image_paths[index] : "", mount.image_sub_path())
                           : host_source(mount.host_path());
    if (!source) return Fail(std::move(source).error().context(fmt::format("mounts[{}]", i)));
    TRY_CONTEXT(check_propagation(mount, *source), "mounts[{}]", i);
    sources.push_back(std::move(*source));
  }
  return sources;
}

} // namespace keelson::cri
