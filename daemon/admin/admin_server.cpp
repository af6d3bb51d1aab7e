#include "daemon/admin/admin_server.hpp"

#include "base/file.hpp"
#include "base/log.hpp"
#include "base/time.hpp"
#include "base/unix_socket.hpp"
#include "base/worker_pool.hpp"
#include "daemon/admin/http_text.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <list>
#include <mutex>
#include <optional>
#include <thread>

namespace keelson::daemon {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using local = asio::local::stream_protocol;

namespace {

// After an answer that came before the whole request was read, the rest is read and dropped, so that the client sees
// the answer and no broken pipe. Bounded in time and size.
constexpr std::chrono::seconds kDrainTime{2};
constexpr std::size_t kDrainSize = std::size_t{64} << 20;
constexpr std::chrono::milliseconds kAcceptPause{100}; // without descriptors accept(2) fails at once, again and again

bool peer_is_trusted(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == 0 || peer.uid == ::geteuid();
}

// The socket is non-blocking: waits for room until the client has read nothing for `patience`.
bool send_all(int socket, std::string_view data, std::chrono::milliseconds patience) {
  while (!data.empty()) {
    const ssize_t sent = ::send(socket, data.data(), data.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      data.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      pollfd room{socket, POLLOUT, 0};
      const int ready = ::poll(&room, 1, static_cast<int>(patience.count()));
      if (ready == 0 || (ready < 0 && errno != EINTR)) return false;
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

class LineSender final : public AdminStream {
 public:
  LineSender(int socket, std::chrono::milliseconds patience, std::stop_token gone)
      : socket_(socket)
      , patience_(patience)
      , gone_(std::move(gone)) {}

  bool send(const json::value& line) override {
    const std::lock_guard lock(mutex_);
    if (failed_ || gone_.stop_requested()) return false;
    const std::string text = (started_ ? std::string() : stream_head()) + json::to_text(line) + "\n";
    started_ = true;
    failed_ = !send_all(socket_, text, patience_);
    return !failed_;
  }

  void finish(const Result<json::value>& answer) {
    const std::lock_guard lock(mutex_);
    if (failed_) return;
    std::string text;
    if (!answer)
      text = error_body(answer.error());
    else if (!started_ || !answer->is_null())
      text = json::to_text(*answer) + "\n";
    if (!started_) text.insert(0, answer_head(answer ? 200 : http_status(answer.error().code), text.size()));
    send_all(socket_, text, patience_);
  }

 private:
  const int socket_;
  const std::chrono::milliseconds patience_;
  const std::stop_token gone_;
  std::mutex mutex_; // guards what follows: handlers may send from several threads
  bool started_ = false;
  bool failed_ = false;
};

// One connection. The connection thread reads the request; then a worker writes, and the connection thread only watches
// for the client to leave.
struct Session {
  Session(local::socket socket, const AdminServerOptions& options)
      : stream(std::move(socket))
      , timer(stream.get_executor())
      , buffer(options.max_header + options.max_body + 4096) {
    parser.emplace();
    parser->header_limit(static_cast<std::uint32_t>(options.max_header));
    parser->body_limit(options.max_body);
  }
  int fd() { return stream.native_handle(); }

  local::socket stream;
  asio::steady_timer timer; // for reading; Beast's own would close the socket before it could be told why
  bool timed_out = false;
  beast::flat_buffer buffer;
  std::optional<http::request_parser<http::string_body>> parser;
  std::stop_source gone;
  std::size_t drained = 0;
};

Result<AdminRequest> request_of(Session& session) {
  auto& message = session.parser->get();
  const auto target = message.target();
  TRY_ASSIGN(RequestTarget parsed, parse_target({target.data(), target.size()}));
  AdminRequest request;
  const auto method = message.method_string();
  request.method.assign(method.data(), method.size());
  request.path = std::move(parsed.path);
  request.query = std::move(parsed.query);
  request.body = std::move(message.body());
  request.gone = session.gone.get_token();
  return request;
}

struct Refusal {
  unsigned status = 0;
  Code code = Code::invalid_argument;
  std::string message;
};

Refusal refusal_of(const beast::error_code& error, bool timed_out, const AdminServerOptions& options) {
  if (error == http::error::body_limit)
    return {413, Code::resource_exhausted,
            fmt::format("the request's body is larger than the limit of {} bytes", options.max_body)};
  if (error == http::error::header_limit || error == http::error::buffer_overflow)
    return {431, Code::resource_exhausted,
            fmt::format("the request's head is larger than the limit of {} bytes", options.max_header)};
  if (timed_out)
    return {408, Code::deadline_exceeded,
            fmt::format("no complete request within {} ms", options.request_timeout.count())};
  return {400, Code::invalid_argument, fmt::format("not an HTTP request: {}", error.message())};
}

// What is being read then ends with operation_aborted.
void limit_reading(const std::shared_ptr<Session>& session, std::chrono::milliseconds time) {
  session->timer.expires_after(time);
  session->timer.async_wait([session](const beast::error_code& error) {
    if (error) return;
    session->timed_out = true;
    beast::error_code ignored;
    session->stream.cancel(ignored);
  });
}

} // namespace

struct AdminServer::State : std::enable_shared_from_this<AdminServer::State> {
  State(AdminServerOptions o, AdminHandler h)
      : options(std::move(o))
      , handler(std::move(h)) {}

  void accept();
  void take(local::socket socket);
  void on_request(const std::shared_ptr<Session>& session, const beast::error_code& error);
  void refuse(const std::shared_ptr<Session>& session, const Refusal& refusal);
  void drain(const std::shared_ptr<Session>& session);
  void work(const std::shared_ptr<Session>& session);
  void stop();

  AdminServerOptions options;
  AdminHandler handler;
  asio::io_context io{1};
  local::acceptor acceptor{io};
  asio::steady_timer accept_pause{io};
  std::stop_source stopping;
  std::mutex sessions_mutex; // guards sessions
  std::list<std::weak_ptr<Session>> sessions;
  std::thread thread;
  std::optional<WorkerPool> workers;
};

void AdminServer::State::accept() {
  acceptor.async_accept([this](const beast::error_code& error, local::socket socket) {
    if (error == asio::error::operation_aborted) return;
    if (!error) {
      take(std::move(socket));
      accept();
      return;
    }
    log::warning("admin socket: accept: {}; waiting {} ms", error.message(), kAcceptPause.count());
    accept_pause.expires_after(kAcceptPause);
    accept_pause.async_wait([this](const beast::error_code& wait_error) {
      if (!wait_error) accept();
    });
  });
}

void AdminServer::State::take(local::socket socket) {
  auto session = std::make_shared<Session>(std::move(socket), options);
  if (!peer_is_trusted(session->fd())) {
    refuse(session, {403, Code::permission_denied, "only root may use this socket"});
    return;
  }
  {
    const std::lock_guard lock(sessions_mutex);
    sessions.remove_if([](const auto& other) { return other.expired(); });
    if (sessions.size() < options.max_connections)
      sessions.push_back(session);
    else
      session->drained = kDrainSize; // marks it as refused
  }
  if (session->drained != 0) {
    refuse(session, {503, Code::unavailable, "too many connections; try again"});
    return;
  }
  limit_reading(session, options.request_timeout);
  http::async_read(session->stream, session->buffer, *session->parser,
                   [this, session](const beast::error_code& error, std::size_t) { on_request(session, error); });
}

void AdminServer::State::on_request(const std::shared_ptr<Session>& session, const beast::error_code& error) {
  session->timer.cancel();
  if (error == http::error::end_of_stream) return;
  if (error) {
    refuse(session, refusal_of(error, session->timed_out, options));
    return;
  }
  // Completes when the client has closed both directions.
  session->stream.async_wait(local::socket::wait_error, [session](const beast::error_code& wait_error) {
    if (!wait_error) session->gone.request_stop();
  });
  workers->post([self = shared_from_this(), session] { self->work(session); });
}

void AdminServer::State::refuse(const std::shared_ptr<Session>& session, const Refusal& refusal) {
  const std::string body = error_body({refusal.code, 0, refusal.message});
  // Small enough for an empty socket buffer: it does not wait.
  send_all(session->fd(), answer_head(refusal.status, body.size()) + body, std::chrono::milliseconds(0));
  ::shutdown(session->fd(), SHUT_WR);
  session->buffer.clear();
  limit_reading(session, kDrainTime);
  drain(session);
}

void AdminServer::State::drain(const std::shared_ptr<Session>& session) {
  if (session->drained >= kDrainSize) return;
  session->buffer.clear();
  session->stream.async_read_some(session->buffer.prepare(4096),
                                  [this, session](const beast::error_code& error, std::size_t size) {
                                    session->drained += size;
                                    if (!error && size > 0)
                                      drain(session);
                                    else
                                      session->timer.cancel();
                                  });
}

void AdminServer::State::work(const std::shared_ptr<Session>& session) {
  LineSender sender(session->fd(), options.write_timeout, session->gone.get_token());
  Result<json::value> answer = fail(Code::unavailable, "keelsond is ending");
  if (!stopping.stop_requested()) {
    auto request = request_of(*session);
    try {
      if (request)
        answer = handler(*request, sender);
      else
        answer = Fail(request.error());
    } catch (const std::exception& e) {
      answer = fail(Code::internal, "{}", e.what());
    }
  }
  sender.finish(answer);
  ::shutdown(session->fd(), SHUT_WR);
  // The socket belongs to the connection thread.
  asio::post(io, [session] {
    beast::error_code ignored;
    session->stream.close(ignored);
  });
}

void AdminServer::State::stop() {
  stopping.request_stop();
  asio::post(io, [this] {
    beast::error_code ignored;
    acceptor.close(ignored);
    accept_pause.cancel();
  });
  {
    const std::lock_guard lock(sessions_mutex);
    for (const auto& entry : sessions)
      if (const auto session = entry.lock()) session->gone.request_stop();
  }
  workers.reset(); // waits for the handlers
  io.stop();
  thread.join();
}

AdminServer::AdminServer(std::shared_ptr<State> state)
    : state_(std::move(state)) {}

AdminServer::~AdminServer() {
  if (!state_) return;
  const auto removed = remove_file_at(AT_FDCWD, state_->options.socket);
  state_->stop();
  if (!removed) log::warning("{}", removed.error().message);
}

Result<std::unique_ptr<AdminServer>> AdminServer::start(AdminServerOptions options, AdminHandler handler) {
  TRY_ASSIGN(UniqueFd listener, listen_unix(options.socket, 0600, SOCK_NONBLOCK));
  auto state = std::make_shared<State>(std::move(options), std::move(handler));
  beast::error_code error;
  state->acceptor.assign(local(), listener.get(), error);
  if (error) return fail(Code::internal, "admin socket {}: {}", state->options.socket, error.message());
  (void)listener.release();
  state->workers.emplace("admin", state->options.max_threads);
  state->accept();
  state->thread = std::thread([raw = state.get()] { raw->io.run(); });
  return std::unique_ptr<AdminServer>(new AdminServer(std::move(state)));
}

} // namespace keelson::daemon
