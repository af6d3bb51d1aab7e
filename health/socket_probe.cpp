#include "health/socket_probe.hpp"

#include "base/text.hpp"
#include "base/unique_fd.hpp"

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>

namespace keelson::health {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

std::string endpoint_text(const std::string& host, std::uint16_t port) {
  const bool brackets = host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", brackets ? "[" : "", printable(host, 253), brackets ? "]" : "", port);
}

class TcpProbe final : public SocketProbe {
 public:
  TcpProbe(const TcpAction& action, SocketProbeContext context)
      : SocketProbe(std::move(context))
      , action_(action) {}

  void start() override {
    arm_timer();
    connect(action_.host, action_.port);
  }

 private:
  void connected() override { finish(Verdict::success, {}); }
  std::string timeout_message() const override { return dial_text() + ": i/o timeout"; }

  TcpAction action_;
};

} // namespace

std::string error_text(const boost::system::error_code& error) {
  return to_lower(error.message());
}

SocketProbe::SocketProbe(SocketProbeContext context)
    : socket_(context.io)
    , context_(std::move(context))
    , timer_(context_.io) {}

SocketProbe::~SocketProbe() = default;

void SocketProbe::arm_timer() {
  timer_.expires_after(context_.timeout);
  timer_.async_wait([self = shared_from_this()](const ErrorCode& error) {
    if (!error) self->finish(Verdict::failure, self->timeout_message());
  });
}

void SocketProbe::connect(const std::string& host, std::uint16_t port) {
  close_stream();
  ErrorCode ignored;
  socket_.close(ignored);
  addresses_.clear();
  next_address_ = 0;
  dialled_ = endpoint_text(host, port);
  context_.resolver.resolve(host, port,
                            [self = weak_from_this(), owner = context_.owner,
                             io = &context_.io](Result<std::vector<SocketAddress>> addresses) {
                              const auto alive = owner.lock(); // on the look-up's thread: io lives as long as this
                              if (!alive) return;
                              asio::post(*io, [self, addresses = std::move(addresses)]() mutable {
                                if (const auto probe = self.lock()) probe->resolved(std::move(addresses));
                              });
                            });
}

void SocketProbe::resolved(Result<std::vector<SocketAddress>> addresses) {
  if (finished_) return;
  if (!addresses) {
    const bool ours = addresses.error().code == Code::resource_exhausted;
    finish(ours ? Verdict::error : Verdict::failure,
           connect_message(fmt::format("dial tcp: {}", addresses.error().message)));
    return;
  }
  addresses_ = std::move(*addresses);
  connect_next();
}

void SocketProbe::connect_next() {
  if (next_address_ >= addresses_.size()) {
    finish(Verdict::failure, connect_message(fmt::format("{}: connect: {}", dial_text(), last_error_)));
    return;
  }
  const SocketAddress& address = addresses_[next_address_++];
  tcp::endpoint endpoint;
  endpoint.resize(address.size);
  std::memcpy(endpoint.data(), &address.storage, address.size);
  ErrorCode error;
  socket_.close(error);
  // Asio's own open() does not set close-on-exec.
  UniqueFd fd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) { // our own descriptors are used up, or the address family is not there
    error.assign(errno, boost::system::system_category());
  } else {
    socket_.assign(endpoint.protocol(), fd.get(), error);
    if (!error) (void)fd.release();
  }
  if (error) {
    finish(Verdict::error, connect_message(fmt::format("socket: {}", error_text(error))));
    return;
  }
  socket_.async_connect(endpoint, [self = shared_from_this()](const ErrorCode& failed) {
    if (self->finished_) return;
    if (!failed) {
      self->connected();
      return;
    }
    self->last_error_ = error_text(failed);
    self->connect_next();
  });
}

void SocketProbe::close_stream() {}

std::string SocketProbe::dial_text() const {
  return "dial tcp " + dialled_;
}

void SocketProbe::finish(Verdict verdict, std::string message, bool answered) {
  if (finished_) return;
  end();
  context_.call->finish({verdict, std::move(message), answered});
  context_.on_end();
}

void SocketProbe::abort() {
  if (finished_) return;
  end();
  context_.on_end();
}

void SocketProbe::end() {
  finished_ = true;
  timer_.cancel();
  close_stream();
  ErrorCode ignored;
  socket_.close(ignored);
}

std::shared_ptr<SocketProbe> make_tcp_probe(const TcpAction& action, SocketProbeContext context) {
  return std::make_shared<TcpProbe>(action, std::move(context));
}

} // namespace keelson::health
