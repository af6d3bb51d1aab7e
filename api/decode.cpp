#include "api/decode.hpp"

#include "api/schemas.hpp"
#include "api/yaml.hpp"
#include "base/text.hpp"

#include <algorithm>

namespace keelson::api {

namespace {

bool is_type_member(std::string_view name) {
  return name == "apiVersion" || name == "kind";
}

void expect_type(DecodeContext& context, const json::object& object, std::string_view member, std::string_view wanted) {
  const DecodeContext::Step step(context, member);
  const json::value* v = object.if_contains(member);
  if (v == nullptr) {
    context.error(fmt::format("is missing: use {}", wanted));
  } else if (!v->is_string() || v->get_string() != wanted) {
    context.error(fmt::format("{} is not supported: use {}", shown(*v), wanted));
  }
}

// The name is known even if the rest is wrong: messages about one of many pods need it.
std::string described(const json::value& document) {
  const json::object* object = document.if_object();
  const json::object* metadata = object != nullptr ? json::find_object(*object, "metadata") : nullptr;
  const auto name = metadata != nullptr ? json::get_string(*metadata, "name") : Result<std::string>(std::string());
  return name && !name->empty() ? "pod " + printable(*name, 100) : "pod";
}

bool is_json(std::string_view text) {
  const std::string_view trimmed = trim(text);
  return !trimmed.empty() && trimmed.front() == '{';
}

Result<YamlDocuments> parse_documents(std::string_view text) {
  if (text.size() > kMaxManifestSize) {
    return fail(Code::resource_exhausted, "manifest has {} bytes, more than the {} that are read", text.size(),
                kMaxManifestSize);
  }
  YamlLimits limits;
  limits.max_size = kMaxManifestSize;
  if (!is_json(text)) return parse_yaml(text, limits);
  auto document = json::parse(text);
  if (document) {
    YamlDocuments out;
    out.documents.push_back(std::move(*document));
    return out;
  }
  // A YAML flow mapping begins like JSON.
  auto yaml = parse_yaml(text, limits);
  if (yaml) return yaml;
  return Fail(std::move(document).error());
}

} // namespace

Result<Decoded<Pod>> decode_pod(const json::value& document) {
  DecodeContext context;
  Decoded<Pod> decoded;
  if (const json::object* object = document.if_object()) {
    expect_type(context, *object, "apiVersion", "v1");
    expect_type(context, *object, "kind", "Pod");
  }
  // Another kind has other fields: complaints about them would hide the reason.
  if (context.errors().empty()) decode_object(context, schema_of(Type<Pod>{}), document, &decoded.object);
  if (!context.errors().empty()) {
    return fail(Code::invalid_argument, "{}: {}", described(document), join(context.errors(), "; "));
  }
  std::erase_if(decoded.object.extra.members, [](const auto& member) { return is_type_member(member.first); });
  decoded.warnings = std::move(context.warnings());
  return decoded;
}

Result<std::vector<Decoded<Pod>>> decode_pods(std::string_view text) {
  TRY_ASSIGN(YamlDocuments parsed, parse_documents(text));
  std::vector<Decoded<Pod>> pods;
  for (const json::value& document : parsed.documents) {
    if (document.is_null()) continue;
    TRY_ASSIGN(Decoded<Pod> pod, decode_pod(document));
    pods.push_back(std::move(pod));
  }
  if (!pods.empty()) {
    auto& warnings = pods.front().warnings;
    warnings.insert(warnings.begin(), parsed.warnings.begin(), parsed.warnings.end());
  }
  return pods;
}

Result<Decoded<Pod>> decode_pod_text(std::string_view text) {
  TRY_ASSIGN(std::vector<Decoded<Pod>> pods, decode_pods(text));
  if (pods.empty()) return fail(Code::invalid_argument, "the manifest is empty: it must hold one pod");
  if (pods.size() > 1) {
    return fail(Code::invalid_argument, "the manifest holds {} pods: give each a file of its own", pods.size());
  }
  return std::move(pods.front());
}

json::value encode_pod(const Pod& pod) {
  json::object out{{"apiVersion", "v1"}, {"kind", "Pod"}};
  const json::value body = encode_object(schema_of(Type<Pod>{}), &pod);
  for (const auto& member : body.get_object()) out[member.key()] = member.value();
  return out;
}

json::value encode_pod_status(const PodStatus& status) {
  return encode_object(schema_of(Type<PodStatus>{}), &status);
}

json::value encode_container(const Container& container) {
  return encode_object(schema_of(Type<Container>{}), &container);
}

} // namespace keelson::api
