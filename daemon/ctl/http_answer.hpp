// Reads what our own admin server answers: a status line, headers, then a body up to the end of the connection. Pure
// parsing plus one buffered reader; small on purpose, because keelsonctl has to start fast.
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace keelson::daemon::ctl {

struct AnswerHead {
  unsigned status = 0;
  std::optional<std::size_t> content_length; // absent: the body ends with the connection
};

// The text before the empty line. data_loss if it is not HTTP.
Result<AnswerHead> parse_answer_head(std::string_view text);

std::string request_text(std::string_view method, std::string_view path, std::string_view body);

// One answer on a connected socket. One thread.
class AnswerReader {
 public:
  explicit AnswerReader(int socket)
      : socket_(socket) {}
  Result<AnswerHead> head();
  Result<std::string> body(const AnswerHead& head); // all of it, at most 256 MiB
  // The next line without its newline; absent at the end of the connection.
  Result<std::optional<std::string>> line();

 private:
  Result<bool> fill(); // false: the end
  int socket_;
  std::string buffer_;
};

} // namespace keelson::daemon::ctl
