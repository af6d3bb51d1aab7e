#include "api/field_ref.hpp"
#include "api/problems.hpp"

namespace keelson::api {

namespace {

bool is_container_resource_ref(std::string_view resource) {
  const std::size_t point = resource.find('.');
  if (point == std::string_view::npos) return false;
  const std::string_view list = resource.substr(0, point);
  const std::string_view name = resource.substr(point + 1);
  if (list != "limits" && list != "requests") return false;
  return name == "cpu" || name == "memory" || name == "ephemeral-storage" ||
         (name.starts_with("hugepages-") && name.size() > 10);
}

void check_key(Problems& problems, const std::string& path, const std::optional<KeySelector>& selector) {
  if (!selector) return;
  problems.require(path + ".name", selector->name);
  problems.require(path + ".key", selector->key);
}

void check_source(Problems& problems, const std::string& path, const EnvVar& variable) {
  const EnvVarSource& source = *variable.value_from;
  const int count = source.field_ref.has_value() + source.resource_field_ref.has_value() +
                    source.config_map_key_ref.has_value() + source.secret_key_ref.has_value();
  if (count + static_cast<int>(source.extra.members.size()) != 1) {
    problems.add(path, "needs exactly one of fieldRef, resourceFieldRef, configMapKeyRef and secretKeyRef");
  }
  if (!variable.value.empty()) problems.add(path, "must not be set together with value");
  if (source.field_ref && !is_supported_env_field(source.field_ref->field_path)) {
    problems.add(path + ".fieldRef.fieldPath", "\"{}\" is not available in the environment",
                 printable(source.field_ref->field_path, 80));
  }
  if (source.resource_field_ref && !is_container_resource_ref(source.resource_field_ref->resource)) {
    problems.add(path + ".resourceFieldRef.resource",
                 "\"{}\" is not one of limits. or requests. with cpu, memory, ephemeral-storage or hugepages-<size>",
                 printable(source.resource_field_ref->resource, 80));
  }
  check_key(problems, path + ".configMapKeyRef", source.config_map_key_ref);
  check_key(problems, path + ".secretKeyRef", source.secret_key_ref);
}

} // namespace

void validate_environment(Problems& problems, const std::string& path, const Container& container) {
  for (std::size_t i = 0; i < container.env.size(); ++i) {
    const EnvVar& variable = container.env[i];
    const std::string item = at(path, "env", i);
    problems.name(item + ".name", variable.name, is_env_name, "printable ASCII characters other than =");
    problems.no_nul(item + ".value", variable.value);
    if (variable.value_from) check_source(problems, item + ".valueFrom", variable);
  }
  for (std::size_t i = 0; i < container.env_from.size(); ++i) {
    const EnvFromSource& source = container.env_from[i];
    const std::string item = at(path, "envFrom", i);
    if (source.config_map_ref.has_value() == source.secret_ref.has_value()) {
      problems.add(item, "needs exactly one of configMapRef and secretRef");
    }
    if (source.config_map_ref) problems.require(item + ".configMapRef.name", source.config_map_ref->name);
    if (source.secret_ref) problems.require(item + ".secretRef.name", source.secret_ref->name);
    if (!source.prefix.empty())
      problems.name(item + ".prefix", source.prefix, is_env_name, "printable ASCII without =");
  }
}

} // namespace keelson::api
