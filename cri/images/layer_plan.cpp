#include "cri/images/layer_plan.hpp"

#include "base/text.hpp"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <limits>

namespace keelson::cri {

namespace {

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";
constexpr std::string_view kAufsMetadata = ".wh..wh.";
constexpr std::size_t kMaxName = 255;
constexpr std::size_t kMaxXattrs = 64;
constexpr std::size_t kMaxXattrValue = 65536; // XATTR_SIZE_MAX of the kernel

bool starts_with(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

// trusted.overlay.* would forge the state of the overlay, security.selinux the label of the host.
bool image_may_set(std::string_view name) {
  return name == "security.capability" || name == "system.posix_acl_access" || name == "system.posix_acl_default" ||
         starts_with(name, "user.");
}

Result<uid_t> owner(std::int64_t id, std::string_view path) {
  if (id < 0 || id >= std::numeric_limits<uid_t>::max()) // the last one means "unchanged" to chown(2)
    return fail(Code::invalid_argument, "{}: owner {} is out of range", printable(path), id);
  return static_cast<uid_t>(id);
}

Result<> copy_xattrs(const TarEntry& entry, LayerAction& action) {
  for (const auto& [name, value] : entry.xattrs) {
    if (!image_may_set(name)) continue;
    if (name.size() > kMaxName || value.size() > kMaxXattrValue || action.xattrs.size() >= kMaxXattrs)
      return fail(Code::invalid_argument, "{}: its extended attributes are too many or too long",
                  printable(entry.path));
    action.xattrs.emplace_back(name, value);
  }
  return {};
}

// A time that the kernel's file systems can hold; what is beyond is cut, as tar(1) does.
timespec clamp_time(std::int64_t seconds, long nanoseconds) {
  constexpr std::int64_t kMax = 0x3'7fff'ffff; // the end of ext4's range, year 2446
  timespec time{};
  time.tv_sec = std::clamp<std::int64_t>(seconds, -0x8000'0000LL, kMax);
  time.tv_nsec = std::clamp<long>(nanoseconds, 0, 999'999'999);
  return time;
}

Result<> set_device(const TarEntry& entry, LayerAction& action) {
  action.mode |= entry.type == TarType::char_device ? S_IFCHR : entry.type == TarType::block_device ? S_IFBLK : S_IFIFO;
  if (entry.type == TarType::fifo) return {};
  if (entry.device_major > 0xfff || entry.device_minor > 0xfffff) // 12 and 20 bits in the kernel
    return fail(Code::invalid_argument, "{}: no such device number", printable(entry.path));
  action.device = makedev(static_cast<unsigned>(entry.device_major), static_cast<unsigned>(entry.device_minor));
  return {};
}

Result<> set_kind(const TarEntry& entry, LayerAction& action) {
  switch (entry.type) {
  case TarType::file:
    action.kind = LayerAction::Kind::write_file;
    return {};
  case TarType::directory:
    action.kind = LayerAction::Kind::make_directory;
    return {};
  case TarType::symlink:
    action.kind = LayerAction::Kind::make_symlink;
    if (entry.link_target.empty() || entry.link_target.size() > kMaxLayerPath)
      return fail(Code::invalid_argument, "{}: a symlink to nowhere or too far", printable(entry.path));
    action.target = entry.link_target;
    return {};
  case TarType::hard_link: {
    action.kind = LayerAction::Kind::make_hard_link;
    TRY_ASSIGN(action.link, parse_layer_path(entry.link_target));
    if (action.link.name.empty() || action.link == action.place)
      return fail(Code::invalid_argument, "{}: a hard link to itself or to the root", printable(entry.path));
    return {};
  }
  case TarType::char_device:
  case TarType::block_device:
  case TarType::fifo:
    action.kind = LayerAction::Kind::make_node;
    return set_device(entry, action);
  case TarType::other:
    break;
  }
  return fail(Code::invalid_argument, "{}: neither file, directory, link, device nor fifo", printable(entry.path));
}

} // namespace

Result<LayerPlace> parse_layer_path(std::string_view path) {
  if (path.size() > kMaxLayerPath)
    return fail(Code::invalid_argument, "a path is longer than {} bytes: {}", kMaxLayerPath, printable(path, 64));
  LayerPlace place;
  std::size_t depth = 0;
  for (const std::string_view part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") return fail(Code::invalid_argument, "{}: \"..\" in a path", printable(path));
    if (part.size() > kMaxName)
      return fail(Code::invalid_argument, "a name is longer than {} bytes: {}", kMaxName, printable(part, 64));
    if (part.find('\0') != std::string_view::npos)
      return fail(Code::invalid_argument, "{}: a zero byte in a path", printable(path));
    if (!place.name.empty()) place.parent = place.path();
    place.name = part;
    if (++depth > kMaxLayerDepth)
      return fail(Code::invalid_argument, "a path is deeper than {}: {}", kMaxLayerDepth, printable(path, 64));
  }
  return place;
}

Result<LayerAction> LayerPlanner::plan_whiteout(LayerPlace place) const {
  LayerAction action;
  if (place.name == kOpaque) {
    action.kind = LayerAction::Kind::opaque;
    TRY_ASSIGN(action.place, parse_layer_path(place.parent));
  } else if (starts_with(place.name, kAufsMetadata)) {
    return action; // .wh..wh.plnk and the like: bookkeeping of another file system
  } else {
    action.kind = LayerAction::Kind::whiteout;
    place.name.erase(0, kWhiteout.size());
    if (place.name.empty() || place.name == "." || place.name == "..")
      return fail(Code::invalid_argument, "{}: a whiteout of nothing", printable(place.path()));
    action.place = std::move(place);
  }
  if (lowest_) action.kind = LayerAction::Kind::skip;
  return action;
}

Result<LayerAction> LayerPlanner::plan(const TarEntry& entry) {
  if (++entries_ > limits_.max_entries)
    return fail(Code::resource_exhausted, "more than {} entries", limits_.max_entries);
  if (entry.size < 0) return fail(Code::invalid_argument, "{}: a negative size", printable(entry.path));
  TRY_ASSIGN(auto place, parse_layer_path(entry.path));
  if (starts_with(place.name, kWhiteout)) return plan_whiteout(std::move(place));
  if (place.name.empty() && entry.type != TarType::directory)
    return fail(Code::invalid_argument, "the root of the layer is not a directory");

  LayerAction action;
  action.place = std::move(place);
  action.mode = entry.mode & 07777;
  action.mtime = clamp_time(entry.mtime_sec, entry.mtime_nsec);
  TRY_ASSIGN(action.uid, owner(entry.uid, entry.path));
  TRY_ASSIGN(action.gid, owner(entry.gid, entry.path));
  TRY(copy_xattrs(entry, action));
  TRY(set_kind(entry, action));
  if (entry.type == TarType::file) {
    action.size = static_cast<std::uint64_t>(entry.size);
    bytes_ += std::min(action.size, limits_.max_bytes + 1);
    if (bytes_ > limits_.max_bytes) return fail(Code::resource_exhausted, "more than {} bytes", limits_.max_bytes);
  }
  return action;
}

} // namespace keelson::cri
