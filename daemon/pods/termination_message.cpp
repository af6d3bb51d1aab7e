#include "daemon/pods/termination_message.hpp"

#include "base/file.hpp"
#include "base/text.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

namespace keelson::daemon {

namespace {

constexpr std::size_t kMaxMessage = 4096;
constexpr std::size_t kMaxPodMessages = 12288;
constexpr std::size_t kMaxLogMessage = 2048;
constexpr std::size_t kMaxLogLines = 80;
constexpr std::size_t kLogWindow = 16384; // read from the end: 2 KiB of text with their headers

// The first or the last `size` bytes of a regular file.
std::string read_part(const std::string& path, std::size_t size, bool from_end) {
  const auto file = open_at(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
  struct stat status {};
  if (!file || ::fstat(file->get(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  const auto length = static_cast<std::size_t>(status.st_size);
  const std::size_t start = from_end && length > size ? length - size : 0;
  std::string text(std::min(size, length - start), '\0');
  const ssize_t got = ::pread(file->get(), text.data(), text.size(), static_cast<off_t>(start));
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

// JSON wants UTF-8.
std::string clean(std::string text) {
  return is_valid_utf8(text) ? text : printable(text, text.size() * 4);
}

} // namespace

std::size_t message_limit(std::size_t containers) {
  return std::min(kMaxMessage, kMaxPodMessages / std::max<std::size_t>(containers, 1));
}

std::string tail_of_log(std::string_view log, std::size_t limit) {
  std::vector<std::string> lines;
  for (const std::string_view line : split(log, '\n')) {
    // "<time> stdout F text"
    std::size_t at = 0;
    for (int spaces = 0; spaces < 3 && at != std::string_view::npos; ++spaces) {
      at = line.find(' ', at);
      if (at != std::string_view::npos) ++at;
    }
    if (at == std::string_view::npos || at == 0) continue;
    const bool partial = line.substr(0, at).ends_with(" P ");
    lines.push_back(std::string(line.substr(at)) + (partial ? "" : "\n"));
  }
  std::string text;
  const std::size_t first = lines.size() > kMaxLogLines ? lines.size() - kMaxLogLines : 0;
  for (std::size_t i = first; i < lines.size(); ++i) text += lines[i];
  return text.size() > limit ? text.substr(text.size() - limit) : text;
}

std::string termination_message(const ContainerRecord& record, std::size_t limit) {
  std::string text;
  if (!record.termination_file.empty()) text = read_part(record.termination_file, limit, false);
  if (text.empty() && record.fall_back_to_logs && record.exit_code != 0 && !record.log_path.empty())
    text = tail_of_log(read_part(record.log_path, kLogWindow, true), std::min(limit, kMaxLogMessage));
  return clean(std::move(text));
}

} // namespace keelson::daemon
