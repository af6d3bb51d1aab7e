// The inside of ImageStore, shared by the files that implement its verbs. Not for others.
#pragma once

#include "base/rollback.hpp"
#include "cri/images/blob_store.hpp"
#include "cri/images/http_client.hpp"
#include "cri/images/image_fetch.hpp"
#include "cri/images/image_index.hpp"
#include "cri/images/image_reference.hpp"
#include "cri/images/image_store.hpp"
#include "cri/images/keyed_wait.hpp"
#include "cri/images/layer_store.hpp"

#include <condition_variable>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace keelson::cri {

// What running fetches need: it is not collected, though no image has it yet.
struct ImageLease {
  std::set<std::string> blobs;
  std::set<std::string> layers;
};

// A transfer that one or more pull() calls wait for.
struct SharedPull {
  std::mutex mutex; // guards what follows
  std::condition_variable_any changed;
  unsigned waiting = 0;
  bool finished = false;
  Result<Image> result = fail(Code::internal, "the pull did not run");
  std::map<unsigned, PullProgressHandler> handlers;
  std::stop_source stop;
};

struct ImageStore::State {
  State(Options chosen, BlobStore blob_store, std::unique_ptr<LayerStore> layer_store, Platform machine);

  // image_store.cpp
  Result<> load_index();
  Result<> load_holds();
  Result<> clean_up();
  Image describe(const StoredImage& image) const;                               // mutex held
  const StoredImage* find_stored(std::string_view text, bool& ambiguous) const; // mutex held
  Result<StoredImage> lookup(std::string_view text) const;
  Result<> save(ImageIndex changed); // commit_mutex held: writes the file, then makes it visible
  Result<Image> commit(const FetchedImage& fetched, const std::vector<StoredReference>& references);
  void sync_layers(const std::string& id);
  void collect(); // deletes what no image, root file system or fetch uses

  // image_pull.cpp
  void transfer(const std::string& key, const ImageReference& reference, const RegistryCredentials& credentials,
                const std::shared_ptr<SharedPull>& shared);
  Result<Image> run_pull(const ImageReference& reference, const RegistryCredentials& credentials, SharedPull& shared);
  FetchEnvironment environment(ImageLease& lease, std::stop_token cancel);

  // image_load.cpp
  Result<UniqueFd> open_archive(const std::string& path, Rollback& cleanup);

  const Options options;
  BlobStore blobs;
  const std::unique_ptr<LayerStore> layers;
  const Platform platform;
  const std::string boot_id;
  HttpClient http;
  KeyedWait busy_blobs;

  std::mutex commit_mutex;  // one change of the index at a time
  mutable std::mutex mutex; // guards what follows
  ImageIndex index;
  std::map<std::string, ImageConfigDocument> configs; // by image id
  std::map<std::string, std::vector<std::string>> holds;
  std::list<ImageLease*> leases;
  std::map<std::string, std::shared_ptr<SharedPull>> pulls; // by reference and credentials
  std::set<std::string> pinned;                             // canonical references
  unsigned running_pulls = 0;
  std::condition_variable idle; // running_pulls is 0
};

// Registers a lease for the life of a fetch.
class LeaseGuard {
 public:
  explicit LeaseGuard(ImageStore::State& state);
  ~LeaseGuard();
  LeaseGuard(const LeaseGuard&) = delete;
  LeaseGuard& operator=(const LeaseGuard&) = delete;
  ImageLease& lease() { return lease_; }

 private:
  ImageStore::State& state_;
  ImageLease lease_;
};

} // namespace keelson::cri
