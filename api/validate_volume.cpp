#include "api/field_ref.hpp"
#include "api/problems.hpp"

namespace keelson::api {

namespace {

void check_mode(Problems& problems, const std::string& path, const std::optional<std::int32_t>& mode) {
  if (mode) problems.range(path, *mode, 0, 0777);
}

// A file's place inside a volume.
void check_inner_path(Problems& problems, const std::string& path, const std::string& value) {
  problems.require(path, value);
  if (value.starts_with('/')) problems.add(path, "\"{}\" must be relative", printable(value, 80));
  if (leads_upwards(value) || value.starts_with("..")) {
    problems.add(path, "\"{}\" must not lead upwards with ..", printable(value, 80));
  }
  problems.no_nul(path, value);
}

void check_items(Problems& problems, const std::string& path, const std::vector<KeyToPath>& items) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::string item = at(path, "items", i);
    problems.require(item + ".key", items[i].key);
    check_inner_path(problems, item + ".path", items[i].path);
    check_mode(problems, item + ".mode", items[i].mode);
  }
}

void check_downward_files(Problems& problems, const std::string& path, const std::vector<DownwardApiFile>& files) {
  for (std::size_t i = 0; i < files.size(); ++i) {
    const DownwardApiFile& file = files[i];
    const std::string item = at(path, "items", i);
    check_inner_path(problems, item + ".path", file.path);
    check_mode(problems, item + ".mode", file.mode);
    if (file.field_ref.has_value() == file.resource_field_ref.has_value()) {
      problems.add(item, "needs exactly one of fieldRef and resourceFieldRef");
    } else if (file.field_ref && !is_supported_volume_field(file.field_ref->field_path)) {
      problems.add(item + ".fieldRef.fieldPath", "\"{}\" is not available in volumes",
                   printable(file.field_ref->field_path, 80));
    } else if (file.resource_field_ref && file.resource_field_ref->container_name.empty()) {
      problems.add(item + ".resourceFieldRef.containerName", "is required in volumes");
    }
  }
}

void check_empty_dir(Problems& problems, const std::string& path, const EmptyDirVolume& volume) {
  const std::string& medium = volume.medium;
  if (!medium.empty() && medium != "Memory" && medium != "HugePages" && !medium.starts_with("HugePages-")) {
    problems.add(path + ".medium", "\"{}\" is not one of \"\", Memory, HugePages, HugePages-<size>", printable(medium));
  }
  if (volume.size_limit && volume.size_limit->sign() < 0) problems.add(path + ".sizeLimit", "must not be negative");
}

void check_host_path(Problems& problems, const std::string& path, const HostPathVolume& volume) {
  problems.require(path + ".path", volume.path);
  if (leads_upwards(volume.path)) problems.add(path + ".path", "must not contain .. as a part");
  if (!volume.path.empty() && !volume.path.starts_with('/')) problems.add(path + ".path", "must be absolute");
  problems.no_nul(path + ".path", volume.path);
}

void check_projected(Problems& problems, const std::string& path, const ProjectedVolume& volume) {
  check_mode(problems, path + ".defaultMode", volume.default_mode);
  for (std::size_t i = 0; i < volume.sources.size(); ++i) {
    const VolumeProjection& source = volume.sources[i];
    const std::string item = at(path, "sources", i);
    if (source.secret) check_items(problems, item + ".secret", source.secret->items);
    if (source.config_map) check_items(problems, item + ".configMap", source.config_map->items);
    if (source.downward_api) check_downward_files(problems, item + ".downwardAPI", source.downward_api->items);
    if (!source.service_account_token) continue;
    const auto& token = *source.service_account_token;
    check_inner_path(problems, item + ".serviceAccountToken.path", token.path);
    if (token.expiration_seconds) {
      problems.range(item + ".serviceAccountToken.expirationSeconds", *token.expiration_seconds, 600,
                     std::int64_t{1} << 32);
    }
  }
}

void check_source(Problems& problems, const std::string& path, const Volume& volume) {
  const int typed = volume.empty_dir.has_value() + volume.host_path.has_value() + volume.config_map.has_value() +
                    volume.secret.has_value() + volume.projected.has_value() + volume.downward_api.has_value() +
                    volume.persistent_volume_claim.has_value();
  if (static_cast<std::size_t>(typed) + volume.extra.members.size() > 1) {
    problems.add(path, "names more than one source: use one of them");
  }
  for (const auto& [name, text] : volume.extra.members) {
    if (name == "gitRepo") {
      problems.add(path + ".gitRepo", "is not supported: it runs git on the node as root; clone in an init container");
    }
  }
  if (volume.empty_dir) check_empty_dir(problems, path + ".emptyDir", *volume.empty_dir);
  if (volume.host_path) check_host_path(problems, path + ".hostPath", *volume.host_path);
  if (volume.projected) check_projected(problems, path + ".projected", *volume.projected);
  if (volume.config_map) {
    problems.require(path + ".configMap.name", volume.config_map->name);
    check_mode(problems, path + ".configMap.defaultMode", volume.config_map->default_mode);
    check_items(problems, path + ".configMap", volume.config_map->items);
  }
  if (volume.secret) {
    problems.require(path + ".secret.secretName", volume.secret->secret_name);
    check_mode(problems, path + ".secret.defaultMode", volume.secret->default_mode);
    check_items(problems, path + ".secret", volume.secret->items);
  }
  if (volume.downward_api) {
    check_mode(problems, path + ".downwardAPI.defaultMode", volume.downward_api->default_mode);
    check_downward_files(problems, path + ".downwardAPI", volume.downward_api->items);
  }
  if (volume.persistent_volume_claim) {
    problems.require(path + ".persistentVolumeClaim.claimName", volume.persistent_volume_claim->claim_name);
  }
}

} // namespace

bool leads_upwards(std::string_view path) {
  for (const std::string_view part : split(path, '/')) {
    if (part == "..") return true;
  }
  return false;
}

void validate_volumes(Problems& problems, const PodSpec& spec) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < spec.volumes.size(); ++i) {
    const Volume& volume = spec.volumes[i];
    const std::string path = at("spec", "volumes", i);
    problems.name(path + ".name", volume.name, is_dns1123_label, kLabelRule);
    problems.unique(path + ".name", names, volume.name);
    check_source(problems, path, volume);
  }
}

} // namespace keelson::api
