// Pure functions on text: strict numbers, splitting, quoting for messages. No locale, no exceptions, no system calls.
#pragma once

#include "base/error.hpp"

#include <charconv>
#include <concepts>
#include <string>
#include <string_view>
#include <vector>

namespace keelson {

// The whole text as a number. invalid_argument if anything else stands in it, out_of_range if it does not fit.
template <std::integral T>
Result<T> parse_int(std::string_view text, int base = 10) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, base);
  if (error == std::errc::result_out_of_range) return fail(Code::out_of_range, "number \"{}\" is out of range", text);
  if (error != std::errc{} || stop != end) return fail(Code::invalid_argument, "\"{}\" is not a number", text);
  return value;
}

std::string_view trim(std::string_view text); // spaces, tabs, newlines at both ends

// Parts between separators, empty ones included: "a,,b" gives a, "", b; "" gives one empty part.
std::vector<std::string_view> split(std::string_view text, char separator);

// Words between runs of spaces, tabs and newlines; never empty ones.
std::vector<std::string_view> split_words(std::string_view text);

std::string join(const std::vector<std::string>& parts, std::string_view separator);

// Safe to show: control characters and bytes that are not printable ASCII or valid UTF-8 become \xNN, and the text is
// cut to max_size bytes. For untrusted input in messages and logs.
std::string printable(std::string_view text, std::size_t max_size = 256);

std::string to_hex(std::string_view bytes);

bool is_valid_utf8(std::string_view text);

std::string to_lower(std::string_view text); // ASCII only

} // namespace keelson
