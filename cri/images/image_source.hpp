// Where an image comes from: a registry or an archive.
#pragma once

#include "base/error.hpp"
#include "cri/images/blob_store.hpp"
#include "cri/images/image_manifest.hpp"

#include <cstdint>
#include <string>

namespace keelson::cri {

struct SourceDocument {
  std::string text;
  std::string media_type; // as the source says it; may be empty
  std::string digest;     // of the text
};

// Callable from several threads.
class ImageSource {
 public:
  virtual ~ImageSource() = default;
  // A manifest or index by tag or digest. A digest is checked, and expected_size too if it is not 0.
  virtual Result<SourceDocument> manifest(const std::string& reference, std::uint64_t expected_size) = 0;
  virtual Result<std::string> document(const Descriptor& blob) = 0; // a small blob, checked
  virtual Result<> blob(BlobIngest& ingest) = 0;                    // fills it up; it is checked then
};

} // namespace keelson::cri
