#include "health/http_probe.hpp"
#include "health/http_request.hpp"

#include <gtest/gtest.h>

namespace keelson::health {
namespace {

HttpAction action(std::string path, std::vector<HttpHeader> headers = {}) {
  return {false, "10.0.0.1", 8080, std::move(path), std::move(headers)};
}

std::string request_text(const HttpAction& a) {
  const auto request = make_http_request(a, "kube-probe/1.37");
  return request ? format_request(*request) : "error: " + request.error().message;
}

TEST(HttpRequest, HasKubeletsHeaders) {
  EXPECT_EQ(request_text(action("/healthz")),
            "GET /healthz HTTP/1.1\r\nHost: 10.0.0.1:8080\r\nUser-Agent: kube-probe/1.37\r\n"
            "Accept: */*\r\nConnection: close\r\n\r\n");
}

TEST(HttpRequest, CustomHeadersReplaceTheDefaults) {
  EXPECT_EQ(
      request_text(action(
          "/",
          {{"host", "web.example"}, {"user-agent", "mine"}, {"ACCEPT", "text/plain"}, {"X-A", "1"}, {"X-A", "2"}})),
      "GET / HTTP/1.1\r\nHost: web.example\r\nuser-agent: mine\r\nACCEPT: text/plain\r\nX-A: 1\r\nX-A: 2\r\n"
      "Connection: close\r\n\r\n");
}

TEST(HttpRequest, EmptyAcceptRemovesIt) {
  EXPECT_EQ(request_text(action("/", {{"Accept", ""}, {"User-Agent", ""}})),
            "GET / HTTP/1.1\r\nHost: 10.0.0.1:8080\r\nConnection: close\r\n\r\n");
}

TEST(HttpRequest, FramingHeadersAreDropped) {
  EXPECT_EQ(request_text(action("/", {{"Content-Length", "5"}, {"Transfer-Encoding", "chunked"}, {"Connection", "x"}})),
            request_text(action("/")));
}

TEST(HttpRequest, RefusesInjection) {
  EXPECT_FALSE(make_http_request(action("/", {{"X", "a\r\nY: b"}}), "ua"));
  EXPECT_FALSE(make_http_request(action("/", {{"X", std::string("a\0b", 3)}}), "ua"));
  EXPECT_FALSE(make_http_request(action("/", {{"X:", "a"}}), "ua"));
  EXPECT_FALSE(make_http_request(action("/", {{"", "a"}}), "ua"));
  EXPECT_FALSE(make_http_request(action("/", {{"Host", "a\nb"}}), "ua"));
  const std::string text = request_text(action("/a b\r\nX: y"));
  EXPECT_EQ(text.find("X: y"), std::string::npos) << text;
}

TEST(HttpRequest, TargetsAreEncoded) {
  const std::pair<std::string, std::string> kCases[] = {
      {"", "/"},
      {"healthz", "/healthz"},
      {"/a?b=c&d", "/a?b=c&d"},
      {"?q", "/?q"},
      {"/a#frag", "/a"},
      {"/a b", "/a%20b"},
      {"/a%20b", "/a%20b"},
      {"/a?b c", "/a?b%20c"},
      {"/100%", "/100%25"},
      {"/bad%zz?x", "/bad%25zz%3Fx"},
      {"/ü", "/%C3%BC"},
      {"/a\nb", "/a%0Ab"},
      {"/\"<>", "/%22%3C%3E"},
  };
  for (const auto& [path, target] : kCases) EXPECT_EQ(encode_target(path), target) << path;
}

TEST(HttpRequest, Ipv6HostsGetBrackets) {
  HttpAction a = action("/x");
  a.host = "fd00::1";
  a.tls = true;
  const auto request = make_http_request(a, "ua");
  ASSERT_TRUE(request);
  EXPECT_EQ(host_header(*request), "[fd00::1]:8080");
  EXPECT_EQ(url_of(*request), "https://[fd00::1]:8080/x");
}

TEST(HttpRedirect, StaysOnTheHost) {
  struct Case {
    const char* location;
    const char* result; // the next URL, "other" or "invalid"
  };
  const Case kCases[] = {
      {"/next", "http://10.0.0.1:8080/next"},
      {"next", "http://10.0.0.1:8080/dir/next"},
      {"../up?x=1", "http://10.0.0.1:8080/up?x=1"},
      {"../../../../up", "http://10.0.0.1:8080/up"},
      {"./", "http://10.0.0.1:8080/dir/"},
      {"?y", "http://10.0.0.1:8080/dir/page?y"},
      {"#f", "http://10.0.0.1:8080/dir/page?q"},
      {"http://10.0.0.1:9090/x", "http://10.0.0.1:9090/x"},
      {"http://10.0.0.1/x", "http://10.0.0.1:80/x"},
      {"https://10.0.0.1/x", "https://10.0.0.1:443/x"},
      {"HTTPS://10.0.0.1:8443", "https://10.0.0.1:8443/"},
      {"//10.0.0.1:81/x", "http://10.0.0.1:81/x"},
      {"http://user:pw@10.0.0.1:82/x", "http://10.0.0.1:82/x"},
      {"http://169.254.169.254/latest", "other"},
      {"http://10.0.0.10/", "other"},
      {"//evil/x", "other"},
      {"http://10.0.0.1@evil/", "other"},
      {"http://10.0.0.1.evil/", "other"},
      {"http://10.0.0.1:99999/", "invalid"},
      {"http://10.0.0.1:0/", "invalid"},
      {"http://[::1/", "invalid"},
      {"http://", "invalid"},
      {"http:foo", "invalid"},
      {"file:///etc/passwd", "invalid"},
      {"gopher://10.0.0.1/", "invalid"},
      {"a\tb\x01", "invalid"},
      {"", "invalid"},
  };
  const auto from = make_http_request(action("/dir/page?q"), "ua");
  ASSERT_TRUE(from);
  for (const Case& c : kCases) {
    const Redirect redirect = resolve_redirect(*from, c.location);
    const std::string result = redirect.kind == RedirectKind::other_host ? "other"
                               : redirect.kind == RedirectKind::invalid  ? "invalid"
                                                                         : url_of(redirect.next);
    EXPECT_EQ(result, c.result) << c.location;
  }
}

TEST(HttpRedirect, HostHeaderGoesOnlyWithRelativeLocations) {
  const auto from = make_http_request(action("/", {{"Host", "web.example"}, {"X", "1"}}), "ua");
  ASSERT_TRUE(from);
  EXPECT_EQ(host_header(resolve_redirect(*from, "/a").next), "web.example");
  const Redirect absolute = resolve_redirect(*from, "http://10.0.0.1:81/a");
  EXPECT_EQ(host_header(absolute.next), "10.0.0.1:81");
  EXPECT_EQ(absolute.next.headers.front().name, "X");
}

TEST(HttpStatus, IsJudgedAsKubeletDoes) {
  for (const unsigned status : {200U, 204U, 299U}) EXPECT_EQ(judge_http_status(status, "").verdict, Verdict::success);
  for (const unsigned status : {300U, 302U, 304U, 399U})
    EXPECT_EQ(judge_http_status(status, "").verdict, Verdict::warning);
  for (const unsigned status : {101U, 199U, 400U, 404U, 500U, 503U, 999U})
    EXPECT_EQ(judge_http_status(status, "").verdict, Verdict::failure);
  EXPECT_EQ(judge_http_status(503, "body").message, "HTTP probe failed with statuscode: 503");
}

} // namespace
} // namespace keelson::health
