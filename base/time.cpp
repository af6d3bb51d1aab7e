#include "base/time.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <climits>
#include <ctime>

namespace keelson {

namespace {

std::string format_utc(WallTime time, bool fraction) {
  const std::int64_t nanos = unix_nanos(time);
  std::int64_t seconds = nanos / 1'000'000'000;
  std::int64_t rest = nanos % 1'000'000'000;
  if (rest < 0) {
    rest += 1'000'000'000;
    --seconds;
  }
  const std::time_t t = seconds;
  std::tm utc{};
  ::gmtime_r(&t, &utc);
  std::string out = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                                utc.tm_hour, utc.tm_min, utc.tm_sec);
  if (fraction) out += fmt::format(".{:09}", rest);
  out += 'Z';
  return out;
}

// Takes a fraction ".ddd" from the front of text, as nanoseconds; digits after the ninth are dropped.
Result<std::int64_t> take_fraction(std::string_view& text) {
  if (text.empty() || text.front() != '.') return 0;
  text.remove_prefix(1);
  std::int64_t nanos = 0;
  std::size_t digits = 0;
  for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1), ++digits)
    if (digits < 9) nanos = nanos * 10 + (text.front() - '0');
  if (digits == 0) return fail(Code::invalid_argument, "a fraction without digits");
  for (; digits < 9; ++digits) nanos *= 10;
  return nanos;
}

// The offset at the end, "Z" or "+hh:mm", in seconds east of UTC.
Result<std::int64_t> parse_offset(std::string_view text) {
  if (text == "Z" || text == "z") return 0;
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':')
    return fail(Code::invalid_argument, "no time zone (Z or +hh:mm)");
  TRY_ASSIGN(const int hours, parse_int<int>(text.substr(1, 2)));
  TRY_ASSIGN(const int minutes, parse_int<int>(text.substr(4, 2)));
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return fail(Code::invalid_argument, "bad time zone");
  const std::int64_t seconds = hours * 3600 + minutes * 60;
  return text[0] == '-' ? -seconds : seconds;
}

Result<std::tm> parse_date_time(std::string_view text) {
  if (text.size() < 19 || text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't') || text[13] != ':' ||
      text[16] != ':')
    return fail(Code::invalid_argument, "not of the form 2006-01-02T15:04:05Z");
  std::tm utc{};
  TRY_ASSIGN(utc.tm_year, parse_int<int>(text.substr(0, 4)));
  TRY_ASSIGN(utc.tm_mon, parse_int<int>(text.substr(5, 2)));
  TRY_ASSIGN(utc.tm_mday, parse_int<int>(text.substr(8, 2)));
  TRY_ASSIGN(utc.tm_hour, parse_int<int>(text.substr(11, 2)));
  TRY_ASSIGN(utc.tm_min, parse_int<int>(text.substr(14, 2)));
  TRY_ASSIGN(utc.tm_sec, parse_int<int>(text.substr(17, 2)));
  utc.tm_year -= 1900;
  utc.tm_mon -= 1;
  const std::tm wanted = utc;
  if (utc.tm_sec == 60) utc.tm_sec = 59; // a leap second; the system's clock has none
  std::tm normal = utc;
  if (::timegm(&normal) == -1 && normal.tm_year != 69) return fail(Code::invalid_argument, "out of range");
  if (normal.tm_mon != wanted.tm_mon || normal.tm_mday != wanted.tm_mday || normal.tm_hour != wanted.tm_hour ||
      normal.tm_min != wanted.tm_min || normal.tm_sec != utc.tm_sec)
    return fail(Code::invalid_argument, "no such date or time");
  return utc;
}

Result<WallTime> parse_rfc3339_parts(std::string_view text) {
  TRY_ASSIGN(std::tm utc, parse_date_time(text));
  text.remove_prefix(19);
  TRY_ASSIGN(const std::int64_t nanos, take_fraction(text));
  TRY_ASSIGN(const std::int64_t offset, parse_offset(text));
  const std::int64_t seconds = ::timegm(&utc) - offset;
  // int64 nanoseconds reach from 1678 to 2262.
  if (seconds < -9'000'000'000 || seconds > 9'000'000'000) return fail(Code::out_of_range, "out of range");
  return WallTime(std::chrono::nanoseconds(seconds * 1'000'000'000 + nanos));
}

} // namespace

SteadyTime SystemClock::now() const {
  return std::chrono::steady_clock::now();
}

WallTime SystemClock::wall_now() const {
  return std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now());
}

Deadline Deadline::after(std::chrono::nanoseconds time) {
  const SteadyTime now = std::chrono::steady_clock::now();
  if (time > SteadyTime::max() - now) return never();
  return Deadline(now + time);
}

bool Deadline::passed() const {
  return at_ != SteadyTime::max() && std::chrono::steady_clock::now() >= at_;
}

std::chrono::milliseconds Deadline::remaining() const {
  if (at_ == SteadyTime::max()) return std::chrono::milliseconds::max();
  const auto left = at_ - std::chrono::steady_clock::now();
  return std::max(std::chrono::milliseconds(0), std::chrono::ceil<std::chrono::milliseconds>(left));
}

int Deadline::poll_timeout() const {
  if (at_ == SteadyTime::max()) return -1;
  return static_cast<int>(std::min<std::int64_t>(remaining().count(), INT_MAX));
}

std::string format_rfc3339_nano(WallTime time) {
  return format_utc(time, true);
}
std::string format_rfc3339(WallTime time) {
  return format_utc(time, false);
}

Result<WallTime> parse_rfc3339(std::string_view text) {
  auto time = parse_rfc3339_parts(text);
  if (!time) return Fail(std::move(time).error().context(fmt::format("time \"{}\"", printable(text, 64))));
  return time;
}

} // namespace keelson
