// The push half of the registry API (https://distribution.github.io/distribution/spec/api/), for tests only: keelson
// itself never pushes.
#include "base/namespace_thread.hpp"
#include "base/text.hpp"
#include "tests/support/test_image.hpp"

#include <curl/curl.h>

#include <memory>

namespace keelson::test {

namespace {

struct HttpReply {
  long status = 0;
  std::string body;
  std::string location;
};

struct HttpRequest {
  std::string method;
  std::string url;
  std::string content_type = "application/octet-stream";
  const std::string* body = nullptr;
};

size_t append_body(char* data, size_t size, size_t count, void* reply) {
  static_cast<HttpReply*>(reply)->body.append(data, size * count);
  return size * count;
}

size_t take_header(char* data, size_t size, size_t count, void* reply) {
  const std::string_view line(data, size * count);
  const auto colon = line.find(':');
  if (colon != std::string_view::npos && to_lower(line.substr(0, colon)) == "location")
    static_cast<HttpReply*>(reply)->location = trim(line.substr(colon + 1));
  return size * count;
}

Result<HttpReply> send(const TestRegistryOptions& registry, const HttpRequest& request) {
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(), curl_easy_cleanup);
  const std::string type = "Content-Type: " + request.content_type;
  const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers(curl_slist_append(nullptr, type.c_str()),
                                                                            curl_slist_free_all);
  HttpReply reply;
  curl_easy_setopt(curl.get(), CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_CUSTOMREQUEST, request.method.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl.get(), CURLOPT_PROXY, "");
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT, 60L);
  curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE_LARGE,
                   static_cast<curl_off_t>(request.body != nullptr ? request.body->size() : 0));
  curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, request.body != nullptr ? request.body->data() : "");
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, append_body);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &reply);
  curl_easy_setopt(curl.get(), CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(curl.get(), CURLOPT_HEADERDATA, &reply);
  const std::string credentials = registry.user + ":" + registry.password;
  if (!registry.user.empty()) curl_easy_setopt(curl.get(), CURLOPT_USERPWD, credentials.c_str());
  const CURLcode code = curl_easy_perform(curl.get());
  if (code != CURLE_OK)
    return fail(Code::unavailable, "{} {}: {}", request.method, request.url, curl_easy_strerror(code));
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &reply.status);
  return reply;
}

Result<HttpReply> expect(const TestRegistryOptions& registry, const HttpRequest& request, long status) {
  TRY_ASSIGN(auto reply, send(registry, request));
  if (reply.status != status)
    return fail(Code::failed_precondition, "{} {}: status {}, not {}: {}", request.method, request.url, reply.status,
                status, printable(reply.body));
  return reply;
}

Result<> push_blob(const TestRegistry& registry, const std::string& repository, const std::string& digest,
                   const std::string& content) {
  const auto blobs = registry.url() + "/v2/" + repository + "/blobs/";
  TRY_ASSIGN(const auto upload, expect(registry.options(), {.method = "POST", .url = blobs + "uploads/"}, 202));
  const auto separator = upload.location.find('?') == std::string::npos ? "?" : "&";
  const auto url = upload.location + separator + "digest=" + digest;
  TRY(expect(registry.options(), {.method = "PUT", .url = url, .body = &content}, 201));
  return {};
}

Result<> in_namespace_of(const TestRegistry& registry, const std::function<Result<>()>& work) {
  const int net_namespace = registry.options().net_namespace;
  return net_namespace < 0 ? work() : run_in_net_namespace(net_namespace, work);
}

} // namespace

Result<> push_manifest(const TestRegistry& registry, const std::string& content, const std::string& media_type,
                       const std::string& repository, const std::string& reference) {
  const auto url = registry.url() + "/v2/" + repository + "/manifests/" + reference;
  return in_namespace_of(registry, [&]() -> Result<> {
    TRY(expect(registry.options(), {.method = "PUT", .url = url, .content_type = media_type, .body = &content}, 201));
    return {};
  });
}

Result<> push_image(const TestRegistry& registry, const BuiltImage& image, const std::string& repository,
                    const std::string& tag) {
  const auto push_blobs = [&]() -> Result<> {
    for (const auto& blob : image.blobs) TRY(push_blob(registry, repository, blob.first, blob.second));
    return {};
  };
  TRY(in_namespace_of(registry, push_blobs));
  return push_manifest(registry, image.manifest, image.manifest_type, repository, tag);
}

} // namespace keelson::test
