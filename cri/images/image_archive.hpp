// Images in files: OCI image layouts and docker-archives.
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "cri/images/image_source.hpp"
#include "cri/images/image_store.hpp"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::cri {

// An image of an archive: the digest to ask the archive for, and the names that it has there.
struct ArchivedImage {
  std::string digest;
  std::vector<std::string> names; // as the archive writes them; may be empty
};

// Pure: the top of both forms.
struct DockerArchiveEntry {
  std::string config; // path of the configuration
  std::vector<std::string> names;
  std::vector<std::string> layers; // paths, lowest first
};
Result<std::vector<DockerArchiveEntry>> parse_docker_archive(std::string_view manifest_json, std::size_t max_layers);

// A directory in one of the two forms, possibly hostile: every file is opened below it, must be a regular file, and is
// verified as it is copied. An index.json is preferred over a manifest.json.
class ImageArchive final : public ImageSource {
 public:
  static Result<std::unique_ptr<ImageArchive>> open(UniqueFd directory, const ImageLimits& limits);

  const std::vector<ArchivedImage>& images() const { return images_; }

  Result<SourceDocument> manifest(const std::string& reference, std::uint64_t expected_size) override;
  Result<std::string> document(const Descriptor& blob) override;
  Result<> blob(BlobIngest& ingest) override;

 private:
  ImageArchive(UniqueFd directory, const ImageLimits& limits)
      : directory_(std::move(directory))
      , limits_(limits) {}
  Result<> read_layout();
  Result<> read_docker_archive();
  Result<std::string> docker_manifest(const DockerArchiveEntry& entry);
  Result<UniqueFd> open_file(const std::string& path) const;
  Result<std::string> read_file(const std::string& path) const;
  std::string path_of(const std::string& digest) const;

  UniqueFd directory_;
  ImageLimits limits_;
  std::vector<ArchivedImage> images_;
  std::map<std::string, std::string> paths_;     // of blobs that do not lie under their digest
  std::map<std::string, std::string> manifests_; // made up for a docker-archive, by digest
};

// Unpacks a tar into a new, empty directory: files, directories and links only, never outside of it.
Result<> unpack_archive(int tar, int directory, const ImageLimits& limits);

} // namespace keelson::cri
