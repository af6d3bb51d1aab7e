#include "cgroups/proc_values.hpp"

#include "base/text.hpp"
#include "cgroups/flat_keyed.hpp"

#include <algorithm>

namespace keelson::cgroups {
namespace {

bool is_octal(char c) {
  return c >= '0' && c <= '7';
}

// \ooo, as the kernel writes blanks and backslashes in paths. Anything else stays.
std::string unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '\\' && i + 3 < text.size() && text[i + 1] >= '0' && text[i + 1] <= '3' &&
                        is_octal(text[i + 2]) && is_octal(text[i + 3]);
    if (!escape) {
      plain += text[i];
      continue;
    }
    plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
    i += 3;
  }
  return plain;
}

} // namespace

// 36 35 98:0 /root /mount/point rw,noatime shared:1 - ext3 /dev/root rw,errors=continue
Result<MountEntry> MountEntry::parse(std::string_view line) {
  const auto words = split(line, ' ');
  const auto dash = std::find(words.begin(), words.end(), "-");
  if (words.size() < 10 || dash - words.begin() < 6 || words.end() - dash < 4)
    return fail(Code::invalid_argument, "\"{}\" is not a line of mountinfo", printable(line));
  MountEntry entry;
  entry.root = unescape(words[3]);
  entry.mount_point = unescape(words[4]);
  entry.mount_options = words[5];
  entry.fs_type = dash[1];
  entry.super_options = dash[3];
  return entry;
}

Result<std::vector<MountEntry>> parse_mountinfo(std::string_view text) {
  std::vector<MountEntry> entries;
  for (const std::string_view line : lines_of(text)) {
    TRY_ASSIGN(auto entry, MountEntry::parse(line));
    entries.push_back(std::move(entry));
  }
  return entries;
}

Result<MembershipEntry> MembershipEntry::parse(std::string_view line) {
  const std::size_t first = line.find(':');
  const std::size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
  if (second == std::string_view::npos || line.substr(second + 1, 1) != "/")
    return fail(Code::invalid_argument, "\"{}\" is not a line of /proc/PID/cgroup", printable(line));
  MembershipEntry entry;
  TRY_ASSIGN(entry.hierarchy_id, parse_int<int>(line.substr(0, first)));
  entry.controllers = line.substr(first + 1, second - first - 1);
  entry.path = line.substr(second + 1);
  constexpr std::string_view kDeleted = " (deleted)";
  if (entry.path.ends_with(kDeleted)) {
    entry.path.resize(entry.path.size() - kDeleted.size());
    entry.deleted = true;
  }
  return entry;
}

Result<std::vector<MembershipEntry>> parse_membership(std::string_view text) {
  std::vector<MembershipEntry> entries;
  for (const std::string_view line : lines_of(text)) {
    TRY_ASSIGN(auto entry, MembershipEntry::parse(line));
    entries.push_back(std::move(entry));
  }
  return entries;
}

} // namespace keelson::cgroups
