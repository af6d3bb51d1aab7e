// Brings one image from a source into the stores: manifest, configuration, layers. What it makes is not visible as an
// image until the caller puts it into the index.
#pragma once

#include "base/error.hpp"
#include "cri/images/blob_store.hpp"
#include "cri/images/image_manifest.hpp"
#include "cri/images/image_source.hpp"
#include "cri/images/image_store.hpp"
#include "cri/images/keyed_wait.hpp"
#include "cri/images/layer_store.hpp"

#include <functional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

namespace keelson::cri {

struct FetchEnvironment {
  BlobStore& blobs;
  LayerStore& layers;
  KeyedWait& busy_blobs; // one ingest of a digest at a time, over all fetches
  Platform platform;
  ImageLimits limits;
  unsigned parallel_layers = 3;
  // Called before the fetch looks whether something is there already: from then on it must not be collected.
  std::function<void(const std::set<std::string>& blobs, const std::vector<std::string>& layers)> lease;
  std::function<void(const PullProgress&)> progress; // any thread, never two at once
  std::stop_token cancel;
};

struct FetchedImage {
  std::string id;
  std::string digest;                // of what the reference stood for
  std::set<std::string> blobs;       // configuration, manifest, index
  std::set<std::string> layer_blobs; // their downloads can be forgotten now
  std::vector<std::string> layers;
  std::uint64_t download_size = 0;
  ImageConfigDocument config;
};

// reference: a tag or digest as the source knows it. Blocks.
Result<FetchedImage> fetch_image(ImageSource& source, const std::string& reference,
                                 const FetchEnvironment& environment);

} // namespace keelson::cri
