// Pods from JSON and YAML text, and back. Pure; any thread.
//
// A field that no table knows is kept (Extra), written back by the encoders and reported in `warnings` with its path,
// once each. A field with a wrong type or an impossible value refuses the object: invalid_argument with every path that
// is wrong, such as: spec.containers[1].resources.limits.memory: "12Q!" is not a quantity: use a number with a unit
// such as 128Mi
#pragma once

#include "api/pod.hpp"
#include "base/json.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace keelson::api {

template <class T>
struct Decoded {
  T object;
  std::vector<std::string> warnings; // "spec.containers[0].foo: unknown field, kept but not acted on"
};

inline constexpr std::size_t kMaxManifestSize = std::size_t{4} << 20;

Result<Decoded<Pod>> decode_pod(const json::value& document);

// Text of a manifest, JSON or YAML. Empty documents are skipped. resource_exhausted if it is larger than
// kMaxManifestSize.
Result<std::vector<Decoded<Pod>>> decode_pods(std::string_view text);
Result<Decoded<Pod>> decode_pod_text(std::string_view text); // exactly one pod

json::value encode_pod(const Pod& pod); // with apiVersion and kind
json::value encode_pod_status(const PodStatus& status);
json::value encode_container(const Container& container);

} // namespace keelson::api
