// Manifests, indexes and image configurations of OCI and Docker, as values. Pure: text in, value or reason out. Every
// document comes from a registry and is hostile: shapes, counts, sizes and digests are checked here.
#pragma once

#include "base/error.hpp"
#include "cri/images/image_config.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace keelson::cri {

struct Platform {
  std::string os;
  std::string architecture;
  std::string variant;
  bool operator==(const Platform&) const = default;
};
Result<Platform> parse_platform(std::string_view text); // "linux/arm64/v8"
Platform machine_platform();                            // from uname(2)
std::string to_string(const Platform& platform);

struct Descriptor {
  std::string media_type;
  std::string digest; // checked: "sha256:<hex>"
  std::uint64_t size = 0;
  Platform platform;    // of an index entry; empty os: not given
  std::string ref_name; // annotation org.opencontainers.image.ref.name or io.containerd.image.name
};

struct Manifest {
  Descriptor config;
  std::vector<Descriptor> layers; // lowest first
};

struct ManifestIndex {
  std::vector<Descriptor> manifests;
};

using ManifestDocument = std::variant<Manifest, ManifestIndex>;

// media_type is what the registry's header or the parent's descriptor says; empty if unknown. A document that can be
// read both as a manifest and as an index is refused (the confusion of CVE-2021-41190), as is Docker's schema 1.
Result<ManifestDocument> parse_manifest(std::string_view text, std::string_view media_type, std::size_t max_layers);

// The entry that fits a machine best: same os and architecture, the newest variant that the machine can run, or an
// entry without a platform if there is only that. not_found lists what is offered.
Result<Descriptor> choose_platform(const ManifestIndex& index, const Platform& wanted);

struct ImageConfigDocument {
  ImageConfig config;
  std::vector<std::string> diff_ids; // of the uncompressed layers, lowest first
  std::string created;
  std::string architecture;
  std::string os;
};

Result<ImageConfigDocument> parse_image_config(std::string_view text, std::size_t max_layers);

// Names of stacks of layers: the chain id of layer n covers all layers up to n (OCI image-spec, config.md, "Layer
// ChainID").
std::vector<std::string> chain_ids(const std::vector<std::string>& diff_ids);

inline constexpr std::string_view kManifestAccept =
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

} // namespace keelson::cri
