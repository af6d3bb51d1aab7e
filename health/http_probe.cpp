#include "health/http_probe.hpp"

#include "base/text.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>

#include <array>
#include <optional>

namespace keelson::health {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;

namespace {

constexpr unsigned kMaxRedirects = 10;    // requests in all, as Go counts
constexpr unsigned kMaxInformational = 5; // responses 1xx before the real one
constexpr std::uint32_t kMaxHeader = 64 << 10;
constexpr std::size_t kMaxBuffer = 128 << 10;

// A match condition of async_read_until: after the empty line, or at once if this is no HTTP. Searches each byte once.
class EndOfHead {
 public:
  using result_type = void; // asio knows a match condition by this name

  template <class Position>
  std::pair<Position, bool> operator()(Position begin, Position end) {
    constexpr std::string_view kVersion = "HTTP/";
    if (!is_http_) {
      if (end - begin < static_cast<std::ptrdiff_t>(kVersion.size())) return {begin, false};
      is_http_ = std::equal(kVersion.begin(), kVersion.end(), begin);
      if (!is_http_) return {end, true};
    }
    for (Position at = begin; at != end; ++at) {
      if (*at != '\n') continue;
      Position next = at + 1;
      if (next != end && *next == '\r') ++next;
      if (next == end) return {at, false};
      if (*next == '\n') return {next + 1, true};
    }
    return {end, false};
  }

 private:
  bool is_http_ = false;
};

class HttpProbe final : public SocketProbe {
 public:
  HttpProbe(HttpRequest request, asio::ssl::context& tls, SocketProbeContext context)
      : SocketProbe(std::move(context))
      , request_(std::move(request))
      , first_url_(url_of(request_))
      , tls_context_(tls) {}

  void start() override {
    arm_timer();
    connect(request_.host, request_.port);
  }

 private:
  using Parser = http::response_parser<http::buffer_body>;
  using TlsStream = asio::ssl::stream<tcp::socket&>;

  void connected() override;
  std::string timeout_message() const override;
  std::string connect_message(std::string_view error) const override {
    return fmt::format("Get \"{}\": {}", printable(first_url_, 512), error);
  }
  void close_stream() override { tls_.reset(); }

  void handshake();
  void write();
  void read_head();
  void head_read(const ErrorCode& error, std::size_t size);
  void read_header();
  void header_read(const ErrorCode& error);
  void read_body();
  void body_read(const ErrorCode& error);
  void judge();
  bool follow_redirect(); // false if the response is the last one
  void fail_with(const ErrorCode& error) { finish(Verdict::failure, connect_message(error_text(error))); }
  std::shared_ptr<HttpProbe> self() { return std::static_pointer_cast<HttpProbe>(shared_from_this()); }

  template <class Operation>
  void with_stream(Operation operation) {
    if (tls_) {
      operation(*tls_);
    } else {
      operation(socket_);
    }
  }

  HttpRequest request_;
  std::string first_url_;
  asio::ssl::context& tls_context_;
  // shared: an operation of the last connection may still be on its way when the next one begins
  std::shared_ptr<TlsStream> tls_;
  std::string request_text_;
  std::string head_; // of an answer, while it comes
  boost::beast::flat_buffer buffer_{kMaxBuffer};
  std::optional<Parser> parser_;
  std::array<char, kMaxProbeOutput> body_{};
  std::size_t body_size_ = 0;
  bool in_body_ = false;
  unsigned redirects_ = 0;
  unsigned informational_ = 0;
};

std::string HttpProbe::timeout_message() const {
  return connect_message(fmt::format("context deadline exceeded (Client.Timeout exceeded while {})",
                                     in_body_ ? "reading body" : "awaiting headers"));
}

void HttpProbe::connected() {
  if (!request_.tls) {
    write();
    return;
  }
  tls_ = std::make_shared<TlsStream>(socket_, tls_context_);
  if (!parse_address(request_.host, request_.port)) // a name, not an address (RFC 6066, 3)
    SSL_set_tlsext_host_name(tls_->native_handle(), request_.host.c_str());
  handshake();
}

void HttpProbe::handshake() {
  tls_->async_handshake(asio::ssl::stream_base::client, [probe = self(), stream = tls_](const ErrorCode& error) {
    if (probe->finished()) return;
    if (error) {
      probe->fail_with(error);
    } else {
      probe->write();
    }
  });
}

void HttpProbe::write() {
  request_text_ = format_request(request_);
  buffer_.consume(buffer_.size());
  with_stream([this](auto& stream) {
    asio::async_write(stream, asio::buffer(request_text_),
                      [probe = self(), keep = tls_](const ErrorCode& error, std::size_t) {
                        if (probe->finished()) return;
                        // A server may answer and close without reading all: its answer counts.
                        if (error && error != asio::error::broken_pipe && error != asio::error::connection_reset) {
                          probe->fail_with(error);
                        } else {
                          probe->read_head();
                        }
                      });
  });
}

void HttpProbe::read_head() {
  head_.assign(static_cast<const char*>(buffer_.data().data()), buffer_.size()); // came behind a 1xx response
  buffer_.consume(buffer_.size());
  with_stream([this](auto& stream) {
    asio::async_read_until(stream, asio::dynamic_buffer(head_, kMaxHeader), EndOfHead(),
                           [probe = self(), keep = tls_](const ErrorCode& error, std::size_t size) {
                             if (!probe->finished()) probe->head_read(error, size);
                           });
  });
}

void HttpProbe::head_read(const ErrorCode& error, std::size_t size) {
  const bool is_http = head_.starts_with("HTTP/");
  if (error == asio::error::not_found) {
    finish(Verdict::failure, connect_message(fmt::format("the header is longer than {} bytes", kMaxHeader)));
  } else if (!head_.empty() && !is_http) {
    finish(Verdict::failure,
           connect_message(fmt::format("malformed HTTP response: \"{}\"", printable(head_.substr(0, 64)))));
  } else if (error == asio::error::eof || error == asio::ssl::error::stream_truncated) {
    finish(Verdict::failure, connect_message(head_.empty() ? "EOF" : "unexpected EOF"));
  } else if (error) {
    fail_with(error);
  } else {
    head_.replace(0, size, strict_head(std::string_view(head_).substr(0, size)));
    buffer_.commit(asio::buffer_copy(buffer_.prepare(head_.size()), asio::buffer(head_)));
    head_.clear();
    read_header();
  }
}

void HttpProbe::read_header() {
  parser_.emplace();
  parser_->header_limit(kMaxHeader);
  parser_->body_limit(boost::none); // bounded by what is read of it
  with_stream([this](auto& stream) {
    http::async_read_header(stream, buffer_, *parser_,
                            [probe = self(), keep = tls_](const ErrorCode& error, std::size_t) {
                              if (!probe->finished()) probe->header_read(error);
                            });
  });
}

void HttpProbe::header_read(const ErrorCode& error) {
  if (error) {
    const bool protocol = error.category() == http::make_error_code(http::error::bad_version).category();
    finish(Verdict::failure,
           connect_message(error == http::error::end_of_stream
                               ? "EOF"
                               : fmt::format("{}{}", protocol ? "malformed HTTP response: " : "", error_text(error))));
    return;
  }
  const unsigned status = parser_->get().result_int();
  if (status / 100 == 1 && status != 101) {
    if (++informational_ > kMaxInformational) {
      finish(Verdict::failure, connect_message("too many 1xx informational responses"));
      return;
    }
    read_head();
    return;
  }
  if (is_redirect(status) && follow_redirect()) return;
  in_body_ = true;
  read_body();
}

void HttpProbe::read_body() {
  if (parser_->is_done() || body_size_ >= body_.size()) {
    judge();
    return;
  }
  auto& body = parser_->get().body();
  body.data = body_.data() + body_size_;
  body.size = body_.size() - body_size_;
  body.more = true;
  with_stream([this](auto& stream) {
    http::async_read_some(stream, buffer_, *parser_,
                          [probe = self(), keep = tls_](const ErrorCode& error, std::size_t) {
                            if (!probe->finished()) probe->body_read(error);
                          });
  });
}

void HttpProbe::body_read(const ErrorCode& error) {
  body_size_ = body_.size() - parser_->get().body().size;
  // Many servers close a TLS connection without saying so; the status has arrived before.
  const bool ended = error == asio::ssl::error::stream_truncated && parser_->need_eof();
  if (ended) {
    judge();
  } else if (error && error != http::error::need_buffer) {
    fail_with(error);
  } else {
    read_body();
  }
}

void HttpProbe::judge() {
  auto outcome = judge_http_status(parser_->get().result_int(), {body_.data(), body_size_});
  finish(outcome.verdict, std::move(outcome.message), true);
}

bool HttpProbe::follow_redirect() {
  const auto location = parser_->get().find(http::field::location);
  if (location == parser_->get().end()) return false;
  Redirect redirect = resolve_redirect(request_, std::string(location->value()));
  if (redirect.kind == RedirectKind::other_host) return false;
  if (redirect.kind == RedirectKind::invalid) {
    finish(Verdict::failure, connect_message(fmt::format("failed to parse Location header \"{}\"",
                                                         printable(std::string(location->value()), 128))));
    return true;
  }
  if (++redirects_ >= kMaxRedirects) {
    finish(Verdict::failure, connect_message(fmt::format("stopped after {} redirects", kMaxRedirects)));
    return true;
  }
  request_ = std::move(redirect.next);
  informational_ = 0;
  connect(request_.host, request_.port);
  return true;
}

} // namespace

ProbeOutcome judge_http_status(unsigned status, std::string_view body) {
  if (status >= 200 && status < 300) return {Verdict::success, std::string(body)};
  if (status >= 300 && status < 400)
    return {Verdict::warning, fmt::format("Probe terminated redirects, Response body: {}", body)};
  return {Verdict::failure, fmt::format("HTTP probe failed with statuscode: {}", status)};
}

std::shared_ptr<SocketProbe> make_http_probe(HttpRequest request, asio::ssl::context& tls, SocketProbeContext context) {
  return std::make_shared<HttpProbe>(std::move(request), tls, std::move(context));
}

} // namespace keelson::health
