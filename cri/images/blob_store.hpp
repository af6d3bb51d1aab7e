// Content by digest below images/: verified blobs, and downloads that are not finished yet.
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "cri/images/http_client.hpp"
#include "cri/images/image_manifest.hpp"
#include "cri/images/sha256.hpp"

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::cri {

// A blob on its way in: bytes are hashed as they come, and the file keeps them for another try. One thread at a time.
class BlobIngest final : public HttpSink {
 public:
  BlobIngest(UniqueFd file, Descriptor blob)
      : file_(std::move(file))
      , blob_(std::move(blob)) {}

  void on_progress(std::function<void(std::uint64_t)> handler) { progress_ = std::move(handler); }
  std::uint64_t size() const { return size_; }
  int fd() const { return file_.get(); }
  const Descriptor& blob() const { return blob_; }
  bool full() const { return size_ == blob_.size; }

  Result<> resume();      // hashes what an earlier process left in the file
  Result<> reset();       // from the start again
  Result<> check() const; // data_loss: not as long as announced, or another digest

  Result<> begin(const HttpAnswer& head) override;
  Result<> write(std::string_view data) override;

 private:
  UniqueFd file_;
  Descriptor blob_;
  Sha256 hash_;
  std::uint64_t size_ = 0;
  std::function<void(std::uint64_t)> progress_;
};

// Thread-safe as long as a digest is ingested by one thread at a time.
class BlobStore {
 public:
  static Result<BlobStore> open(const std::string& images_dir);

  Result<std::string> read(const std::string& digest, std::size_t max_size) const; // data_loss if it is damaged
  Result<> write(const std::string& digest, std::string_view content);             // data_loss if it is not its content
  Result<> remove(const std::string& digest);
  Result<std::vector<std::string>> list() const;
  std::uint64_t size_of(const std::string& digest) const; // 0 if absent

  Result<BlobIngest> ingest(const Descriptor& blob); // with what is there already
  Result<> remove_ingest(const std::string& digest);
  // Keeps the newest unfinished downloads that fit into max_bytes, and those of `busy` in any case.
  Result<> prune_ingest(std::uint64_t max_bytes, const std::set<std::string>& busy);
  std::uint64_t ingest_bytes() const;

 private:
  BlobStore(UniqueFd blobs, UniqueFd ingest)
      : blobs_(std::move(blobs))
      , ingest_(std::move(ingest)) {}

  UniqueFd blobs_;
  UniqueFd ingest_;
};

} // namespace keelson::cri
