// What each member of a layer's tar means for the unpacked layer. Pure: entry in, action out; no file is touched, so
// that hostile archives can be thrown at it. LayerWriter carries the actions out.
#pragma once

#include "base/error.hpp"

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keelson::cri {

enum class TarType { file, directory, symlink, hard_link, char_device, block_device, fifo, other };

// One member as the archive has it: nothing is checked yet.
struct TarEntry {
  std::string path;
  TarType type = TarType::file;
  std::string link_target;
  std::uint32_t mode = 0; // permission, setuid, setgid and sticky bits
  std::int64_t uid = 0;
  std::int64_t gid = 0;
  std::int64_t size = 0;
  std::int64_t mtime_sec = 0;
  long mtime_nsec = 0;
  std::uint64_t device_major = 0;
  std::uint64_t device_minor = 0;
  std::vector<std::pair<std::string, std::string>> xattrs;
};

// A place inside a layer: the directory ("" is the layer's root, else "a/b") and a name in it that is neither empty nor
// "." nor ".." and has no slash. The root itself has both empty.
struct LayerPlace {
  std::string parent;
  std::string name;
  std::string path() const { return parent.empty() ? name : parent + "/" + name; }
  bool operator==(const LayerPlace&) const = default;
};

struct LayerAction {
  enum class Kind { skip, make_directory, write_file, make_symlink, make_hard_link, make_node, whiteout, opaque };
  Kind kind = Kind::skip;
  LayerPlace place;   // whiteout: what is hidden; opaque: the directory
  std::string target; // of a symlink, as it is
  LayerPlace link;    // of a hard link
  mode_t mode = 0;    // with the type bits for a node
  uid_t uid = 0;
  gid_t gid = 0;
  std::uint64_t size = 0;
  timespec mtime{};
  dev_t device = 0;
  std::vector<std::pair<std::string, std::string>> xattrs; // only those that an image may set
};

struct LayerPlanLimits {
  std::uint64_t max_entries = 4'000'000;
  std::uint64_t max_bytes = std::uint64_t{64} << 30;
};

inline constexpr std::size_t kMaxLayerPath = 4095;
inline constexpr std::size_t kMaxLayerDepth =
    256; // also of what symlinks make of a path: a removal holds one fd per level

// One per layer. The rules of OCI image-spec, layer.md: ".wh.NAME" hides NAME of the layers below, ".wh..wh..opq" all
// of its directory; both mean nothing in the lowest layer. Names go below the layer's root: leading slashes are
// dropped, ".." is refused.
class LayerPlanner {
 public:
  LayerPlanner(LayerPlanLimits limits, bool lowest)
      : limits_(limits)
      , lowest_(lowest) {}

  // invalid_argument: the archive is malformed or hostile; resource_exhausted: beyond the limits.
  Result<LayerAction> plan(const TarEntry& entry);

 private:
  Result<LayerAction> plan_whiteout(LayerPlace place) const;

  LayerPlanLimits limits_;
  bool lowest_;
  std::uint64_t entries_ = 0;
  std::uint64_t bytes_ = 0;
};

// A path of an archive as a place.
Result<LayerPlace> parse_layer_path(std::string_view path);

} // namespace keelson::cri
