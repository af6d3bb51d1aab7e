#include "daemon/ctl/http_answer.hpp"

#include "base/text.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace keelson::daemon::ctl {

namespace {
constexpr std::size_t kMaxHead = std::size_t{64} << 10;
constexpr std::size_t kMaxBody = std::size_t{256} << 20;
} // namespace

Result<AnswerHead> parse_answer_head(std::string_view text) {
  AnswerHead head;
  const auto lines = split(text, '\n');
  const auto words = split_words(lines.front());
  if (words.size() < 2 || !words[0].starts_with("HTTP/1."))
    return fail(Code::data_loss, "the answer is not HTTP: \"{}\"", printable(lines.front(), 64));
  const auto status = parse_int<unsigned>(words[1]);
  if (!status) return fail(Code::data_loss, "the answer has a bad status: \"{}\"", printable(lines.front(), 64));
  head.status = *status;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const std::size_t colon = lines[i].find(':');
    if (colon == std::string_view::npos || to_lower(trim(lines[i].substr(0, colon))) != "content-length") continue;
    const auto length = parse_int<std::size_t>(trim(lines[i].substr(colon + 1)));
    if (!length) return fail(Code::data_loss, "the answer has a bad length: \"{}\"", printable(lines[i], 64));
    head.content_length = *length;
  }
  return head;
}

std::string request_text(std::string_view method, std::string_view path, std::string_view body) {
  return fmt::format("{} {} HTTP/1.1\r\nHost: keelsond\r\nContent-Type: application/json\r\nContent-Length: {}\r\n"
                     "Connection: close\r\n\r\n{}",
                     method, path, body.size(), body);
}

Result<bool> AnswerReader::fill() {
  std::array<char, 64 << 10> chunk;
  for (;;) {
    const ssize_t got = ::recv(socket_, chunk.data(), chunk.size(), 0);
    if (got > 0) buffer_.append(chunk.data(), static_cast<std::size_t>(got));
    if (got >= 0) return got > 0;
    if (errno != EINTR) return fail_errno(errno, "read the daemon's answer");
  }
}

Result<AnswerHead> AnswerReader::head() {
  for (;;) {
    const std::size_t end = buffer_.find("\r\n\r\n");
    if (end != std::string::npos) {
      TRY_ASSIGN(const AnswerHead head, parse_answer_head(std::string_view(buffer_).substr(0, end)));
      buffer_.erase(0, end + 4);
      return head;
    }
    if (buffer_.size() > kMaxHead) return fail(Code::data_loss, "the answer's head has no end");
    TRY_ASSIGN(const bool more, fill());
    if (!more) return fail(Code::unavailable, "keelsond closed the connection without an answer");
  }
}

Result<std::string> AnswerReader::body(const AnswerHead& head) {
  const std::size_t wanted = head.content_length.value_or(kMaxBody);
  if (wanted > kMaxBody)
    return fail(Code::resource_exhausted, "the answer has {} bytes, more than {}", wanted, kMaxBody);
  while (buffer_.size() < wanted) {
    TRY_ASSIGN(const bool more, fill());
    if (more) continue;
    if (head.content_length) return fail(Code::unavailable, "keelsond ended in the middle of its answer");
    break;
  }
  return std::move(buffer_);
}

Result<std::optional<std::string>> AnswerReader::line() {
  std::size_t searched = 0;
  for (;;) {
    const std::size_t end = buffer_.find('\n', searched);
    if (end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return std::optional(std::move(line));
    }
    if (buffer_.size() > kMaxBody) return fail(Code::resource_exhausted, "a line of the answer has no end");
    searched = buffer_.size();
    TRY_ASSIGN(const bool more, fill());
    if (more) continue;
    if (buffer_.empty()) return std::optional<std::string>();
    return std::optional(std::exchange(buffer_, {}));
  }
}

} // namespace keelson::daemon::ctl
