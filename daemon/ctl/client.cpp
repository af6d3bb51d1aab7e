#include "daemon/ctl/client.hpp"

#include "base/unix_socket.hpp"
#include "daemon/ctl/http_answer.hpp"

#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>

namespace keelson::daemon::ctl {

namespace {

Code code_named(std::string_view name) {
  for (int number = 1; number <= 16; ++number)
    if (const auto code = static_cast<Code>(number); to_string(code) == name) return code;
  return Code::unknown;
}

// The error that a line or a body carries, if it carries one.
Result<> check(const json::value& answer) {
  const json::object* object = answer.if_object();
  const json::object* error = object != nullptr ? json::find_object(*object, "error") : nullptr;
  if (error == nullptr) return {};
  return Fail(Error{code_named(json::get_string(*error, "code").value_or("")), 0,
                    json::get_string(*error, "message").value_or("the daemon gave no reason")});
}

Fail cannot_connect(const std::string& socket, const Error& error) {
  switch (error.sys_errno) {
  case ENOENT:
    return fail(Code::unavailable,
                "keelsond does not run here: there is no socket {}; start keelsond, or name its state directory with "
                "--state",
                socket);
  case ECONNREFUSED:
    return fail(Code::unavailable, "keelsond has ended: nobody answers on {}; start keelsond (pods run on meanwhile)",
                socket);
  case EACCES:
  case EPERM:
    return fail(Code::permission_denied, "only root may use {}: try again with sudo", socket);
  default:
    return Fail(error);
  }
}

Result<> send_all(int socket, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent >= 0)
      text.remove_prefix(static_cast<std::size_t>(sent));
    else if (errno == EPIPE) // the daemon has refused it; the answer says why
      return {};
    else if (errno != EINTR)
      return fail_errno(errno, "send the request to keelsond");
  }
  return {};
}

Result<UniqueFd> send_request(const std::string& socket, const std::string& method, const std::string& path,
                              const std::string& body) {
  auto fd = connect_unix(socket, 0);
  if (!fd) return cannot_connect(socket, fd.error());
  TRY(send_all(fd->get(), request_text(method, path, body)));
  return std::move(*fd);
}

} // namespace

Result<json::value> Client::call(const std::string& method, const std::string& path, const std::string& body) const {
  TRY_ASSIGN(const UniqueFd fd, send_request(socket_, method, path, body));
  AnswerReader reader(fd.get());
  TRY_ASSIGN(const AnswerHead head, reader.head());
  TRY_ASSIGN(const std::string text, reader.body(head));
  TRY_ASSIGN(json::value answer, json::parse(text));
  TRY(check(answer));
  if (head.status != 200) return fail(Code::unknown, "keelsond answered with status {}", head.status);
  return answer;
}

Result<json::value> Client::get(const std::string& path) const {
  return call("GET", path, {});
}

Result<json::value> Client::post(const std::string& path, const json::object& body) const {
  return call("POST", path, json::to_text(body));
}

Result<> Client::stream(const std::string& method, const std::string& path, const json::object& body,
                        const LineHandler& handler) const {
  TRY_ASSIGN(const UniqueFd fd, send_request(socket_, method, path, body.empty() ? "" : json::to_text(body)));
  AnswerReader reader(fd.get());
  TRY_ASSIGN(const AnswerHead head, reader.head());
  if (head.status != 200) {
    TRY_ASSIGN(const std::string text, reader.body(head));
    TRY_ASSIGN(const json::value answer, json::parse(text));
    TRY(check(answer));
    return fail(Code::unknown, "keelsond answered with status {}", head.status);
  }
  for (;;) {
    TRY_ASSIGN(const auto line, reader.line());
    if (!line) return {};
    TRY_ASSIGN(const json::value value, json::parse(*line));
    TRY(check(value));
    if (!handler(value)) return {};
  }
}

} // namespace keelson::daemon::ctl
