// Types of plain scalars, by the order of go-yaml v2: words, then integers, then floats; everything else is a string.
#include "api/yaml.hpp"
#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace keelson::api {

namespace {

constexpr std::array<std::string_view, 11> kTrue = {"y",    "Y",    "yes", "Yes", "YES", "true",
                                                    "True", "TRUE", "on",  "On",  "ON"};
constexpr std::array<std::string_view, 11> kFalse = {"n",     "N",     "no",  "No",  "NO", "false",
                                                     "False", "FALSE", "off", "Off", "OFF"};
constexpr std::array<std::string_view, 5> kNull = {"", "~", "null", "Null", "NULL"};
constexpr std::array<std::string_view, 12> kNotFinite = {".nan",  ".NaN",  ".NAN",  ".inf",  ".Inf",  ".INF",
                                                         "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF"};

template <class List>
bool contains(const List& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
bool is_float_form(std::string_view text) {
  std::size_t at = 0;
  const auto digits = [&] {
    const std::size_t start = at;
    while (at < text.size() && is_digit(text[at])) ++at;
    return at - start;
  };
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
  const std::size_t whole = digits();
  std::size_t fraction = 0;
  if (at < text.size() && text[at] == '.') {
    ++at;
    fraction = digits();
  }
  if (whole == 0 && fraction == 0) return false;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    if (digits() == 0) return false;
  }
  return at == text.size();
}

// The prefix tells the base: 0x, 0o, 0b, and a plain leading 0 for octal.
int take_base(std::string_view& digits) {
  if (digits.size() < 2 || digits[0] != '0') return 10;
  const char letter = static_cast<char>(digits[1] | 0x20);
  const int base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
  digits.remove_prefix(base == 0 ? 1 : 2);
  return base == 0 ? 8 : base;
}

Result<json::value> parse_integer(std::string_view text) {
  const bool negative = text.front() == '-';
  std::string_view digits = text;
  if (negative || text.front() == '+') digits.remove_prefix(1);
  const int base = take_base(digits);
  if (digits.empty() || digits.front() == '-') return fail(Code::invalid_argument, "not a number");
  TRY_ASSIGN(const auto magnitude, parse_int<std::uint64_t>(digits, base));
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (!negative) return magnitude <= kMax ? json::value(static_cast<std::int64_t>(magnitude)) : json::value(magnitude);
  if (magnitude > kMax + 1) return fail(Code::out_of_range, "out of range");
  return json::value(static_cast<std::int64_t>(~magnitude + 1));
}

json::value parse_number(std::string_view text) {
  std::string plain(text);
  std::erase(plain, '_');
  if (plain.empty()) return json::value(text);
  if (auto integer = parse_integer(plain)) return *integer;
  if (!is_float_form(plain)) return json::value(text);
  std::string_view digits = plain;
  if (digits.front() == '+') digits.remove_prefix(1);
  double number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{} || end != digits.data() + digits.size()) return json::value(text);
  // The way through JSON text makes 8e1 and 80.0 whole numbers again.
  if (std::trunc(number) == number && std::abs(number) < 0x1p63) return json::value(static_cast<std::int64_t>(number));
  return json::value(number);
}

} // namespace

Result<json::value> type_plain_scalar(std::string_view text) {
  if (contains(kNull, text)) return json::value(nullptr);
  if (contains(kTrue, text)) return json::value(true);
  if (contains(kFalse, text)) return json::value(false);
  if (contains(kNotFinite, text)) {
    return fail(Code::invalid_argument, "the number {} has no form in JSON: put it in quotes if it is a text", text);
  }
  const char first = text.front();
  if (is_digit(first) || first == '+' || first == '-' || first == '.') return parse_number(text);
  return json::value(text);
}

} // namespace keelson::api
