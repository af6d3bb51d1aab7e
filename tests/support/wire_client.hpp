// A CRI client that knows only the wire facts: it builds the protocol's descriptors at run time from the table, and
// shares no generated code with the server that it tests. Requests and replies are protobuf JSON with the field names
// of the table.
#pragma once

#include "base/error.hpp"

#include <boost/json/value.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace keelson::test {

struct WireReply {
  int code = 0; // the gRPC status code; -1: the request is not what the facts allow (the test is wrong)
  std::string message;
  std::string text;        // the reply as JSON, unset fields included; empty on an error
  boost::json::value json; // the same, parsed
  bool ok() const { return code == 0; }
};

// A server stream. next() and cancel() may be used from different threads.
class WireStream {
 public:
  virtual ~WireStream() = default;
  // The next message; nothing if none came in time or the stream has ended (ended() tells which).
  virtual std::optional<boost::json::value> next(std::chrono::milliseconds patience) = 0;
  virtual bool ended() const = 0;
  virtual void cancel() = 0;
  virtual WireReply finish() = 0; // cancels if needed; the final status
};

// Every method may be called from any thread and blocks.
class WireClient {
 public:
  static Result<std::unique_ptr<WireClient>> connect(const std::string& socket_path);
  ~WireClient();

  // A unary call by its bare name, "RunPodSandbox". int64 values are JSON strings, as proto3's JSON mapping has it;
  // bytes are base64.
  WireReply call(const std::string& method, const std::string& request_json,
                 std::chrono::milliseconds timeout = std::chrono::seconds(60));
  // The same with raw bytes in place of an encoded request: for what no client would send.
  WireReply call_raw(const std::string& method, const std::string& bytes,
                     std::chrono::milliseconds timeout = std::chrono::seconds(60));
  std::unique_ptr<WireStream> open_stream(const std::string& method, const std::string& request_json);

 private:
  struct State;
  explicit WireClient(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

} // namespace keelson::test
