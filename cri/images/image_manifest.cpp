#include "cri/images/image_manifest.hpp"

#include "base/json.hpp"
#include "base/text.hpp"
#include "cri/images/image_reference.hpp"
#include "cri/images/sha256.hpp"

#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <optional>

namespace keelson::cri {

namespace {

constexpr std::size_t kMaxIndexEntries = 4096;
constexpr std::size_t kMaxListEntries = 65536;
constexpr std::uint64_t kMaxBlob = std::uint64_t{1} << 40;
constexpr std::size_t kMaxText = 4096;

constexpr std::array<std::string_view, 10> kLayerTypes = {
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
};

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

Result<json::object> parse_object(std::string_view text, std::string_view what) {
  TRY_ASSIGN(auto value, json::parse(text));
  if (!value.is_object()) return fail(Code::invalid_argument, "the {} is not a JSON object", what);
  return std::move(value.as_object());
}

// The member, "" if it is absent or null; an error if it has another type or is too long.
Result<std::string> text_member(const json::object& o, std::string_view key, std::size_t limit = kMaxText) {
  const auto* member = o.if_contains(key);
  if (member == nullptr || member->is_null()) return std::string();
  if (!member->is_string()) return fail(Code::invalid_argument, "\"{}\" is not a string", key);
  const auto& text = member->get_string();
  if (text.size() > limit) return fail(Code::invalid_argument, "\"{}\" is longer than {} bytes", key, limit);
  return std::string(text);
}

Result<Platform> platform_member(const json::object& o) {
  Platform platform;
  const auto* object = json::find_object(o, "platform");
  if (object == nullptr) return platform;
  TRY_ASSIGN(platform.os, text_member(*object, "os", 64));
  TRY_ASSIGN(platform.architecture, text_member(*object, "architecture", 64));
  TRY_ASSIGN(platform.variant, text_member(*object, "variant", 64));
  return platform;
}

Result<std::string> name_annotation(const json::object& o) {
  const auto* annotations = json::find_object(o, "annotations");
  if (annotations == nullptr) return std::string();
  TRY_ASSIGN(auto name, text_member(*annotations, "io.containerd.image.name"));
  if (name.empty()) {
    TRY_ASSIGN(name, text_member(*annotations, "org.opencontainers.image.ref.name"));
  }
  return name;
}

Result<Descriptor> parse_descriptor(const json::value& value) {
  if (!value.is_object()) return fail(Code::invalid_argument, "a descriptor is not an object");
  const auto& o = value.get_object();
  Descriptor descriptor;
  TRY_ASSIGN(descriptor.media_type, text_member(o, "mediaType", 255));
  TRY_ASSIGN(descriptor.digest, text_member(o, "digest", 255));
  if (!is_sha256_digest(descriptor.digest))
    return fail(Code::invalid_argument, "the digest \"{}\" is not sha256: and 64 hexadecimal digits",
                printable(descriptor.digest));
  TRY_ASSIGN(const auto size, json::get_int(o, "size"));
  if (size < 0 || static_cast<std::uint64_t>(size) > kMaxBlob)
    return fail(Code::invalid_argument, "the size {} of {} is out of range", size, descriptor.digest);
  descriptor.size = static_cast<std::uint64_t>(size);
  TRY_ASSIGN(descriptor.platform, platform_member(o));
  TRY_ASSIGN(descriptor.ref_name, name_annotation(o));
  return descriptor;
}

Result<ManifestDocument> parse_index(const json::object& o) {
  const auto* entries = json::find_array(o, "manifests");
  if (entries == nullptr) return fail(Code::invalid_argument, "the index has no list of manifests");
  if (entries->size() > kMaxIndexEntries)
    return fail(Code::invalid_argument, "the index has {} entries; at most {} are accepted", entries->size(),
                kMaxIndexEntries);
  ManifestIndex index;
  index.manifests.reserve(entries->size());
  for (const auto& entry : *entries) {
    TRY_ASSIGN(auto descriptor, parse_descriptor(entry));
    index.manifests.push_back(std::move(descriptor));
  }
  return ManifestDocument(std::move(index));
}

Result<> check_layer_type(const std::string& type) {
  if (std::find(kLayerTypes.begin(), kLayerTypes.end(), type) != kLayerTypes.end()) return {};
  return fail(Code::unimplemented, "layer type \"{}\" is not supported; tar, gzip and zstd layers are",
              printable(type));
}

Result<ManifestDocument> parse_plain_manifest(const json::object& o, std::size_t max_layers) {
  const auto* config = o.if_contains("config");
  if (config == nullptr) return fail(Code::invalid_argument, "the manifest has no config");
  Manifest manifest;
  TRY_ASSIGN(manifest.config, parse_descriptor(*config));
  const auto* layers = json::find_array(o, "layers");
  if (layers == nullptr) return fail(Code::invalid_argument, "the manifest has no list of layers");
  if (layers->size() > max_layers)
    return fail(Code::invalid_argument, "the image has {} layers; at most {} can be stacked", layers->size(),
                max_layers);
  manifest.layers.reserve(layers->size());
  for (const auto& layer : *layers) {
    TRY_ASSIGN(auto descriptor, parse_descriptor(layer));
    TRY(check_layer_type(descriptor.media_type));
    manifest.layers.push_back(std::move(descriptor));
  }
  return ManifestDocument(std::move(manifest));
}

// Rank of an entry for the wanted platform; higher is better, none: it cannot run.
std::optional<int> platform_rank(const Platform& offered, const Platform& wanted) {
  if (offered.os != wanted.os || offered.architecture != wanted.architecture) return std::nullopt;
  if (offered.variant == wanted.variant) return 100;
  if (wanted.architecture == "arm64") {
    const bool both_v8 =
        (offered.variant.empty() || offered.variant == "v8") && (wanted.variant.empty() || wanted.variant == "v8");
    return both_v8 ? std::optional<int>(99) : std::nullopt;
  }
  const std::string baseline = wanted.architecture == "arm" ? "v7" : "v1";
  const auto level = [&](const std::string& variant) {
    const std::string& text = variant.empty() ? baseline : variant;
    const auto number = text.front() == 'v' ? parse_int<int>(std::string_view(text).substr(1)) : Result<int>(-1);
    return number ? std::min(*number, 90) : -1;
  };
  if (level(offered.variant) < 0 || level(offered.variant) > level(wanted.variant)) return std::nullopt;
  return level(offered.variant);
}

Result<std::vector<std::string>> string_list(const json::object& o, std::string_view key) {
  std::vector<std::string> list;
  const auto* member = o.if_contains(key);
  if (member == nullptr || member->is_null()) return list;
  if (!member->is_array()) return fail(Code::invalid_argument, "\"{}\" is not a list", key);
  if (member->get_array().size() > kMaxListEntries) return fail(Code::invalid_argument, "\"{}\" is too long", key);
  for (const auto& item : member->get_array()) {
    if (!item.is_string()) return fail(Code::invalid_argument, "\"{}\" has an entry that is not a string", key);
    list.emplace_back(item.get_string());
  }
  return list;
}

// Sets are objects with empty values: {"/data": {}}.
Result<std::vector<std::string>> key_set(const json::object& o, std::string_view key) {
  std::vector<std::string> keys;
  const auto* member = o.if_contains(key);
  if (member == nullptr || member->is_null()) return keys;
  if (!member->is_object()) return fail(Code::invalid_argument, "\"{}\" is not an object", key);
  if (member->get_object().size() > kMaxListEntries) return fail(Code::invalid_argument, "\"{}\" is too long", key);
  for (const auto& item : member->get_object()) keys.emplace_back(item.key());
  std::sort(keys.begin(), keys.end());
  return keys;
}

Result<ImageConfig> parse_config_object(const json::object& o) {
  ImageConfig config;
  TRY_ASSIGN(config.user, text_member(o, "User"));
  TRY_ASSIGN(config.env, string_list(o, "Env"));
  TRY_ASSIGN(config.entrypoint, string_list(o, "Entrypoint"));
  TRY_ASSIGN(config.cmd, string_list(o, "Cmd"));
  TRY_ASSIGN(config.working_dir, text_member(o, "WorkingDir"));
  TRY_ASSIGN(config.volumes, key_set(o, "Volumes"));
  TRY_ASSIGN(config.exposed_ports, key_set(o, "ExposedPorts"));
  TRY_ASSIGN(config.stop_signal, text_member(o, "StopSignal", 64));
  const auto* labels = o.if_contains("Labels");
  if (labels == nullptr || labels->is_null()) return config;
  if (!labels->is_object()) return fail(Code::invalid_argument, "\"Labels\" is not an object");
  for (const auto& label : labels->get_object()) {
    if (!label.value().is_string()) return fail(Code::invalid_argument, "a label is not a string");
    config.labels.emplace(label.key(), label.value().get_string());
  }
  return config;
}

Result<std::vector<std::string>> parse_diff_ids(const json::object& o, std::size_t max_layers) {
  const auto* rootfs = json::find_object(o, "rootfs");
  if (rootfs == nullptr) return fail(Code::invalid_argument, "it has no rootfs and so is no container image");
  TRY_ASSIGN(auto diff_ids, string_list(*rootfs, "diff_ids"));
  if (diff_ids.size() > max_layers)
    return fail(Code::invalid_argument, "it names {} layers; at most {} can be stacked", diff_ids.size(), max_layers);
  for (const auto& id : diff_ids)
    if (!is_sha256_digest(id))
      return fail(Code::invalid_argument, "diff id \"{}\" is not a sha256 digest", printable(id));
  return diff_ids;
}

} // namespace

std::string to_string(const Platform& platform) {
  std::string text = platform.os + "/" + platform.architecture;
  if (!platform.variant.empty()) text += "/" + platform.variant;
  return text;
}

Result<Platform> parse_platform(std::string_view text) {
  const auto parts = split(text, '/');
  const bool plain =
      text.size() <= 128 && printable(text) == text && text.find_first_of(" \\") == std::string_view::npos;
  if (!plain || parts.size() < 2 || parts.size() > 3 || parts[0].empty() || parts[1].empty() || parts.back().empty())
    return fail(Code::invalid_argument, "platform \"{}\" is not os/architecture[/variant]", printable(text));
  return Platform{std::string(parts[0]), std::string(parts[1]), parts.size() == 3 ? std::string(parts[2]) : ""};
}

Platform machine_platform() {
  utsname names{};
  ::uname(&names);
  const std::string machine = names.machine;
  if (machine == "x86_64") return {"linux", "amd64", ""};
  if (machine == "aarch64") return {"linux", "arm64", ""};
  if (machine.substr(0, 4) == "armv") return {"linux", "arm", "v" + machine.substr(4, 1)};
  if (machine == "i686" || machine == "i386") return {"linux", "386", ""};
  return {"linux", machine, ""}; // ppc64le, s390x and riscv64 have the same names in Go's list
}

Result<ManifestDocument> parse_manifest(std::string_view text, std::string_view media_type, std::size_t max_layers) {
  TRY_ASSIGN(const auto object, parse_object(text, "manifest"));
  const bool has_manifests = object.contains("manifests");
  const bool has_layers = object.contains("layers");
  if (object.contains("fsLayers") || contains(media_type, "distribution.manifest.v1+"))
    return fail(Code::unimplemented,
                "the manifest is Docker schema 1, which is not supported; push the image again with a "
                "current tool");
  if (has_manifests && has_layers)
    return fail(Code::invalid_argument, "the manifest is also an index; it is ambiguous");
  TRY_ASSIGN(const auto own_type, text_member(object, "mediaType", 255));
  const std::string_view type = own_type.empty() ? media_type : std::string_view(own_type);
  const bool says_index = contains(type, "image.index.") || contains(type, "manifest.list.");
  const bool says_manifest = contains(type, "image.manifest.") || contains(type, "distribution.manifest.v2");
  if ((says_index && !has_manifests) || (says_manifest && has_manifests))
    return fail(Code::invalid_argument, "the manifest is not of its type \"{}\"", printable(type));
  return has_manifests ? parse_index(object) : parse_plain_manifest(object, max_layers);
}

Result<Descriptor> choose_platform(const ManifestIndex& index, const Platform& wanted) {
  const Descriptor* best = nullptr;
  int best_rank = -1;
  std::vector<std::string> offered;
  for (const auto& entry : index.manifests) {
    const auto rank = entry.platform.os.empty() ? std::optional<int>(0) : platform_rank(entry.platform, wanted);
    if (rank && *rank > best_rank) {
      best = &entry;
      best_rank = *rank;
    }
    if (!entry.platform.os.empty() && entry.platform.os != "unknown" && offered.size() < 20)
      offered.push_back(printable(to_string(entry.platform), 64));
  }
  if (best != nullptr) return *best;
  return fail(Code::not_found, "there is no image for {}; the index offers {}", to_string(wanted),
              offered.empty() ? "nothing" : join(offered, ", "));
}

Result<ImageConfigDocument> parse_image_config(std::string_view text, std::size_t max_layers) {
  TRY_ASSIGN(const auto object, parse_object(text, "image configuration"));
  ImageConfigDocument document;
  TRY_ASSIGN(document.os, text_member(object, "os", 64));
  TRY_ASSIGN(document.architecture, text_member(object, "architecture", 64));
  TRY_ASSIGN(document.created, text_member(object, "created", 64));
  TRY_ASSIGN(document.diff_ids, parse_diff_ids(object, max_layers));
  if (const auto* config = json::find_object(object, "config")) {
    TRY_ASSIGN(document.config, parse_config_object(*config));
  }
  return document;
}

std::vector<std::string> chain_ids(const std::vector<std::string>& diff_ids) {
  std::vector<std::string> chain;
  chain.reserve(diff_ids.size());
  for (const auto& diff_id : diff_ids)
    chain.push_back(chain.empty() ? diff_id : sha256_digest(chain.back() + " " + diff_id));
  return chain;
}

} // namespace keelson::cri
