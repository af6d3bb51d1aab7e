#include "cri/images/registry_auth.hpp"

#include "base/json.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <array>

namespace keelson::cri {

namespace {

constexpr std::size_t kMaxChallenges = 16;
constexpr std::size_t kMaxToken = std::size_t{64} << 10;

bool is_token_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

// Reads "Scheme key=value, key="quoted, value", Scheme2 ...": a word that is not followed by "=" starts a challenge.
class ChallengeReader {
 public:
  explicit ChallengeReader(std::string_view text)
      : text_(text) {}

  void read_into(std::vector<AuthChallenge>& challenges) {
    while (challenges.size() < kMaxChallenges) {
      skip(" \t,");
      const std::string_view word = token();
      if (word.empty()) return;
      skip(" \t");
      if (at_ < text_.size() && text_[at_] == '=') {
        ++at_;
        skip(" \t");
        const auto text = value();
        if (!text) return;
        if (!challenges.empty()) set(challenges.back(), to_lower(word), *text);
      } else {
        challenges.push_back(AuthChallenge{to_lower(word), "", "", ""});
      }
    }
  }

 private:
  void skip(std::string_view characters) { at_ = std::min(text_.find_first_not_of(characters, at_), text_.size()); }
  std::string_view token() {
    const auto start = at_;
    while (at_ < text_.size() && is_token_char(text_[at_])) ++at_;
    return text_.substr(start, at_ - start);
  }
  std::optional<std::string> value() {
    if (at_ >= text_.size() || text_[at_] != '"') {
      const auto end = std::min(text_.find_first_of(" \t,", at_), text_.size());
      const std::string text(text_.substr(at_, end - at_));
      at_ = end;
      return text;
    }
    std::string text;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '"') {
        ++at_;
        return text;
      }
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      text += text_[at_];
    }
    return std::nullopt;
  }
  static void set(AuthChallenge& challenge, std::string_view key, const std::string& text) {
    if (key == "realm") challenge.realm = text;
    if (key == "service") challenge.service = text;
    if (key == "scope") challenge.scope = text;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string_view strip_scheme(std::string_view text) {
  for (const std::string_view scheme : {"https://", "http://"})
    if (text.substr(0, scheme.size()) == scheme) return text.substr(scheme.size());
  return text;
}

// The host of an `auths` key or a server_address: without scheme and path, Docker's own names made one.
std::string auth_host(std::string_view text) {
  const std::string host = to_lower(strip_scheme(text).substr(0, strip_scheme(text).find('/')));
  if (host == "index.docker.io" || host == "registry-1.docker.io") return "docker.io";
  return host;
}

Result<std::string> optional_text(const json::object& o, std::string_view key) {
  const auto* member = o.if_contains(key);
  if (member == nullptr || member->is_null()) return std::string();
  if (!member->is_string()) return fail(Code::invalid_argument, "\"{}\" is not a string", key);
  return std::string(member->get_string());
}

Result<RegistryCredentials> read_auth(const json::object& entry) {
  RegistryCredentials credentials;
  TRY_ASSIGN(credentials.username, optional_text(entry, "username"));
  TRY_ASSIGN(credentials.password, optional_text(entry, "password"));
  TRY_ASSIGN(credentials.auth, optional_text(entry, "auth"));
  TRY_ASSIGN(credentials.identity_token, optional_text(entry, "identitytoken"));
  TRY_ASSIGN(credentials.registry_token, optional_text(entry, "registrytoken"));
  return credentials;
}

} // namespace

std::vector<AuthChallenge> parse_auth_challenges(const std::vector<std::string_view>& headers) {
  std::vector<AuthChallenge> challenges;
  for (const auto header : headers) ChallengeReader(header).read_into(challenges);
  return challenges;
}

Result<std::string> parse_token_answer(std::string_view body) {
  TRY_ASSIGN(const auto value, json::parse(body));
  if (!value.is_object()) return fail(Code::invalid_argument, "the token answer is not a JSON object");
  TRY_ASSIGN(auto token, optional_text(value.get_object(), "token"));
  if (token.empty()) {
    TRY_ASSIGN(token, optional_text(value.get_object(), "access_token"));
  }
  if (token.empty()) return fail(Code::unauthenticated, "the token answer has no token");
  const bool clean = std::all_of(token.begin(), token.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (!clean || token.size() > kMaxToken)
    return fail(Code::invalid_argument, "the token has characters or a length that no token has");
  return token;
}

Result<std::optional<UserPassword>> user_password(const RegistryCredentials& credentials) {
  if (!credentials.username.empty() || !credentials.password.empty())
    return std::optional<UserPassword>(UserPassword{credentials.username, credentials.password});
  if (credentials.auth.empty()) return std::optional<UserPassword>();
  TRY_ASSIGN(auto decoded, base64_decode(credentials.auth));
  while (!decoded.empty() && decoded.back() == '\0') decoded.pop_back();
  const auto colon = decoded.find(':');
  if (colon == std::string::npos)
    return fail(Code::invalid_argument, "the registry credentials' \"auth\" is not base64 of user:password");
  return std::optional<UserPassword>(UserPassword{decoded.substr(0, colon), decoded.substr(colon + 1)});
}

std::string base64_encode(std::string_view data) {
  std::string out;
  out.reserve((data.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < data.size(); i += 3) {
    const auto byte = [&](std::size_t n) -> unsigned {
      return i + n < data.size() ? static_cast<unsigned char>(data[i + n]) : 0U;
    };
    const unsigned group = byte(0) << 16 | byte(1) << 8 | byte(2);
    out += kAlphabet[group >> 18];
    out += kAlphabet[(group >> 12) & 63];
    out += i + 1 < data.size() ? kAlphabet[(group >> 6) & 63] : '=';
    out += i + 2 < data.size() ? kAlphabet[group & 63] : '=';
  }
  return out;
}

Result<std::string> base64_decode(std::string_view text) {
  text = trim(text);
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  std::string out;
  unsigned bits = 0;
  unsigned group = 0;
  for (const char c : text) {
    const auto value = kAlphabet.find(c == '-' ? '+' : c == '_' ? '/' : c);
    if (value == std::string_view::npos)
      return fail(Code::invalid_argument, "the registry credentials' \"auth\" is not base64");
    group = (group << 6 | static_cast<unsigned>(value)) & 0xffffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out += static_cast<char>((group >> bits) & 0xff);
  }
  return out;
}

bool credentials_fit(const RegistryCredentials& credentials, std::string_view asking_host, std::string_view registry,
                     bool mirror) {
  if (credentials.server_address.empty()) return true;
  const std::string wanted = auth_host(credentials.server_address);
  return wanted == auth_host(asking_host) || (!mirror && wanted == auth_host(registry));
}

Result<std::optional<RegistryCredentials>> find_docker_config_auth(std::string_view config_json,
                                                                   std::string_view host) {
  TRY_ASSIGN(const auto value, json::parse(config_json));
  if (!value.is_object()) return fail(Code::invalid_argument, "it is not a JSON object");
  const auto* auths = json::find_object(value.get_object(), "auths");
  // The older .dockercfg form is the inner object alone.
  const auto& entries = auths != nullptr ? *auths : value.get_object();
  for (const auto& entry : entries) {
    if (!entry.value().is_object() || auth_host(entry.key()) != auth_host(host)) continue;
    TRY_ASSIGN(auto credentials, read_auth(entry.value().get_object()));
    if (!credentials.empty()) return std::optional<RegistryCredentials>(std::move(credentials));
  }
  return std::optional<RegistryCredentials>();
}

} // namespace keelson::cri
