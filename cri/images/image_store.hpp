// The images of a node: pulled or loaded, verified, unpacked into overlayfs layers, found by name or id, removed.
#pragma once

#include "base/error.hpp"
#include "base/time.hpp"
#include "cri/images/image_config.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::cri {

// One image as it lies on the disk. A copy: it stays valid when the store changes.
struct Image {
  std::string id;                        // digest of the image configuration, "sha256:<hex>"
  std::vector<std::string> repo_tags;    // "docker.io/library/busybox:latest", sorted
  std::vector<std::string> repo_digests; // "docker.io/library/busybox@sha256:<hex>", sorted
  std::uint64_t size = 0;                // bytes that it occupies: unpacked layers, configuration and manifest
  std::uint64_t download_size = 0;       // bytes that a registry sends for it: the sum of its descriptors
  ImageConfig config;
  bool pinned = false;             // never to be removed by the kubelet's image garbage collection
  std::vector<std::string> layers; // chain ids, "sha256:<hex>", lowest first; empty for an image without layers
  std::string created;             // RFC 3339 as the image says it, or empty; untrusted text
  std::string architecture;        // "amd64"; os is always linux
};

// What a registry may be shown. Which registry gets it: server_address if set (its host must be the one that asks),
// otherwise every host that is configured for the reference. Never logged, never part of an error.
struct RegistryCredentials {
  std::string username;
  std::string password;
  std::string auth;           // base64 of "username:password", used if username is empty
  std::string identity_token; // exchanged for an access token
  std::string registry_token; // used as the access token
  std::string server_address;

  bool empty() const {
    return username.empty() && password.empty() && auth.empty() && identity_token.empty() && registry_token.empty();
  }
};

enum class PullPhase { waiting, downloading, verifying, unpacking, done, exists };
std::string_view to_string(PullPhase phase);

// State of one layer of a pull. Called from the threads of the pull, never two at once; must not block for long and
// must not call the store.
struct PullProgress {
  std::string digest; // of the layer's blob
  PullPhase phase = PullPhase::waiting;
  std::uint64_t done_bytes = 0; // of the download
  std::uint64_t total_bytes = 0;
};
using PullProgressHandler = std::function<void(const PullProgress&)>;

struct PullRequest {
  std::string reference;
  RegistryCredentials credentials;
  PullProgressHandler progress; // may be empty
  Deadline deadline = Deadline::never();
  std::stop_token cancel;
};

// What the file system of the images holds, for ImageFsInfo.
struct ImageUsage {
  std::string mountpoint;  // the store's root directory
  std::uint64_t bytes = 0; // used by layers and blobs
  std::uint64_t inodes = 0;
  WallTime taken_at{};
};

// Bounds on what a registry or an archive may make us hold. Exceeding one is resource_exhausted or invalid_argument.
struct ImageLimits {
  std::size_t max_manifest_bytes = std::size_t{4} << 20; // each manifest, index and configuration
  std::size_t max_layers = 127;
  std::uint64_t max_layer_bytes = std::uint64_t{64} << 30;  // one layer, unpacked
  std::uint64_t max_image_bytes = std::uint64_t{256} << 30; // all layers, unpacked
  std::uint64_t max_expansion_ratio = 1100;                 // unpacked / compressed; deflate cannot exceed 1032
  std::uint64_t max_layer_entries = 4'000'000;
  std::uint64_t resume_bytes = std::uint64_t{4} << 30; // unfinished downloads kept over a restart
};

struct ImageStoreOptions {
  std::string root;                    // "/var/lib/keelson": images/ and layers/ are made in it
  std::string registry_config_dir;     // directory of <registry host>/hosts.toml; empty: none
  std::vector<std::string> auth_files; // docker config.json files, read anew for each pull; absent ones are skipped
  std::vector<std::string> pinned;     // references
  std::string platform;                // "linux/amd64"; empty: this machine's
  unsigned parallel_layers = 3;        // per pull
  std::chrono::milliseconds connect_timeout = std::chrono::seconds(30);
  std::chrono::milliseconds stall_timeout = std::chrono::seconds(60); // without a byte of progress
  unsigned max_retries = 5;                                           // of a request to one host, beyond the first try
  std::chrono::milliseconds retry_delay = std::chrono::milliseconds(300); // doubled each time
  std::string user_agent = "keelson";
  ImageLimits limits;
};

// Thread-safe; pull, load, remove and open block. Needs root (owners, devices, trusted.overlay xattrs). One store per
// root: the caller holds the state directory's lock. What lies where:
//   images/index.json                 references and images (atomic)
//   images/blobs/sha256/<hex>         manifests, configurations
//   images/ingest/<hex>               layers being downloaded, resumed after a restart
//   layers/<chain id hex>/{fs,record} unpacked layers; fs is an overlayfs lower directory
//   layers/ingest-*                   layers being unpacked, dropped at the next start
//   images/holds/<name>               layers that a root file system uses
class ImageStore {
 public:
  using Options = ImageStoreOptions;

  // Reads the index, drops images whose content is damaged, and removes what an earlier process left half done.
  static Result<std::unique_ptr<ImageStore>> open(Options options);
  ~ImageStore(); // cancels running pulls and waits for them

  std::vector<Image> list() const; // sorted by id

  // By reference ("busybox", "host/a@sha256:.."), id ("sha256:<hex>" or hex) or unambiguous id prefix. not_found, or
  // invalid_argument for a prefix that fits several.
  Result<Image> find(std::string_view reference_or_id) const;

  // Fetches and unpacks an image, or what is missing of it, and points the reference at it. Pulls of the same reference
  // with the same credentials share one transfer; it is cancelled when the last of them gives up. Errors: not_found,
  // unauthenticated, permission_denied, unavailable, data_loss (wrong digest), resource_exhausted (disk full, bounds),
  // invalid_argument, deadline_exceeded, cancelled.
  Result<Image> pull(const PullRequest& request);

  // Images from an OCI image layout (directory or tar) or a docker-archive (tar), named as the archive names them.
  // reference names an image that the archive leaves unnamed; empty: such an image is refused.
  Result<std::vector<Image>> load(const std::string& path, std::string_view reference = {});

  // Adds another name to an image.
  Result<> tag(std::string_view reference_or_id, std::string_view new_reference);

  // A reference is taken off its image; an image without references, or one named by its id, goes with its blobs and
  // the layers that no other image and no root file system uses. Succeeds if there is no such image.
  Result<> remove(std::string_view reference_or_id);

  ImageUsage usage() const;

  // Layers that outlive the removal of their image while a root file system needs them. The hold is on disk before this
  // returns. Used by RootfsStore; the name is a container id.
  Result<> hold_layers(const std::string& name, const std::vector<std::string>& layers);
  Result<> release_layers(const std::string& name);
  std::map<std::string, std::vector<std::string>> holds() const;

  std::string layer_path(std::string_view chain_id) const; // the overlayfs lower directory of a layer

  struct State; // for the store's own files

 private:
  explicit ImageStore(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

} // namespace keelson::cri
