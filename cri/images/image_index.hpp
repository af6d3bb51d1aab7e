// images/index.json: which images the store has and under which names. The codec is pure.
#pragma once

#include "base/error.hpp"
#include "cri/images/image_manifest.hpp"

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::cri {

struct StoredReference {
  std::string name;   // "docker.io/library/busybox:latest" or "docker.io/library/busybox@sha256:<hex>"
  std::string digest; // of what the name stood for: an index or a manifest
  bool operator==(const StoredReference&) const = default;
};

struct StoredImage {
  std::string id;                  // digest of the configuration
  std::set<std::string> blobs;     // configuration, manifests, indexes
  std::vector<std::string> layers; // chain ids, lowest first
  std::uint64_t download_size = 0;
  std::vector<StoredReference> references;
  std::string unsynced_boot; // boot id of the kernel that has not flushed the layers yet; empty: they are on the disk
  bool operator==(const StoredImage&) const = default;
};

using ImageIndex = std::map<std::string, StoredImage>; // by id

std::string encode_image_index(const ImageIndex& index);
Result<ImageIndex> decode_image_index(std::string_view text);

// "host/name:tag" or "host/name@digest" without what follows the repository.
std::string_view repository_of(std::string_view stored_name);

// Points a name at an image. Another image that had the tag keeps the content under its digest, so that containers
// which run it still find it.
void assign_reference(ImageIndex& index, const std::string& id, StoredReference reference);

} // namespace keelson::cri
