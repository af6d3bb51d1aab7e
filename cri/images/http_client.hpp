// HTTP requests for the registry client, over libcurl. One request is one transfer: redirects and retries are the
// caller's, because both decide about credentials.
#pragma once

#include "base/error.hpp"
#include "base/time.hpp"
#include "cri/images/http_url.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keelson::cri {

struct TlsOptions {
  bool skip_verify = false;
  std::vector<std::string> ca_files; // in addition to the system's
  std::string client_cert;           // PEM file; empty: none
  std::string client_key;
};

struct HttpAnswer {
  long status = 0;
  std::vector<std::pair<std::string, std::string>> headers; // names in lower case
  std::string body;                                         // of an answer that did not go to a sink; at most max_body

  std::string_view header(std::string_view name) const; // the first, or empty
  std::vector<std::string_view> all_headers(std::string_view name) const;
};

// Where the body of a successful answer goes. Called on the thread of send().
class HttpSink {
 public:
  virtual ~HttpSink() = default;
  virtual Result<> begin(const HttpAnswer& head) = 0; // an error ends the transfer and is what send() returns
  virtual Result<> write(std::string_view data) = 0;
};

struct HttpRequest {
  HttpUrl url;
  std::vector<std::string> headers; // whole lines, "Name: value", without line breaks
  std::string post_body;            // not empty: POST of a form
  TlsOptions tls;
  std::size_t max_body = std::size_t{64} << 10; // resource_exhausted beyond it
  HttpSink* sink = nullptr;                     // for statuses 200 and 206
  std::stop_token cancel;
  Deadline deadline = Deadline::never();
};

struct HttpClientOptions {
  std::string user_agent;
  std::chrono::milliseconds connect_timeout = std::chrono::seconds(30);
  std::chrono::milliseconds stall_timeout = std::chrono::seconds(60);
};

// Thread-safe; send() blocks. Connections are kept and shared between requests. Proxies come from the environment.
class HttpClient {
 public:
  explicit HttpClient(HttpClientOptions options);
  ~HttpClient();

  // Any answer with a status is a success here. Errors: unavailable (network; worth a retry), failed_precondition
  // (TLS), cancelled, deadline_exceeded, resource_exhausted, and the sink's own. No message carries a query or a
  // header.
  Result<HttpAnswer> send(const HttpRequest& request);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

} // namespace keelson::cri
