// One probe over a TCP connection, on the prober's thread only. Everything that it waits for ends at its timeout.
#pragma once

#include "health/host_resolver.hpp"
#include "health/probe_call.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <memory>
#include <string>
#include <vector>

namespace keelson::health {

struct SocketProbeContext {
  boost::asio::io_context& io;
  HostResolver& resolver;
  std::chrono::nanoseconds timeout;
  std::shared_ptr<ProbeCall> call;
  // Keeps io alive for look-ups that end late.
  std::weak_ptr<void> owner;
  std::function<void()> on_end; // after the outcome was told, or the probe was aborted
};

class SocketProbe : public std::enable_shared_from_this<SocketProbe> {
 public:
  explicit SocketProbe(SocketProbeContext context);
  virtual ~SocketProbe();

  virtual void start() = 0;
  void abort(); // without an outcome

 protected:
  using ErrorCode = boost::system::error_code;

  void arm_timer();
  void connect(const std::string& host, std::uint16_t port);
  virtual void connected() = 0;
  virtual std::string timeout_message() const = 0;
  // Words put around the error of a connection: "Get "http://…": …".
  virtual std::string connect_message(std::string_view error) const { return std::string(error); }
  virtual void close_stream(); // before the socket is closed or used anew

  void finish(Verdict verdict, std::string message, bool answered = false);
  bool finished() const { return finished_; }
  std::string dial_text() const; // "dial tcp 10.0.0.1:80"

  boost::asio::ip::tcp::socket socket_;

 private:
  void resolved(Result<std::vector<SocketAddress>> addresses);
  void connect_next();
  void end();

  SocketProbeContext context_;
  boost::asio::steady_timer timer_;
  std::vector<SocketAddress> addresses_;
  std::size_t next_address_ = 0;
  std::string dialled_;
  std::string last_error_;
  bool finished_ = false;
};

std::string error_text(const boost::system::error_code& error); // "connection refused"

std::shared_ptr<SocketProbe> make_tcp_probe(const TcpAction& action, SocketProbeContext context);

} // namespace keelson::health
