#include "api/schemas.hpp"

namespace keelson::api {

const Schema& schema_of(Type<EmptyDirVolume>) {
  static const Field kFields[] = {
      field<&EmptyDirVolume::medium>("medium"),
      field<&EmptyDirVolume::size_limit>("sizeLimit"),
  };
  static const Schema kSchema = make_schema<EmptyDirVolume>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<HostPathVolume>) {
  static const Field kFields[] = {
      field<&HostPathVolume::path>("path", Presence::always),
      field<&HostPathVolume::type>("type"),
  };
  static const Schema kSchema = make_schema<HostPathVolume>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<KeyToPath>) {
  static const Field kFields[] = {
      field<&KeyToPath::key>("key", Presence::always),
      field<&KeyToPath::path>("path", Presence::always),
      field<&KeyToPath::mode>("mode"),
  };
  static const Schema kSchema = make_schema<KeyToPath>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<ConfigMapVolume>) {
  static const Field kFields[] = {
      field<&ConfigMapVolume::name>("name"),
      field<&ConfigMapVolume::items>("items"),
      field<&ConfigMapVolume::default_mode>("defaultMode"),
      field<&ConfigMapVolume::optional>("optional"),
  };
  static const Schema kSchema = make_schema<ConfigMapVolume>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<SecretVolume>) {
  static const Field kFields[] = {
      field<&SecretVolume::secret_name>("secretName"),
      field<&SecretVolume::items>("items"),
      field<&SecretVolume::default_mode>("defaultMode"),
      field<&SecretVolume::optional>("optional"),
  };
  static const Schema kSchema = make_schema<SecretVolume>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<DownwardApiFile>) {
  static const Field kFields[] = {
      field<&DownwardApiFile::path>("path", Presence::always),
      field<&DownwardApiFile::field_ref>("fieldRef"),
      field<&DownwardApiFile::resource_field_ref>("resourceFieldRef"),
      field<&DownwardApiFile::mode>("mode"),
  };
  static const Schema kSchema = make_schema<DownwardApiFile>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<DownwardApiVolume>) {
  static const Field kFields[] = {
      field<&DownwardApiVolume::items>("items"),
      field<&DownwardApiVolume::default_mode>("defaultMode"),
  };
  static const Schema kSchema = make_schema<DownwardApiVolume>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<ServiceAccountTokenProjection>) {
  static const Field kFields[] = {
      field<&ServiceAccountTokenProjection::audience>("audience"),
      field<&ServiceAccountTokenProjection::expiration_seconds>("expirationSeconds"),
      field<&ServiceAccountTokenProjection::path>("path", Presence::always),
  };
  static const Schema kSchema = make_schema<ServiceAccountTokenProjection>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<ObjectProjection>) {
  static const Field kFields[] = {
      field<&ObjectProjection::name>("name"),
      field<&ObjectProjection::items>("items"),
      field<&ObjectProjection::optional>("optional"),
  };
  static const Schema kSchema = make_schema<ObjectProjection>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<DownwardApiProjection>) {
  static const Field kFields[] = {
      field<&DownwardApiProjection::items>("items"),
  };
  static const Schema kSchema = make_schema<DownwardApiProjection>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<VolumeProjection>) {
  static const Field kFields[] = {
      field<&VolumeProjection::secret>("secret"),
      field<&VolumeProjection::config_map>("configMap"),
      field<&VolumeProjection::downward_api>("downwardAPI"),
      field<&VolumeProjection::service_account_token>("serviceAccountToken"),
  };
  static constexpr std::string_view kKept[] = {"clusterTrustBundle", "podCertificate"};
  static const Schema kSchema = make_schema<VolumeProjection>(kFields, kKept);
  return kSchema;
}

const Schema& schema_of(Type<ProjectedVolume>) {
  static const Field kFields[] = {
      field<&ProjectedVolume::sources>("sources", Presence::always),
      field<&ProjectedVolume::default_mode>("defaultMode"),
  };
  static const Schema kSchema = make_schema<ProjectedVolume>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<PersistentVolumeClaimVolume>) {
  static const Field kFields[] = {
      field<&PersistentVolumeClaimVolume::claim_name>("claimName", Presence::always),
      field<&PersistentVolumeClaimVolume::read_only>("readOnly"),
  };
  static const Schema kSchema = make_schema<PersistentVolumeClaimVolume>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<Volume>) {
  static const Field kFields[] = {
      field<&Volume::name>("name", Presence::always),
      field<&Volume::empty_dir>("emptyDir"),
      field<&Volume::host_path>("hostPath"),
      field<&Volume::config_map>("configMap"),
      field<&Volume::secret>("secret"),
      field<&Volume::projected>("projected"),
      field<&Volume::downward_api>("downwardAPI"),
      field<&Volume::persistent_volume_claim>("persistentVolumeClaim"),
  };
  static constexpr std::string_view kKept[] = {"awsElasticBlockStore",
                                               "azureDisk",
                                               "azureFile",
                                               "cephfs",
                                               "cinder",
                                               "csi",
                                               "ephemeral",
                                               "fc",
                                               "flexVolume",
                                               "flocker",
                                               "gcePersistentDisk",
                                               "gitRepo",
                                               "glusterfs",
                                               "image",
                                               "iscsi",
                                               "nfs",
                                               "photonPersistentDisk",
                                               "portworxVolume",
                                               "quobyte",
                                               "rbd",
                                               "scaleIO",
                                               "storageos",
                                               "vsphereVolume"};
  static const Schema kSchema = make_schema<Volume>(kFields, kKept);
  return kSchema;
}

} // namespace keelson::api
