#include "api/quantity.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace keelson::api {

namespace {

__extension__ typedef __int128 Int128;

constexpr Int128 kNano = 1'000'000'000;
constexpr Int128 kMaxValue = std::numeric_limits<std::int64_t>::max();
constexpr Int128 kMaxNanos = kMaxValue * kNano;
constexpr std::size_t kMaxText = 512; // characters

struct Suffix {
  std::string_view text;
  int base;
  int exponent;
};
constexpr std::array<Suffix, 16> kSuffixes = {{
    {"", 10, 0},
    {"n", 10, -9},
    {"u", 10, -6},
    {"m", 10, -3},
    {"k", 10, 3},
    {"M", 10, 6},
    {"G", 10, 9},
    {"T", 10, 12},
    {"P", 10, 15},
    {"E", 10, 18},
    {"Ki", 2, 10},
    {"Mi", 2, 20},
    {"Gi", 2, 30},
    {"Ti", 2, 40},
    {"Pi", 2, 50},
    {"Ei", 2, 60},
}};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

Int128 clamped(Int128 nanos) {
  if (nanos > kMaxNanos) return kMaxNanos;
  if (nanos < -kMaxNanos) return -kMaxNanos;
  return nanos;
}

// Division rounded away from zero.
Int128 divide_away(Int128 value, Int128 divisor) {
  const Int128 quotient = value / divisor;
  if (value % divisor == 0) return quotient;
  return value > 0 ? quotient + 1 : quotient - 1;
}

std::int64_t saturated(Int128 value) {
  if (value > kMaxValue) return std::numeric_limits<std::int64_t>::max();
  if (value < std::numeric_limits<std::int64_t>::min()) return std::numeric_limits<std::int64_t>::min();
  return static_cast<std::int64_t>(value);
}

std::string_view suffix_text(int base, int exponent) {
  for (const Suffix& suffix : kSuffixes) {
    if (suffix.base == base && suffix.exponent == exponent) return suffix.text;
  }
  return {};
}

// fmt prints no 128-bit numbers with every compiler.
std::string digits_of(Int128 amount) {
  const bool negative = amount < 0;
  if (negative) amount = -amount;
  std::string digits;
  do {
    digits.insert(digits.begin(), static_cast<char>('0' + static_cast<int>(amount % 10)));
    amount /= 10;
  } while (amount != 0);
  return negative ? "-" + digits : digits;
}

} // namespace

// Reads sign, digits and suffix; then turns the digits into nanos, exactly. What exceeds the range saturates, what is
// finer than a nano rounds up.
struct QuantityParser {
  bool negative = false;
  std::string_view whole;
  std::string_view fraction;
  int base = 10;
  int exponent = 0;
  Quantity::Format format = Quantity::Format::decimal_si;

  bool read(std::string_view text) {
    if (!text.empty() && (text[0] == '+' || text[0] == '-')) {
      negative = text[0] == '-';
      text.remove_prefix(1);
    }
    whole = take_digits(text);
    if (!text.empty() && text[0] == '.') {
      text.remove_prefix(1);
      fraction = take_digits(text);
    }
    if (whole.empty() && fraction.empty()) return false;
    return read_suffix(text);
  }

  static std::string_view take_digits(std::string_view& text) {
    std::size_t count = 0;
    while (count < text.size() && is_digit(text[count])) ++count;
    const std::string_view digits = text.substr(0, count);
    text.remove_prefix(count);
    return digits;
  }

  bool read_suffix(std::string_view text) {
    for (const Suffix& suffix : kSuffixes) {
      if (suffix.text != text) continue;
      base = suffix.base;
      exponent = suffix.exponent;
      format = base == 2 ? Quantity::Format::binary_si : Quantity::Format::decimal_si;
      return true;
    }
    if (text.size() < 2 || (text[0] != 'e' && text[0] != 'E')) return false;
    return read_exponent(text.substr(1));
  }

  bool read_exponent(std::string_view text) {
    const bool minus = text[0] == '-';
    if (text[0] == '+' || minus) text.remove_prefix(1);
    if (text.empty() || !is_digit(text[0])) return false;
    const auto number = parse_int<std::int64_t>(text);
    if (!number) return false;
    // Far beyond the longest digit string: from here on every number is zero, one nano or capped.
    constexpr std::int64_t kEnough = 10 * static_cast<std::int64_t>(kMaxText);
    exponent = static_cast<int>(std::min(*number, kEnough)) * (minus ? -1 : 1);
    format = Quantity::Format::decimal_exponent;
    return true;
  }

  Int128 decimal_nanos() const {
    const auto places = static_cast<std::int64_t>(whole.size()) + exponent + 9; // digits before the point of nanos
    Int128 nanos = 0;
    std::int64_t used = 0;
    bool inexact = false;
    const auto push = [&](char digit) {
      if (used++ >= places) {
        inexact = inexact || digit != '0';
      } else if (nanos <= kMaxNanos) {
        nanos = nanos * 10 + (digit - '0');
      }
    };
    for (const char digit : whole) push(digit);
    for (const char digit : fraction) push(digit);
    for (; used < places && nanos != 0 && nanos <= kMaxNanos; ++used) nanos *= 10;
    return nanos + (inexact ? 1 : 0);
  }

  // The fraction is multiplied by the unit digit by digit, in steps of 2^10; what leaves it on the left is whole.
  Int128 binary_nanos() const {
    Int128 total = 0;
    for (const char digit : whole) {
      total = total * 10 + (digit - '0');
      if (total > kMaxValue) return kMaxNanos;
    }
    std::string digits(fraction);
    for (char& digit : digits) digit = static_cast<char>(digit - '0');
    for (int step = 0; step < exponent; step += 10) {
      int carry = 0;
      for (auto digit = digits.rbegin(); digit != digits.rend(); ++digit) {
        const int product = *digit * 1024 + carry;
        *digit = static_cast<char>(product % 10);
        carry = product / 10;
      }
      total = total * 1024 + carry;
      if (total > kMaxValue) return kMaxNanos;
    }
    Int128 nanos = total;
    for (std::size_t i = 0; i < 9; ++i) nanos = nanos * 10 + (i < digits.size() ? digits[i] : 0);
    const bool inexact = digits.size() > 9 && digits.find_first_not_of('\0', 9) != std::string::npos;
    return nanos + (inexact ? 1 : 0);
  }

  Quantity quantity() const {
    const Int128 nanos = clamped(base == 10 ? decimal_nanos() : binary_nanos());
    return {negative ? -nanos : nanos, format};
  }
};

Result<Quantity> Quantity::parse(std::string_view text) {
  QuantityParser parser;
  if (text.size() > kMaxText || !parser.read(text)) {
    return fail(Code::invalid_argument, "\"{}\" is not a quantity: use a number with a unit such as 128Mi",
                printable(text));
  }
  return parser.quantity();
}

Quantity Quantity::from_value(std::int64_t value, Format format) {
  return {clamped(Int128{value} * kNano), format};
}

Quantity Quantity::from_milli(std::int64_t milli, Format format) {
  return {Int128{milli} * (kNano / 1000), format};
}

std::string Quantity::to_string() const {
  if (nanos_ == 0) return "0";
  Int128 amount = nanos_;
  // Below 1024, and with a fraction, binary units would show less or lose something.
  const Int128 limit = 1024 * kNano;
  if (format_ == Format::binary_si && is_whole() && (amount >= limit || amount <= -limit)) {
    amount /= kNano;
    int exponent = 0;
    while (exponent < 60 && amount % 1024 == 0) {
      amount /= 1024;
      exponent += 10;
    }
    return fmt::format("{}{}", static_cast<std::int64_t>(amount), suffix_text(2, exponent));
  }
  int exponent = -9;
  while (exponent < 18 && amount % 1000 == 0) {
    amount /= 1000;
    exponent += 3;
  }
  std::string number = digits_of(amount);
  if (format_ == Format::decimal_exponent) return exponent == 0 ? number : fmt::format("{}e{}", number, exponent);
  return number.append(suffix_text(10, exponent));
}

bool Quantity::is_whole() const {
  return nanos_ % kNano == 0;
}

std::int64_t Quantity::value() const {
  return saturated(divide_away(nanos_, kNano));
}

std::int64_t Quantity::milli_value() const {
  return saturated(divide_away(nanos_, kNano / 1000));
}

Quantity Quantity::rounded_to_milli() const {
  constexpr Int128 kMicro = kNano / 1000;
  return {clamped(divide_away(nanos_, kMicro) * kMicro), format_};
}

Quantity& Quantity::operator+=(const Quantity& other) {
  if (nanos_ == 0) format_ = other.format_;
  nanos_ = clamped(nanos_ + other.nanos_);
  return *this;
}

Quantity& Quantity::operator-=(const Quantity& other) {
  if (nanos_ == 0) format_ = other.format_;
  nanos_ = clamped(nanos_ - other.nanos_);
  return *this;
}

std::int64_t Quantity::divided_by(const Quantity& divisor) const {
  return saturated(divide_away(nanos_, divisor.nanos_ <= 0 ? kNano : divisor.nanos_));
}

Quantity amount_of(const ResourceList& list, std::string_view resource) {
  const auto found = list.find(std::string(resource));
  return found == list.end() ? Quantity{} : found->second;
}

} // namespace keelson::api
