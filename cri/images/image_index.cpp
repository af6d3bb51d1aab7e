#include "cri/images/image_index.hpp"

#include "base/json.hpp"
#include "cri/images/image_reference.hpp"

#include <algorithm>

namespace keelson::cri {

namespace {

constexpr std::int64_t kVersion = 1;

template <class List>
json::array to_array(const List& list) {
  json::array out;
  for (const auto& item : list) out.emplace_back(item);
  return out;
}

json::object encode(const StoredImage& image) {
  json::array references;
  for (const auto& reference : image.references)
    references.push_back(json::object{{"name", reference.name}, {"digest", reference.digest}});
  json::object o{{"id", image.id},
                 {"references", std::move(references)},
                 {"blobs", to_array(image.blobs)},
                 {"layers", to_array(image.layers)},
                 {"downloadSize", image.download_size}};
  if (!image.unsynced_boot.empty()) o["unsyncedBoot"] = image.unsynced_boot;
  return o;
}

Result<std::vector<std::string>> digests(const json::object& o, std::string_view key) {
  std::vector<std::string> out;
  const auto* list = json::find_array(o, key);
  if (list == nullptr) return fail(Code::data_loss, "no list \"{}\"", key);
  for (const auto& item : *list) {
    if (!item.is_string() || !is_sha256_digest(std::string_view(item.get_string())))
      return fail(Code::data_loss, "\"{}\" has something that is no digest", key);
    out.emplace_back(item.get_string());
  }
  return out;
}

Result<std::vector<StoredReference>> references(const json::object& o) {
  std::vector<StoredReference> out;
  const auto* list = json::find_array(o, "references");
  if (list == nullptr) return fail(Code::data_loss, "no list \"references\"");
  for (const auto& item : *list) {
    if (!item.is_object()) return fail(Code::data_loss, "a reference is not an object");
    StoredReference reference;
    TRY_ASSIGN(reference.name, json::get_string(item.get_object(), "name"));
    TRY_ASSIGN(reference.digest, json::get_string(item.get_object(), "digest"));
    if (!is_sha256_digest(reference.digest)) return fail(Code::data_loss, "a reference to something that is no digest");
    out.push_back(std::move(reference));
  }
  return out;
}

Result<StoredImage> decode(const json::value& value) {
  if (!value.is_object()) return fail(Code::data_loss, "an image is not an object");
  const auto& o = value.get_object();
  StoredImage image;
  TRY_ASSIGN(image.id, json::get_string(o, "id"));
  if (!is_sha256_digest(image.id)) return fail(Code::data_loss, "an image id is no digest");
  TRY_ASSIGN(image.references, references(o));
  TRY_ASSIGN(const auto blobs, digests(o, "blobs"));
  image.blobs.insert(blobs.begin(), blobs.end());
  TRY_ASSIGN(image.layers, digests(o, "layers"));
  TRY_ASSIGN(const auto size, json::get_int(o, "downloadSize"));
  image.download_size = static_cast<std::uint64_t>(size);
  if (o.contains("unsyncedBoot")) {
    TRY_ASSIGN(image.unsynced_boot, json::get_string(o, "unsyncedBoot"));
  }
  return image;
}

} // namespace

std::string encode_image_index(const ImageIndex& index) {
  json::array images;
  for (const auto& [id, image] : index) images.push_back(encode(image));
  return json::to_pretty_text(json::object{{"version", kVersion}, {"images", std::move(images)}});
}

Result<ImageIndex> decode_image_index(std::string_view text) {
  TRY_ASSIGN(const auto value, json::parse(text));
  if (!value.is_object()) return fail(Code::data_loss, "not an object");
  TRY_ASSIGN(const auto version, json::get_int(value.get_object(), "version"));
  if (version != kVersion) return fail(Code::failed_precondition, "version {} is not known here", version);
  const auto* images = json::find_array(value.get_object(), "images");
  if (images == nullptr) return fail(Code::data_loss, "no list \"images\"");
  ImageIndex index;
  for (const auto& item : *images) {
    TRY_ASSIGN(auto image, decode(item));
    const std::string id = image.id;
    index.emplace(id, std::move(image));
  }
  return index;
}

std::string_view repository_of(std::string_view stored_name) {
  if (const auto at = stored_name.find('@'); at != std::string_view::npos) return stored_name.substr(0, at);
  return stored_name.substr(0, stored_name.rfind(':'));
}

void assign_reference(ImageIndex& index, const std::string& id, StoredReference reference) {
  for (auto& [other_id, image] : index) {
    auto& list = image.references;
    const auto known = std::find_if(list.begin(), list.end(),
                                    [&](const StoredReference& item) { return item.name == reference.name; });
    if (known == list.end()) continue;
    const StoredReference old{std::string(repository_of(known->name)) + "@" + known->digest, known->digest};
    list.erase(known);
    const bool replaced = other_id != id || old.digest != reference.digest;
    if (replaced && std::find(list.begin(), list.end(), old) == list.end()) list.push_back(old);
  }
  auto& list = index.at(id).references;
  list.push_back(std::move(reference));
  std::sort(list.begin(), list.end(),
            [](const StoredReference& a, const StoredReference& b) { return a.name < b.name; });
}

} // namespace keelson::cri
