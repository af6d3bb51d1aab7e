// Image references as users write them, brought to their full form. Pure: no network, no files.
#pragma once

#include "base/error.hpp"

#include <string>
#include <string_view>

namespace keelson::cri {

// registry/repository[:tag][@digest] with every default filled in, as of the distribution project's reference grammar:
// "busybox" is docker.io/library/busybox:latest, "host:5000/a" is host:5000/a:latest. Shape:
//   registry    host name, IPv4 or [IPv6] with an optional port; never empty
//   repository  lower-case path of at most 255 bytes
//   tag         at most 128 bytes; empty if only a digest is given
//   digest      "sha256:" and 64 lower-case hexadecimal digits, or empty
struct ImageReference {
  std::string registry;
  std::string repository;
  std::string tag;
  std::string digest;

  std::string name() const;         // registry/repository
  std::string repo_tag() const;     // name:tag, empty without a tag
  std::string repo_digest() const;  // name@digest, empty without a digest
  std::string canonical() const;    // the digest form if there is one, else the tag form
  std::string manifest_ref() const; // what a registry is asked for: the digest if there is one, else the tag

  bool operator==(const ImageReference&) const = default;
};

// invalid_argument with the reason; the text is untrusted and shown escaped. A bare 64-digit id is refused, as it is no
// name.
Result<ImageReference> parse_image_reference(std::string_view text);

// "sha256:" and 64 lower-case hexadecimal digits, nothing else.
bool is_sha256_digest(std::string_view text);

} // namespace keelson::cri
