// What every Kubernetes object has: type, metadata, and the small values that many fields use.
#pragma once

#include "base/time.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace keelson::api {

using StringMap = std::map<std::string, std::string>;

// Members of an object that have no field here, as JSON text by name in their order. They are written back as they
// came.
struct Extra {
  std::vector<std::pair<std::string, std::string>> members;
  bool operator==(const Extra&) const = default;
};

// A time of whole seconds, as Kubernetes objects carry it.
struct Time {
  WallTime at;
  bool operator==(const Time&) const = default;
};

// A port: a number or the name of a container port.
struct IntOrString {
  bool is_name = false;
  std::int32_t number = 0;
  std::string name;
  bool operator==(const IntOrString&) const = default;
};

struct OwnerReference {
  std::string api_version;
  std::string kind;
  std::string name;
  std::string uid;
  std::optional<bool> controller;
  std::optional<bool> block_owner_deletion;
  Extra extra;
  bool operator==(const OwnerReference&) const = default;
};

struct ObjectMeta {
  std::string name;
  std::string generate_name;
  std::string namespace_;
  std::string uid;
  std::string resource_version;
  std::int64_t generation = 0;
  std::optional<Time> creation_timestamp;
  std::optional<Time> deletion_timestamp;
  std::optional<std::int64_t> deletion_grace_period_seconds;
  StringMap labels;
  StringMap annotations;
  std::vector<OwnerReference> owner_references;
  std::vector<std::string> finalizers;
  Extra extra;
  bool operator==(const ObjectMeta&) const = default;
};

struct LocalObjectReference {
  std::string name;
  Extra extra;
  bool operator==(const LocalObjectReference&) const = default;
};

} // namespace keelson::api
