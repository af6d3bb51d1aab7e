#include "api/environment.hpp"

#include "api/field_ref.hpp"
#include "api/validation.hpp"

#include <unordered_map>

namespace keelson::api {

namespace {

// The variables so far, in order, a later value of a name in the place of the first.
class Variables {
 public:
  void set(const std::string& name, std::string value) {
    const auto [entry, inserted] = index_.emplace(name, list_.size());
    if (inserted) {
      list_.emplace_back(name, std::move(value));
    } else {
      list_[entry->second].second = std::move(value);
    }
  }
  std::optional<std::string> get(std::string_view name) const {
    const auto found = index_.find(std::string(name));
    if (found == index_.end()) return {};
    return list_[found->second].second;
  }
  Environment take() && { return std::move(list_); }

 private:
  Environment list_;
  std::unordered_map<std::string, std::size_t> index_;
};

using Objects = std::function<std::optional<StringMap>(const std::string& name)>;

std::optional<StringMap> look_up(const Objects& objects, const std::string& name) {
  return objects ? objects(name) : std::nullopt;
}

Result<> add_all(Variables& variables, const std::string& prefix, const EnvSourceObject& source, const Objects& objects,
                 std::string_view kind) {
  const auto data = look_up(objects, source.name);
  if (!data) {
    if (source.optional.value_or(false)) return {};
    return fail(Code::not_found, "{} \"{}\" not found", kind, source.name);
  }
  for (const auto& [key, value] : *data) {
    const std::string name = prefix + key;
    if (is_env_name(name)) variables.set(name, value);
  }
  return {};
}

// nullopt: an optional key that is absent; the variable is then not set at all.
Result<std::optional<std::string>> key_value(const KeySelector& selector, const Objects& objects,
                                             std::string_view kind) {
  const auto data = look_up(objects, selector.name);
  const bool optional = selector.optional.value_or(false);
  if (!data) {
    if (optional) return std::optional<std::string>();
    return fail(Code::not_found, "{} \"{}\" not found", kind, selector.name);
  }
  const auto found = data->find(selector.key);
  if (found != data->end()) return std::optional<std::string>(found->second);
  if (optional) return std::optional<std::string>();
  return fail(Code::not_found, "key \"{}\" not found in {} \"{}\"", selector.key, kind, selector.name);
}

Result<std::optional<std::string>> referred_value(const Pod& pod, const Container& container,
                                                  const EnvVarSource& source, const EnvironmentSources& sources) {
  if (source.field_ref) {
    TRY_ASSIGN(std::string value, field_value(pod, source.field_ref->field_path));
    return std::optional<std::string>(std::move(value));
  }
  if (source.resource_field_ref) {
    const std::string& name = source.resource_field_ref->container_name;
    const Container* other = name.empty() ? &container : find_container(pod, name);
    if (other == nullptr) return fail(Code::not_found, "container \"{}\" not found", name);
    TRY_ASSIGN(std::string value, resource_field_value(*other, *source.resource_field_ref, sources.node_allocatable));
    return std::optional<std::string>(std::move(value));
  }
  if (source.config_map_key_ref) return key_value(*source.config_map_key_ref, sources.config_map, "ConfigMap");
  if (source.secret_key_ref) return key_value(*source.secret_key_ref, sources.secret, "Secret");
  return std::optional<std::string>(std::string());
}

} // namespace

std::string expand(std::string_view text, const Lookup& lookup) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '$' || at + 1 == text.size()) {
      out += text[at];
      continue;
    }
    const char next = text[at + 1];
    if (next != '(') {
      out += '$';
      if (next != '$') out += next;
      ++at;
      continue;
    }
    const std::size_t close = text.find(')', at + 2);
    if (close == std::string_view::npos) { // never closed: as it stands
      out += "$(";
      ++at;
      continue;
    }
    const std::string_view name = text.substr(at + 2, close - at - 2);
    const auto value = lookup(name);
    out += value ? *value : fmt::format("$({})", name);
    at = close;
  }
  return out;
}

Result<Environment> resolve_environment(const Pod& pod, const Container& container, const EnvironmentSources& sources) {
  Variables variables;
  const auto lookup = [&](std::string_view name) { return variables.get(name); };
  for (const EnvFromSource& from : container.env_from) {
    if (from.config_map_ref) {
      TRY(add_all(variables, from.prefix, *from.config_map_ref, sources.config_map, "ConfigMap"));
    }
    if (from.secret_ref) TRY(add_all(variables, from.prefix, *from.secret_ref, sources.secret, "Secret"));
  }
  for (const EnvVar& variable : container.env) {
    if (!variable.value_from) {
      variables.set(variable.name, expand(variable.value, lookup));
      continue;
    }
    TRY_ASSIGN(const auto value, referred_value(pod, container, *variable.value_from, sources));
    if (value) variables.set(variable.name, *value);
  }
  return std::move(variables).take();
}

std::vector<std::string> expand_all(const std::vector<std::string>& words, const Environment& environment) {
  const auto lookup = [&](std::string_view name) -> std::optional<std::string> {
    for (const auto& [key, value] : environment) {
      if (key == name) return value;
    }
    return {};
  };
  std::vector<std::string> out;
  out.reserve(words.size());
  for (const std::string& word : words) out.push_back(expand(word, lookup));
  return out;
}

} // namespace keelson::api
