// Root file systems of containers: an overlayfs over the layers of an image with a writable layer of the container's
// own.
#pragma once

#include "base/error.hpp"
#include "cri/images/image_store.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace keelson::cri {

struct RootfsUsage {
  std::uint64_t bytes = 0; // of the writable layer, in allocated blocks
  std::uint64_t inodes = 0;
  WallTime taken_at{};
};

struct RootfsOptions {
  std::string root; // "/var/lib/keelson": containers/ is made in it; same file system as the layers
  bool volatile_upper =
      true;                  // overlayfs "volatile": no flush of the disk at unmount; the layer dies with the container
  bool legacy_mount = false; // mount(2) even if the kernel has the descriptor based calls; for tests
  std::chrono::milliseconds usage_max_age = std::chrono::seconds(5); // usage() walks the layer at most this often
};

// Thread-safe, blocks, needs root. Mounts appear in the calling thread's mount namespace. On disk:
//   containers/<id>/upper, work       the writable layer (0700 above it)
//   containers/.removed-*          on its way out, deleted in the background or at the next start
// The image store's hold of the same name says which layers lie below.
class RootfsStore {
 public:
  using Options = RootfsOptions;

  // The image store must outlive this one.
  static Result<std::unique_ptr<RootfsStore>> open(Options options, ImageStore& images);
  ~RootfsStore(); // waits for the deletions

  // Makes the writable layer of container `id` and mounts the whole at `target`, an existing directory. The image's
  // layers are held until remove(). already_exists if the id has a root file system. Undone if it fails.
  Result<> prepare(const std::string& id, const Image& image, const std::string& target);

  // Mounts an existing root file system again, after a reboot or an unmount.
  Result<> mount(const std::string& id, const std::string& target);

  // Succeeds if nothing is mounted there. Lazy if it is busy.
  static Result<> unmount(const std::string& target);

  // Takes the writable layer away, to be deleted in the background, and lets the image's layers go. Unmount first.
  // Succeeds if there is none. What is mounted inside of the layer is not touched and keeps the rest from deletion.
  Result<> remove(const std::string& id);

  Result<RootfsUsage> usage(const std::string& id); // not_found
  Result<std::string> upper_path(const std::string& id) const;

  // Ids that have a directory or hold layers, for the comparison at start.
  std::vector<std::string> list() const;

  // The content of an image, read-only, at `target`: for image volumes. Held under `id`, which is not a container's;
  // released by unmount_image.
  Result<> mount_image_readonly(const std::string& id, const Image& image, const std::string& target);
  Result<> unmount_image(const std::string& id, const std::string& target);

  // Fills the fresh directory `target` with what the mounted root file system `rootfs` has at `path` (an image's
  // VOLUME), owner, mode and xattrs included. No ".." and no symlink in path or image leads out of rootfs; what is not
  // a directory there leaves target empty. Stops with resource_exhausted at max_bytes.
  static Result<> copy_volume_content(const std::string& rootfs, const std::string& path, const std::string& target,
                                      std::uint64_t max_bytes = std::uint64_t{16} << 30);

 private:
  struct State;
  explicit RootfsStore(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

} // namespace keelson::cri
