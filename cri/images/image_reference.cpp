#include "cri/images/image_reference.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <optional>

namespace keelson::cri {

namespace {

constexpr std::size_t kMaxReference = 1024;
constexpr std::size_t kMaxRepository = 255;
constexpr std::size_t kMaxTag = 128;
constexpr std::size_t kMaxHost = 253;

bool is_lower_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}
bool is_alnum(char c) {
  return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}
bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

Fail bad(std::string_view text, std::string_view reason) {
  return fail(Code::invalid_argument, "image reference \"{}\" is not valid: {}", printable(text), reason);
}

// The first part of a path is a registry if it looks like a host: a dot, a colon, an upper-case letter, brackets, or
// "localhost" (the rule of every Docker compatible client).
bool looks_like_registry(std::string_view part) {
  return part == "localhost" || part.find_first_of(".:[") != std::string_view::npos ||
         std::any_of(part.begin(), part.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

bool valid_port(std::string_view port) {
  const auto number = parse_int<std::uint16_t>(port);
  return number && *number != 0;
}

bool valid_host_name(std::string_view host) {
  if (host.empty() || host.size() > kMaxHost) return false;
  for (const std::string_view label : split(host, '.')) {
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') return false;
    if (!std::all_of(label.begin(), label.end(), [](char c) { return is_alnum(c) || c == '-'; })) return false;
  }
  return true;
}

bool valid_registry(std::string_view registry) {
  if (!registry.empty() && registry.front() == '[') {
    const auto close = registry.find(']');
    if (close == std::string_view::npos || close < 3 || close > 46) return false;
    const auto address = registry.substr(1, close - 1);
    if (!std::all_of(address.begin(), address.end(), [](char c) { return is_hex(c) || c == ':' || c == '.'; }))
      return false;
    const auto rest = registry.substr(close + 1);
    return rest.empty() || (rest.front() == ':' && valid_port(rest.substr(1)));
  }
  const auto colon = registry.find(':');
  if (colon == std::string_view::npos) return valid_host_name(registry);
  return valid_host_name(registry.substr(0, colon)) && valid_port(registry.substr(colon + 1));
}

// Lower-case letters and digits, joined inside by one ".", one or two "_", or any number of "-".
bool valid_path_component(std::string_view part) {
  if (part.empty() || !is_lower_alnum(part.front()) || !is_lower_alnum(part.back())) return false;
  for (std::size_t i = 0; i < part.size();) {
    if (is_lower_alnum(part[i])) {
      ++i;
      continue;
    }
    const auto end = std::min(part.find_first_of("abcdefghijklmnopqrstuvwxyz0123456789", i), part.size());
    const auto joint = part.substr(i, end - i);
    const bool dashes = joint.find_first_not_of('-') == std::string_view::npos;
    if (joint != "." && joint != "_" && joint != "__" && !dashes) return false;
    i = end;
  }
  return true;
}

bool valid_tag(std::string_view tag) {
  if (tag.empty() || tag.size() > kMaxTag || tag.front() == '.' || tag.front() == '-') return false;
  return std::all_of(tag.begin(), tag.end(), [](char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; });
}

bool is_hex_id(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// The reason why the repository is refused, if it is.
std::optional<std::string_view> repository_fault(std::string_view repository) {
  if (repository.empty()) return "the repository is empty";
  if (repository.size() > kMaxRepository) return "the repository is longer than 255 bytes";
  if (std::any_of(repository.begin(), repository.end(), [](char c) { return c >= 'A' && c <= 'Z'; }))
    return "the repository must be lower case";
  for (const std::string_view part : split(repository, '/'))
    if (!valid_path_component(part)) return "the repository has a part that is not made of a-z, 0-9, '.', '_' and '-'";
  return std::nullopt;
}

} // namespace

bool is_sha256_digest(std::string_view text) {
  return text.substr(0, 7) == "sha256:" && is_hex_id(text.substr(7));
}

std::string ImageReference::name() const {
  return registry + "/" + repository;
}
std::string ImageReference::repo_tag() const {
  return tag.empty() ? std::string() : name() + ":" + tag;
}
std::string ImageReference::repo_digest() const {
  return digest.empty() ? std::string() : name() + "@" + digest;
}
std::string ImageReference::canonical() const {
  return digest.empty() ? repo_tag() : repo_digest();
}
std::string ImageReference::manifest_ref() const {
  return digest.empty() ? tag : digest;
}

Result<ImageReference> parse_image_reference(std::string_view text) {
  if (text.empty()) return bad(text, "it is empty");
  if (text.size() > kMaxReference) return bad(text, "it is longer than 1024 bytes");
  if (is_hex_id(text)) return bad(text, "it is an image id, not a name");
  ImageReference reference;
  std::string_view rest = text;
  if (const auto at = rest.find('@'); at != std::string_view::npos) {
    reference.digest = rest.substr(at + 1);
    if (!is_sha256_digest(reference.digest)) return bad(text, "the digest must be sha256: and 64 hexadecimal digits");
    rest = rest.substr(0, at);
  }
  const auto slash = rest.find('/');
  if (slash != std::string_view::npos && looks_like_registry(rest.substr(0, slash))) {
    reference.registry = rest.substr(0, slash);
    rest = rest.substr(slash + 1);
  }
  if (const auto colon = rest.rfind(':'); colon != std::string_view::npos) {
    reference.tag = rest.substr(colon + 1);
    if (!valid_tag(reference.tag)) return bad(text, "the tag must be up to 128 letters, digits, '_', '.' and '-'");
    rest = rest.substr(0, colon);
  }
  reference.repository = rest;
  if (reference.registry.empty() || reference.registry == "index.docker.io") reference.registry = "docker.io";
  if (!valid_registry(reference.registry)) return bad(text, "the registry is not a host name with an optional port");
  if (reference.registry == "docker.io" && reference.repository.find('/') == std::string::npos)
    reference.repository = "library/" + reference.repository;
  if (const auto fault = repository_fault(reference.repository)) return bad(text, *fault);
  if (reference.tag.empty() && reference.digest.empty()) reference.tag = "latest";
  return reference;
}

} // namespace keelson::cri
