#include "daemon/ctl/display.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace keelson::daemon::ctl {

namespace {

std::string two_units(std::int64_t large, char large_unit, std::int64_t small, char small_unit) {
  return small > 0 ? fmt::format("{}{}{}{}", large, large_unit, small, small_unit)
                   : fmt::format("{}{}", large, large_unit);
}

// Three digits that matter, without needless zeros: 4.2, 42, 420.
std::string three_digits(double value) {
  if (value >= 99.95) return fmt::format("{:.0f}", value);
  std::string text = fmt::format("{:.{}f}", value, value >= 9.995 ? 1 : 2);
  while (text.ends_with('0')) text.pop_back();
  if (text.ends_with('.')) text.pop_back();
  return text;
}

std::string scaled(double value, double base, const std::array<const char*, 5>& units) {
  std::size_t unit = 0;
  // 999.95 would be written as 1000 of the smaller unit.
  while (value >= base - 0.05 && unit + 1 < units.size()) {
    value /= base;
    ++unit;
  }
  return (unit == 0 ? fmt::format("{:.0f}", value) : three_digits(value)) + units[unit];
}

bool starts_character(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
}

} // namespace

std::string short_duration(std::chrono::nanoseconds time) {
  const std::int64_t seconds =
      std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(time).count());
  const std::int64_t minutes = seconds / 60;
  const std::int64_t hours = minutes / 60;
  const std::int64_t days = hours / 24;
  if (seconds < 120) return fmt::format("{}s", seconds);
  if (minutes < 10) return two_units(minutes, 'm', seconds % 60, 's');
  if (minutes < 180) return fmt::format("{}m", minutes);
  if (hours < 8) return two_units(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return fmt::format("{}h", hours);
  if (days < 8) return two_units(days, 'd', hours % 24, 'h');
  if (days < 730) return fmt::format("{}d", days);
  return two_units(days / 365, 'y', days % 365, 'd');
}

std::string age_of(std::string_view time, WallTime now) {
  const auto at = parse_rfc3339(time);
  return at ? short_duration(now - *at) : "<unknown>";
}

std::string binary_bytes(std::uint64_t bytes) {
  return scaled(static_cast<double>(bytes), 1024, {"B", "KiB", "MiB", "GiB", "TiB"});
}

std::string decimal_bytes(std::uint64_t bytes) {
  return scaled(static_cast<double>(bytes), 1000, {"B", "kB", "MB", "GB", "TB"});
}

std::string byte_rate(double bytes_per_second) {
  return binary_bytes(static_cast<std::uint64_t>(std::max(0.0, bytes_per_second))) + "/s";
}

std::string cores(double cores) {
  return fmt::format("{:.{}f}", cores, cores < 9.9995 ? 3 : 1);
}

std::string short_id(std::string_view id) {
  if (const std::size_t colon = id.find(':'); colon != std::string_view::npos) id.remove_prefix(colon + 1);
  return std::string(id.substr(0, kShortIdSize));
}

std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), starts_character));
}

std::string fit(std::string_view text, std::size_t width) {
  if (display_width(text) <= width) return std::string(text);
  if (width == 0) return {};
  std::size_t end = 0;
  std::size_t seen = 0;
  while (end < text.size()) {
    if (starts_character(text[end]) && ++seen == width) break;
    ++end;
  }
  return std::string(text.substr(0, end)) + "…";
}

std::string pad(std::string_view text, std::size_t width) {
  std::string out(text);
  const std::size_t have = display_width(text);
  if (have < width) out.append(width - have, ' ');
  return out;
}

} // namespace keelson::daemon::ctl
