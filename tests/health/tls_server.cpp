#include "tests/health/tls_server.hpp"

#include "base/process.hpp"

#include <openssl/ssl.h>

namespace keelson::health {

struct TlsServer::State {
  std::unique_ptr<SSL_CTX, decltype(&::SSL_CTX_free)> context{nullptr, &::SSL_CTX_free};
  std::string response;
  std::unique_ptr<LoopbackServer> server;
};

Result<std::unique_ptr<TlsServer>> TlsServer::start(const std::string& directory, std::string response) {
  const std::string key = directory + "/key.pem";
  const std::string certificate = directory + "/cert.pem";
  // 1024 bits, another name, no authority: what no verifying client would take.
  TRY(check_output({"openssl", "req", "-x509", "-newkey", "rsa:1024", "-nodes", "-keyout", key, "-out", certificate,
                    "-days", "1", "-subj", "/CN=elsewhere.invalid"}));
  auto state = std::make_unique<State>();
  state->response = std::move(response);
  state->context.reset(::SSL_CTX_new(::TLS_server_method()));
  ::SSL_CTX_set_cipher_list(state->context.get(), "DEFAULT:@SECLEVEL=0");
  if (::SSL_CTX_use_certificate_file(state->context.get(), certificate.c_str(), SSL_FILETYPE_PEM) != 1 ||
      ::SSL_CTX_use_PrivateKey_file(state->context.get(), key.c_str(), SSL_FILETYPE_PEM) != 1)
    return fail(Code::internal, "load the certificate");
  State* raw = state.get();
  state->server = std::make_unique<LoopbackServer>([raw](LoopbackServer::Connection& c) {
    const std::unique_ptr<SSL, decltype(&::SSL_free)> ssl(::SSL_new(raw->context.get()), &::SSL_free);
    ::SSL_set_fd(ssl.get(), c.fd());
    char buffer[4096];
    if (::SSL_accept(ssl.get()) != 1 || ::SSL_read(ssl.get(), buffer, sizeof buffer) <= 0) return;
    ::SSL_write(ssl.get(), raw->response.data(), static_cast<int>(raw->response.size())); // and no close_notify
  });
  return std::unique_ptr<TlsServer>(new TlsServer(std::move(state)));
}

TlsServer::TlsServer(std::unique_ptr<State> state)
    : state_(std::move(state)) {}
TlsServer::~TlsServer() = default;

std::uint16_t TlsServer::port() const {
  return state_->server->port();
}

} // namespace keelson::health
