#include "api/schemas.hpp"

namespace keelson::api {

const Schema& schema_of(Type<OwnerReference>) {
  static const Field kFields[] = {
      field<&OwnerReference::api_version>("apiVersion", Presence::always),
      field<&OwnerReference::kind>("kind", Presence::always),
      field<&OwnerReference::name>("name", Presence::always),
      field<&OwnerReference::uid>("uid", Presence::always),
      field<&OwnerReference::controller>("controller"),
      field<&OwnerReference::block_owner_deletion>("blockOwnerDeletion"),
  };
  static const Schema kSchema = make_schema<OwnerReference>(kFields);
  return kSchema;
}

const Schema& schema_of(Type<ObjectMeta>) {
  static const Field kFields[] = {
      field<&ObjectMeta::name>("name"),
      field<&ObjectMeta::generate_name>("generateName"),
      field<&ObjectMeta::namespace_>("namespace"),
      field<&ObjectMeta::uid>("uid"),
      field<&ObjectMeta::resource_version>("resourceVersion"),
      field<&ObjectMeta::generation>("generation"),
      field<&ObjectMeta::creation_timestamp>("creationTimestamp"),
      field<&ObjectMeta::deletion_timestamp>("deletionTimestamp"),
      field<&ObjectMeta::deletion_grace_period_seconds>("deletionGracePeriodSeconds"),
      field<&ObjectMeta::labels>("labels"),
      field<&ObjectMeta::annotations>("annotations"),
      field<&ObjectMeta::owner_references>("ownerReferences"),
      field<&ObjectMeta::finalizers>("finalizers"),
  };
  static constexpr std::string_view kKept[] = {"managedFields", "selfLink"};
  static const Schema kSchema = make_schema<ObjectMeta>(kFields, kKept);
  return kSchema;
}

const Schema& schema_of(Type<LocalObjectReference>) {
  static const Field kFields[] = {
      field<&LocalObjectReference::name>("name"),
  };
  static const Schema kSchema = make_schema<LocalObjectReference>(kFields);
  return kSchema;
}

} // namespace keelson::api
