// Stable hashes of objects: equal objects hash alike in every process and version of this table, whatever the order of
// the keys in their text. For change detection and for the uid of static pods. Pure.
#pragma once

#include "api/pod.hpp"

#include <string>
#include <string_view>

namespace keelson::api {

std::string hash_text(std::string_view text); // 32 hexadecimal digits of SHA-256

std::string hash_of(const Pod& pod);             // metadata (without server-set fields) and spec; not status
std::string hash_of(const Container& container); // a different hash: the container must be created again

// The uid of a static pod: a hash of the manifest, the node and the path of the file.
std::string static_pod_uid(const Pod& manifest, std::string_view node_name, std::string_view manifest_path);

} // namespace keelson::api
