#include "cri/images/http_client.hpp"

#include "base/file.hpp"
#include "base/text.hpp"

#include <curl/curl.h>

#include <array>
#include <cstring>
#include <mutex>
#include <optional>

namespace keelson::cri {

namespace {

constexpr std::size_t kMaxHeaders = 256;
constexpr std::size_t kMaxHeaderBytes = 64 << 10;
constexpr std::size_t kMaxIdleHandles = 16;

struct CurlFree {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Handle = std::unique_ptr<CURL, CurlFree>;
using HeaderList = std::unique_ptr<curl_slist, CurlFree>;

void start_libcurl() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

// One running request: what the callbacks of libcurl see.
struct Transfer {
  const HttpRequest& request;
  std::chrono::milliseconds stall_timeout;
  HttpAnswer answer;
  std::size_t header_bytes = 0;
  bool begun = false;
  std::optional<Error> error;
  SteadyTime last_progress = std::chrono::steady_clock::now();
  curl_off_t last_bytes = 0;

  void stop(Error reason) {
    if (!error) error = std::move(reason);
  }
};

void fail_transfer(Transfer& transfer, Result<>&& result) {
  transfer.stop(std::move(result).error());
}

void add_header(Transfer& transfer, std::string_view line) {
  if (line.substr(0, 5) == "HTTP/") { // a status line: what came before was an interim answer
    transfer.answer.headers.clear();
    return;
  }
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return;
  transfer.header_bytes += line.size();
  if (transfer.answer.headers.size() >= kMaxHeaders || transfer.header_bytes > kMaxHeaderBytes) {
    fail_transfer(transfer, fail(Code::resource_exhausted, "the answer has too many headers"));
    return;
  }
  transfer.answer.headers.emplace_back(to_lower(trim(line.substr(0, colon))), trim(line.substr(colon + 1)));
}

std::size_t on_header(char* data, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  add_header(transfer, std::string_view(data, size * count));
  return transfer.error ? 0 : size * count;
}

void take_body(Transfer& transfer, CURL* handle, std::string_view data) {
  if (transfer.answer.status == 0) curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &transfer.answer.status);
  const bool is_content = transfer.answer.status == 200 || transfer.answer.status == 206;
  if (transfer.request.sink == nullptr || !is_content) {
    const std::size_t room = transfer.request.max_body - transfer.answer.body.size();
    if (!is_content) data = data.substr(0, room); // of a long error page the beginning is enough
    if (data.size() > room)
      return fail_transfer(
          transfer, fail(Code::resource_exhausted, "the answer is longer than {} bytes", transfer.request.max_body));
    transfer.answer.body += data;
    return;
  }
  if (!transfer.begun) {
    transfer.begun = true;
    if (auto begun = transfer.request.sink->begin(transfer.answer); !begun)
      return fail_transfer(transfer, std::move(begun));
  }
  if (auto written = transfer.request.sink->write(data); !written) fail_transfer(transfer, std::move(written));
}

struct BodyTarget {
  Transfer& transfer;
  CURL* handle;
};

std::size_t on_body(char* data, std::size_t size, std::size_t count, void* user) {
  auto& target = *static_cast<BodyTarget*>(user);
  take_body(target.transfer, target.handle, std::string_view(data, size * count));
  return target.transfer.error ? 0 : size * count;
}

// About once a second when nothing happens, more often otherwise.
int on_progress(void* user, curl_off_t, curl_off_t received, curl_off_t, curl_off_t sent) {
  auto& transfer = *static_cast<Transfer*>(user);
  const auto now = std::chrono::steady_clock::now();
  if (received + sent != transfer.last_bytes) {
    transfer.last_bytes = received + sent;
    transfer.last_progress = now;
  }
  if (transfer.request.cancel.stop_requested()) {
    fail_transfer(transfer, fail(Code::cancelled, "cancelled"));
  } else if (transfer.request.deadline.passed()) {
    fail_transfer(transfer, fail(Code::deadline_exceeded, "not done in time"));
  } else if (now - transfer.last_progress > transfer.stall_timeout) {
    fail_transfer(transfer, fail(Code::unavailable, "no byte came for {} ms", transfer.stall_timeout.count()));
  }
  return transfer.error ? 1 : 0;
}

Error transport_error(CURLcode code, const char* details, long os_errno) {
  switch (code) {
  case CURLE_PEER_FAILED_VERIFICATION:
  case CURLE_SSL_CERTPROBLEM:
  case CURLE_SSL_CACERT_BADFILE:
  case CURLE_SSL_ISSUER_ERROR:
    return Error{Code::failed_precondition, 0,
                 fmt::format("TLS: {}; name the registry's ca in hosts.toml", printable(details))};
  case CURLE_SSL_CONNECT_ERROR:
    return Error{Code::unavailable, 0,
                 fmt::format("TLS: {}; if the registry speaks plain HTTP, say so in hosts.toml", printable(details))};
  default:
    break;
  }
  std::string text = curl_easy_strerror(code);
  if (os_errno != 0) text += fmt::format(": {}", std::strerror(static_cast<int>(os_errno)));
  return Error{Code::unavailable, static_cast<int>(os_errno), text};
}

} // namespace

std::string_view HttpAnswer::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (key == name) return value;
  return {};
}

std::vector<std::string_view> HttpAnswer::all_headers(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const auto& [key, value] : headers)
    if (key == name) values.emplace_back(value);
  return values;
}

struct HttpClient::State {
  HttpClientOptions options;
  std::mutex mutex;         // guards idle
  std::vector<Handle> idle; // each keeps its connections open

  Handle take() {
    const std::lock_guard lock(mutex);
    if (idle.empty()) return Handle(curl_easy_init());
    Handle handle = std::move(idle.back());
    idle.pop_back();
    return handle;
  }
  void give_back(Handle handle) {
    curl_easy_reset(handle.get());
    const std::lock_guard lock(mutex);
    if (idle.size() < kMaxIdleHandles) idle.push_back(std::move(handle));
  }
};

namespace {

constexpr const char* kSystemBundle = "/etc/ssl/certs/ca-certificates.crt";
constexpr std::size_t kMaxBundle = std::size_t{8} << 20;

// libcurl takes one file or one buffer: the system's bundle, where there is one, and the files after it.
Result<std::string> read_ca_files(const std::vector<std::string>& files) {
  if (files.empty()) return std::string();
  std::string bundle = read_file(kSystemBundle, kMaxBundle).value_or(std::string());
  for (const auto& file : files) {
    TRY_ASSIGN(const auto certificates, read_file(file, kMaxBundle));
    bundle += "\n" + certificates;
  }
  return bundle;
}

void set_tls(CURL* handle, const TlsOptions& tls, const std::string& ca_bundle) {
  if (tls.skip_verify) {
    curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (!ca_bundle.empty()) {
    curl_blob blob{const_cast<char*>(ca_bundle.data()), ca_bundle.size(), CURL_BLOB_COPY};
    curl_easy_setopt(handle, CURLOPT_CAINFO_BLOB, &blob);
  }
  if (!tls.client_cert.empty()) {
    curl_easy_setopt(handle, CURLOPT_SSLCERT, tls.client_cert.c_str());
    curl_easy_setopt(handle, CURLOPT_SSLKEY, (tls.client_key.empty() ? tls.client_cert : tls.client_key).c_str());
  }
}

void set_behaviour(CURL* handle, const HttpClientOptions& options, const HttpRequest& request) {
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(handle, CURLOPT_HTTP09_ALLOWED, 0L);
  curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(handle, CURLOPT_USERAGENT, options.user_agent.c_str());
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout.count()));
  curl_easy_setopt(handle, CURLOPT_BUFFERSIZE, 256L << 10);
  curl_easy_setopt(handle, CURLOPT_TCP_KEEPALIVE, 1L);
  if (!request.post_body.empty()) {
    curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE, static_cast<long>(request.post_body.size()));
    curl_easy_setopt(handle, CURLOPT_POSTFIELDS, request.post_body.c_str());
  }
}

} // namespace

HttpClient::HttpClient(HttpClientOptions options)
    : state_(std::make_unique<State>()) {
  start_libcurl();
  state_->options = std::move(options);
}
HttpClient::~HttpClient() = default;

Result<HttpAnswer> HttpClient::send(const HttpRequest& request) {
  Handle handle = state_->take();
  if (!handle) return fail(Code::resource_exhausted, "no memory for a transfer");
  Transfer transfer{request, state_->options.stall_timeout, {}, 0, false, std::nullopt};
  BodyTarget target{transfer, handle.get()};
  std::array<char, CURL_ERROR_SIZE> details{};
  curl_slist* lines = nullptr;
  for (const auto& line : request.headers) lines = curl_slist_append(lines, line.c_str());
  const HeaderList header_list(lines);
  TRY_ASSIGN(const std::string ca_bundle, read_ca_files(request.tls.ca_files));

  CURL* curl = handle.get();
  set_behaviour(curl, state_->options, request);
  set_tls(curl, request.tls, ca_bundle);
  const std::string url = request.url.text();
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, lines);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, details.data());
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &target);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);

  const CURLcode code = curl_easy_perform(curl);
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &transfer.answer.status);
  long os_errno = 0;
  curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &os_errno);
  state_->give_back(std::move(handle));
  if (transfer.error) return Fail(std::move(*transfer.error));
  if (code != CURLE_OK) return Fail(transport_error(code, details.data(), os_errno));
  if (!transfer.begun && request.sink != nullptr && (transfer.answer.status == 200 || transfer.answer.status == 206))
    TRY(request.sink->begin(transfer.answer)); // a body of no bytes
  return std::move(transfer.answer);
}

} // namespace keelson::cri
