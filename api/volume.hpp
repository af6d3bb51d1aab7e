// Volumes of a pod. Sources that a node without storage plug-ins cannot mount (nfs, csi, iscsi, ...) stay in `extra`
// and are written back; source_name() tells which one a volume has.
#pragma once

#include "api/container.hpp"

namespace keelson::api {

enum class HostPathType {
  unset, // no check before the mount
  directory_or_create,
  directory,
  file_or_create,
  file,
  socket,
  char_device,
  block_device,
};

struct EmptyDirVolume {
  std::string medium; // "", "Memory", "HugePages", "HugePages-2Mi"
  std::optional<Quantity> size_limit;
  Extra extra;
  bool operator==(const EmptyDirVolume&) const = default;
};

struct HostPathVolume {
  std::string path;
  HostPathType type = HostPathType::unset;
  Extra extra;
  bool operator==(const HostPathVolume&) const = default;
};

struct KeyToPath {
  std::string key;
  std::string path;
  std::optional<std::int32_t> mode; // permission bits
  Extra extra;
  bool operator==(const KeyToPath&) const = default;
};

struct ConfigMapVolume {
  std::string name;
  std::vector<KeyToPath> items;
  std::optional<std::int32_t> default_mode;
  std::optional<bool> optional;
  Extra extra;
  bool operator==(const ConfigMapVolume&) const = default;
};

struct SecretVolume {
  std::string secret_name;
  std::vector<KeyToPath> items;
  std::optional<std::int32_t> default_mode;
  std::optional<bool> optional;
  Extra extra;
  bool operator==(const SecretVolume&) const = default;
};

struct DownwardApiFile {
  std::string path;
  std::optional<ObjectFieldSelector> field_ref;
  std::optional<ResourceFieldSelector> resource_field_ref;
  std::optional<std::int32_t> mode;
  Extra extra;
  bool operator==(const DownwardApiFile&) const = default;
};

struct DownwardApiVolume {
  std::vector<DownwardApiFile> items;
  std::optional<std::int32_t> default_mode;
  Extra extra;
  bool operator==(const DownwardApiVolume&) const = default;
};

struct ServiceAccountTokenProjection {
  std::string audience;
  std::optional<std::int64_t> expiration_seconds;
  std::string path;
  Extra extra;
  bool operator==(const ServiceAccountTokenProjection&) const = default;
};

// A ConfigMap or Secret inside a projected volume.
struct ObjectProjection {
  std::string name;
  std::vector<KeyToPath> items;
  std::optional<bool> optional;
  Extra extra;
  bool operator==(const ObjectProjection&) const = default;
};

struct DownwardApiProjection {
  std::vector<DownwardApiFile> items;
  Extra extra;
  bool operator==(const DownwardApiProjection&) const = default;
};

struct VolumeProjection {
  std::optional<ObjectProjection> secret;
  std::optional<ObjectProjection> config_map;
  std::optional<DownwardApiProjection> downward_api;
  std::optional<ServiceAccountTokenProjection> service_account_token;
  Extra extra;
  bool operator==(const VolumeProjection&) const = default;
};

struct ProjectedVolume {
  std::vector<VolumeProjection> sources;
  std::optional<std::int32_t> default_mode;
  Extra extra;
  bool operator==(const ProjectedVolume&) const = default;
};

struct PersistentVolumeClaimVolume {
  std::string claim_name;
  bool read_only = false;
  Extra extra;
  bool operator==(const PersistentVolumeClaimVolume&) const = default;
};

struct Volume {
  std::string name;
  std::optional<EmptyDirVolume> empty_dir;
  std::optional<HostPathVolume> host_path;
  std::optional<ConfigMapVolume> config_map;
  std::optional<SecretVolume> secret;
  std::optional<ProjectedVolume> projected;
  std::optional<DownwardApiVolume> downward_api;
  std::optional<PersistentVolumeClaimVolume> persistent_volume_claim;
  Extra extra;
  bool operator==(const Volume&) const = default;
};

// "emptyDir", "nfs"; empty if the volume names no source.
std::string source_name(const Volume& volume);

} // namespace keelson::api
