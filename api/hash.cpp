#include "api/hash.hpp"

#include "api/decode.hpp"
#include "base/text.hpp"

#include <boost/json/serialize.hpp>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <vector>

namespace keelson::api {

namespace {

// Keys sorted, so that the order in which fields were declared or given does not count.
void append_canonical(std::string& out, const json::value& v) {
  if (const json::object* object = v.if_object()) {
    std::vector<const json::object::value_type*> members;
    for (const auto& member : *object) members.push_back(&member);
    std::sort(members.begin(), members.end(), [](const auto* a, const auto* b) { return a->key() < b->key(); });
    out += '{';
    for (const auto* member : members) {
      out += json::to_text(json::value(member->key())) + ":";
      append_canonical(out, member->value());
      out += ',';
    }
    out += '}';
  } else if (const json::array* array = v.if_array()) {
    out += '[';
    for (const json::value& element : *array) {
      append_canonical(out, element);
      out += ',';
    }
    out += ']';
  } else {
    out += json::to_text(v);
  }
}

std::string canonical(const json::value& v) {
  std::string out;
  append_canonical(out, v);
  return out;
}

std::string canonical_pod(const Pod& pod) {
  Pod wanted = pod;
  wanted.status = {};
  wanted.metadata.resource_version.clear();
  wanted.metadata.generation = 0;
  wanted.metadata.creation_timestamp.reset();
  std::erase_if(wanted.metadata.extra.members, [](const auto& member) { return member.first == "managedFields"; });
  return canonical(encode_pod(wanted));
}

} // namespace

std::string hash_text(std::string_view text) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return to_hex({reinterpret_cast<const char*>(digest.data()), 16});
}

std::string hash_of(const Pod& pod) {
  return hash_text(canonical_pod(pod));
}

std::string hash_of(const Container& container) {
  return hash_text(canonical(encode_container(container)));
}

std::string static_pod_uid(const Pod& manifest, std::string_view node_name, std::string_view manifest_path) {
  // Lengths keep the parts apart.
  return hash_text(fmt::format("{}:{}\n{}:{}\n{}", node_name.size(), node_name, manifest_path.size(), manifest_path,
                               canonical_pod(manifest)));
}

} // namespace keelson::api
