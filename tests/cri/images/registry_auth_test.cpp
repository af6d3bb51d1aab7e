#include "cri/images/http_url.hpp"
#include "cri/images/registry_auth.hpp"

#include <gtest/gtest.h>

namespace keelson::cri {
namespace {

TEST(AuthChallenge, ReadsSeveral) {
  const auto list = parse_auth_challenges(
      {R"(Bearer realm="https://auth.example/token?a=b",service="reg, istry",scope="repository:a/b:pull,push")",
       R"(Basic realm=plain, Digest nonce="x\"y")"});
  ASSERT_EQ(3U, list.size());
  EXPECT_EQ("bearer", list[0].scheme);
  EXPECT_EQ("https://auth.example/token?a=b", list[0].realm);
  EXPECT_EQ("reg, istry", list[0].service);
  EXPECT_EQ("repository:a/b:pull,push", list[0].scope);
  EXPECT_EQ("basic", list[1].scheme);
  EXPECT_EQ("plain", list[1].realm);
  EXPECT_EQ("digest", list[2].scheme);
}

TEST(AuthChallenge, EndsOnGarbage) {
  for (const std::string& text :
       {std::string(), std::string("\""), std::string("="), std::string("a=\""), std::string("Bearer realm=\"x"),
        std::string(10000, ','), std::string(10000, '='), std::string("\xff\xfe"), std::string("a b c d")})
    EXPECT_LE(parse_auth_challenges({text}).size(), 16U);
  std::string many;
  for (int i = 0; i < 100000; ++i) many += "Basic ";
  EXPECT_EQ(16U, parse_auth_challenges({many}).size());
}

TEST(TokenAnswer, TakesEitherName) {
  EXPECT_EQ("abc", *parse_token_answer(R"({"token":"abc","expires_in":60})"));
  EXPECT_EQ("abc", *parse_token_answer(R"({"access_token":"abc"})"));
  for (const std::string& text :
       {std::string("{}"), std::string("[]"), std::string(R"({"token":5})"), std::string(R"({"token":"a\r\nX: y"})"),
        std::string(R"({"token":""})"), R"({"token":")" + std::string(100000, 'a') + "\"}"})
    EXPECT_FALSE(parse_token_answer(text));
}

TEST(Credentials, AuthIsUserAndPassword) {
  RegistryCredentials credentials;
  credentials.auth = base64_encode("user:pa:ss");
  const auto pair = user_password(credentials);
  ASSERT_TRUE(pair && *pair);
  EXPECT_EQ("user", (*pair)->user);
  EXPECT_EQ("pa:ss", (*pair)->password);
  credentials.auth = "%%%secret%%%";
  EXPECT_EQ(std::string::npos, user_password(credentials).error().message.find("secret"));
  EXPECT_FALSE(*user_password(RegistryCredentials()));
}

TEST(Credentials, GoOnlyWhereTheyBelong) {
  RegistryCredentials credentials;
  EXPECT_TRUE(credentials_fit(credentials, "any", "example.com", true));
  credentials.server_address = "https://example.com/v1/";
  EXPECT_TRUE(credentials_fit(credentials, "example.com", "example.com", false));
  EXPECT_TRUE(credentials_fit(credentials, "10.0.0.1:5000", "example.com", false));
  EXPECT_FALSE(credentials_fit(credentials, "10.0.0.1:5000", "example.com", true));
  EXPECT_FALSE(credentials_fit(credentials, "example.com.evil", "other.com", false));
  credentials.server_address = "https://index.docker.io/v1/";
  EXPECT_TRUE(credentials_fit(credentials, "registry-1.docker.io", "docker.io", false));
}

TEST(DockerConfig, FindsTheHost) {
  const std::string text = R"({"auths":{"https://index.docker.io/v1/":{"auth":"aGk6aG8="},
    "example.com:5000":{"identitytoken":"t"},"empty.com":{}},"credHelpers":{"x":"y"}})";
  EXPECT_EQ("aGk6aG8=", (*find_docker_config_auth(text, "docker.io"))->auth);
  EXPECT_EQ("aGk6aG8=", (*find_docker_config_auth(text, "registry-1.docker.io"))->auth);
  EXPECT_EQ("t", (*find_docker_config_auth(text, "example.com:5000"))->identity_token);
  EXPECT_FALSE(*find_docker_config_auth(text, "example.com"));
  EXPECT_FALSE(*find_docker_config_auth(text, "empty.com"));
  EXPECT_EQ("u", (*find_docker_config_auth(R"({"a.com":{"username":"u","password":"p"}})", "a.com"))->username);
  EXPECT_FALSE(find_docker_config_auth("[]", "a.com"));
  EXPECT_FALSE(find_docker_config_auth(R"({"auths":{"a.com":{"auth":5}}})", "a.com"));
}

TEST(Base64, RoundTrips) {
  for (const std::string text : {"", "a", "ab", "abc", "abcd", "\xff\xfe"})
    EXPECT_EQ(text, *base64_decode(base64_encode(text)));
}

TEST(HttpUrl, TakesApartAndShowsNoQuery) {
  const auto url = parse_http_url("HTTPS://Example.COM/a/b?sig=secret");
  ASSERT_TRUE(url);
  EXPECT_EQ("https://example.com/a/b", url->shown());
  EXPECT_EQ("https://example.com/a/b?sig=secret", url->text());
  EXPECT_EQ("example.com:8443", parse_http_url("https://example.com:8443")->authority());
  EXPECT_FALSE(parse_http_url("http://a/")->same_origin(*parse_http_url("https://a/")));
  EXPECT_FALSE(parse_http_url("http://a/")->same_origin(*parse_http_url("http://a:81/")));
  for (const std::string& text :
       {std::string("ftp://a"), std::string("file:///etc/passwd"), std::string("//a"), std::string("http://u@a/"),
        std::string("http://"), std::string("http://a:0/"), std::string("http://a b/"),
        std::string("http://a\r\nX: y/"), std::string(), "http://a/" + std::string(20000, 'a')})
    EXPECT_FALSE(parse_http_url(text)) << text.substr(0, 40);
}

TEST(HttpUrl, ResolvesLocations) {
  const auto from = *parse_http_url("https://a.com/v2/x/blobs/d?ns=q");
  EXPECT_EQ("https://a.com/other?s=1", resolve_http_url(from, "/other?s=1")->text());
  EXPECT_EQ("http://b.com/x", resolve_http_url(from, "http://b.com/x")->text());
  EXPECT_FALSE(resolve_http_url(from, "file:///etc/passwd"));
  EXPECT_EQ("a%2Fb%20%26", url_encode("a/b &"));
}

} // namespace
} // namespace keelson::cri
