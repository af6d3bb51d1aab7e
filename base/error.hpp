// The error value of the whole code base: Result<T> is a T or an Error. Nothing here throws or logs.
//
// Code is the set of gRPC canonical codes (https://grpc.io/docs/guides/status-codes/), with their numbers, so that an
// error keeps its meaning from the system call that failed to the status that a client reads. sys_errno survives every
// added context: a caller far up can still tell ENOENT from EIO.
#pragma once

#include <fmt/format.h>
#include <tl/expected.hpp>

#include <string>
#include <string_view>
#include <utility>

namespace keelson {

enum class Code {
  cancelled = 1,
  unknown = 2,
  invalid_argument = 3,
  deadline_exceeded = 4,
  not_found = 5,
  already_exists = 6,
  permission_denied = 7,
  resource_exhausted = 8,
  failed_precondition = 9,
  aborted = 10,
  out_of_range = 11,
  unimplemented = 12,
  internal = 13,
  unavailable = 14,
  data_loss = 15,
  unauthenticated = 16,
};

std::string_view to_string(Code code);

// The canonical code that fits an errno best: ENOENT is not_found, ENOSPC is resource_exhausted, and so on.
Code code_from_errno(int sys_errno);

struct Error {
  Code code = Code::unknown;
  int sys_errno = 0; // 0: no system call was involved
  std::string message;

  // Puts "context: " before the message; code and errno stay.
  Error&& context(std::string_view context) &&;
};

template <class T = void>
class [[nodiscard]] Result : public tl::expected<T, Error> {
  using Base = tl::expected<T, Error>;

 public:
  using Base::Base;
  Result() = default;
};

using Fail = tl::unexpected<Error>;

template <class... Args>
[[nodiscard]] Fail fail(Code code, fmt::format_string<Args...> format, Args&&... args) {
  return Fail(Error{code, 0, fmt::format(format, std::forward<Args>(args)...)});
}

// "<what>: <strerror>", with the code that fits the errno.
[[nodiscard]] Fail fail_errno_text(int sys_errno, std::string what);

template <class... Args>
[[nodiscard]] Fail fail_errno(int sys_errno, fmt::format_string<Args...> format, Args&&... args) {
  return fail_errno_text(sys_errno, fmt::format(format, std::forward<Args>(args)...));
}

} // namespace keelson

#define KEELSON_CONCAT_(a, b) a##b
#define KEELSON_CONCAT(a, b) KEELSON_CONCAT_(a, b)

// TRY(expression); returns the expression's error from the enclosing function, if it has one.
#define TRY(...)                                                                                                       \
  do {                                                                                                                 \
    if (auto try_result_ = (__VA_ARGS__); !try_result_) [[unlikely]]                                                   \
      return ::keelson::Fail(std::move(try_result_).error());                                                          \
  } while (false)

// TRY_CONTEXT(expression, "create pod {}", name); the same with words put before the message.
#define TRY_CONTEXT(expression, ...)                                                                                   \
  do {                                                                                                                 \
    if (auto try_result_ = (expression); !try_result_) [[unlikely]]                                                    \
      return ::keelson::Fail(std::move(try_result_).error().context(fmt::format(__VA_ARGS__)));                        \
  } while (false)

// TRY_ASSIGN(auto value, expression); declares or assigns the value, or returns the error.
#define TRY_ASSIGN(lhs, ...) KEELSON_TRY_ASSIGN(KEELSON_CONCAT(try_result_, __COUNTER__), lhs, __VA_ARGS__)
#define KEELSON_TRY_ASSIGN(temporary, lhs, ...)                                                                        \
  auto temporary = (__VA_ARGS__);                                                                                      \
  if (!temporary) [[unlikely]]                                                                                         \
    return ::keelson::Fail(std::move(temporary).error());                                                              \
  lhs = std::move(*temporary)
