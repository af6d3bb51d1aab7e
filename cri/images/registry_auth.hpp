// Authentication against registries: challenges, tokens and stored credentials, as values. Pure; what comes from a
// registry is hostile, and no error here shows a secret.
#pragma once

#include "base/error.hpp"
#include "cri/images/image_store.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::cri {

// One challenge of a WWW-Authenticate header (RFC 9110, 11.6.1).
struct AuthChallenge {
  std::string scheme; // lower case: "bearer", "basic"
  std::string realm;
  std::string service;
  std::string scope;
};

// All challenges of all headers, in their order; what cannot be read is left out.
std::vector<AuthChallenge> parse_auth_challenges(const std::vector<std::string_view>& headers);

// The token of a token server's answer: `token` or `access_token` (distribution project, token authentication
// specification). Refused if it could break out of a header line.
Result<std::string> parse_token_answer(std::string_view body);

struct UserPassword {
  std::string user;
  std::string password;
};
// From username and password, or from auth. nullopt: the credentials have neither.
Result<std::optional<UserPassword>> user_password(const RegistryCredentials& credentials);

std::string base64_encode(std::string_view data);
Result<std::string> base64_decode(std::string_view text);

// Whether credentials of a request may be shown to the host that asks. Without a server_address they may go to every
// host that the node's administrator has configured for the registry; with one, to the host of that name, or to what is
// configured as the registry itself (not to a mirror).
bool credentials_fit(const RegistryCredentials& credentials, std::string_view asking_host, std::string_view registry,
                     bool mirror);

// What a docker config.json has for a host: `auths` by host name, with or without scheme and path. nullopt: nothing.
// docker.io is also found as https://index.docker.io/v1/. Credential helpers are not run.
Result<std::optional<RegistryCredentials>> find_docker_config_auth(std::string_view config_json, std::string_view host);

} // namespace keelson::cri
