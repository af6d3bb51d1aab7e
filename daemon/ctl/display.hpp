// How values look in tables: ages, amounts, short ids. Pure.
#pragma once

#include "base/time.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace keelson::daemon::ctl {

// As kubectl writes them: 45s, 5m, 3m20s, 3h2m, 28h, 2d4h, 30d, 2y40d. Negative times are 0s.
std::string short_duration(std::chrono::nanoseconds time);

// The age of an RFC 3339 time; "<unknown>" for none.
std::string age_of(std::string_view time, WallTime now);

std::string binary_bytes(std::uint64_t bytes);  // "512B", "4.2KiB", "128MiB"
std::string decimal_bytes(std::uint64_t bytes); // "4.26MB", as image sizes are written
std::string byte_rate(double bytes_per_second); // "3.1MiB/s"
std::string cores(double cores);                // "0.003", "1.25", "12.4"

inline constexpr std::size_t kShortIdSize = 13; // as crictl cuts ids
// "sha256:abc..." or plain hex, cut.
std::string short_id(std::string_view id);

// Width on a terminal: characters, not bytes. Combining and double-width characters count as one.
std::size_t display_width(std::string_view text);
// Cut to at most `width` characters, with "…" at the end if something was cut.
std::string fit(std::string_view text, std::size_t width);
std::string pad(std::string_view text, std::size_t width); // spaces behind

} // namespace keelson::daemon::ctl
