// Manifests, indexes, image configurations, docker-archive lists, our own index: any bytes.
#include "cri/images/image_archive.hpp"
#include "cri/images/image_index.hpp"
#include "cri/images/image_manifest.hpp"
#include "cri/images/image_reference.hpp"
#include "cri/images/layer_store.hpp"

#include <cstdlib>

namespace {

using namespace keelson;
using namespace keelson::cri;

void check(bool holds) {
  if (!holds) std::abort();
}

void parse_document(std::string_view text, std::string_view type) {
  const auto parsed = parse_manifest(text, type, 127);
  if (!parsed) return;
  if (const auto* manifest = std::get_if<Manifest>(&*parsed)) {
    check(manifest->layers.size() <= 127);
    check(is_sha256_digest(manifest->config.digest));
    for (const auto& layer : manifest->layers) check(is_sha256_digest(layer.digest));
  } else if (const auto chosen = choose_platform(std::get<ManifestIndex>(*parsed), {"linux", "arm", "v7"})) {
    check(is_sha256_digest(chosen->digest));
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  parse_document(text, "");
  parse_document(text, "application/vnd.oci.image.index.v1+json");
  if (const auto config = parse_image_config(text, 127)) check(chain_ids(config->diff_ids).size() <= 127);
  (void)parse_docker_archive(text, 127).has_value();
  (void)decode_layer_record(text).has_value();
  if (const auto index = decode_image_index(text)) {
    const auto again = decode_image_index(encode_image_index(*index));
    check(again && *again == *index);
  }
  if (const auto reference = parse_image_reference(text)) {
    const auto again = parse_image_reference(reference->canonical());
    check(again && again->canonical() == reference->canonical());
  }
  return 0;
}
