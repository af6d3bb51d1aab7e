#include "api/volume.hpp"

namespace keelson::api {

std::string source_name(const Volume& volume) {
  if (volume.empty_dir) return "emptyDir";
  if (volume.host_path) return "hostPath";
  if (volume.config_map) return "configMap";
  if (volume.secret) return "secret";
  if (volume.projected) return "projected";
  if (volume.downward_api) return "downwardAPI";
  if (volume.persistent_volume_claim) return "persistentVolumeClaim";
  return volume.extra.members.empty() ? std::string() : volume.extra.members.front().first;
}

} // namespace keelson::api
