// What a registry or a token server answers, and what an administrator writes about them: any bytes.
#include "cri/images/http_url.hpp"
#include "cri/images/registry_auth.hpp"
#include "cri/images/registry_hosts.hpp"
#include "cri/images/toml_subset.hpp"

#include <cstdlib>

namespace {

using namespace keelson;
using namespace keelson::cri;

void check(bool holds) {
  if (!holds) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check(parse_auth_challenges({text, text}).size() <= 16);
  if (const auto token = parse_token_answer(text)) check(token->find_first_of("\r\n \t") == std::string::npos);
  (void)find_docker_config_auth(text, "example.com").has_value();
  if (const auto decoded = base64_decode(text)) check(*base64_decode(base64_encode(*decoded)) == *decoded);
  if (const auto url = parse_http_url(text)) {
    check(url->scheme == "http" || url->scheme == "https");
    check(parse_http_url(url->text()).has_value());
  }
  static const HttpUrl base = *parse_http_url("https://example.com/v2/a/blobs/b?ns=c");
  if (const auto url = resolve_http_url(base, text)) check(!url->host.empty());
  (void)parse_toml(text).has_value();
  if (const auto hosts = parse_registry_hosts(text, "example.com", "/d")) check(!hosts->empty());
  return 0;
}
