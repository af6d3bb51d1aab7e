// Pods from any bytes: decoding, defaults, validation, hashing and encoding never crash, and what was decoded once
// decodes to the same pod from its own JSON and YAML.
#include "api/decode.hpp"
#include "api/defaults.hpp"
#include "api/hash.hpp"
#include "api/validation.hpp"
#include "api/yaml.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

void must(bool condition, const char* what, const std::string& text) {
  if (condition) return;
  std::fprintf(stderr, "%s:\n%s\n", what, text.c_str());
  std::abort();
}

void round_trip(const keelson::api::Pod& pod, const std::string& text) {
  const auto again = keelson::api::decode_pod_text(text);
  must(again.has_value(), again ? "" : again.error().message.c_str(), text);
  must(again->object == pod, "decoded to another pod", text);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keelson;
  if (size > 64 * 1024) return 0;
  auto pods = api::decode_pods(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!pods) return 0;
  for (api::Decoded<api::Pod>& decoded : *pods) {
    api::Pod& pod = decoded.object;
    round_trip(pod, json::to_text(api::encode_pod(pod)));
    api::apply_defaults(pod);
    (void)api::validate(pod);
    const std::string hash = api::hash_of(pod);
    const json::value encoded = api::encode_pod(pod);
    round_trip(pod, json::to_pretty_text(encoded));
    round_trip(pod, api::to_yaml(encoded));
    const api::Pod once = pod;
    api::apply_defaults(pod);
    must(pod == once && api::hash_of(pod) == hash, "defaults applied twice differ", json::to_text(encoded));
  }
  return 0;
}
