#include "daemon/ctl/log_reader.hpp"

#include "base/file.hpp"
#include "daemon/ctl/log_line.hpp"

#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace keelson::daemon::ctl {

namespace {

constexpr std::size_t kBlock = std::size_t{64} << 10;

// Lines of a file from its end to its beginning.
class BackwardLines {
 public:
  BackwardLines(int fd, off_t size)
      : fd_(fd)
      , unread_(size) {}

  struct Line {
    off_t end = 0; // behind its newline
    std::string text;
  };
  Result<std::optional<Line>> previous() {
    for (;;) {
      const off_t end = unread_ + static_cast<off_t>(held_.size());
      const bool ends_line = !held_.empty() && held_.back() == '\n';
      const std::size_t content = held_.size() - (ends_line ? 1 : 0);
      const std::size_t newline = content == 0 ? std::string::npos : held_.rfind('\n', content - 1);
      const bool whole = newline != std::string::npos || unread_ == 0;
      if (whole && held_.empty()) return std::optional<Line>();
      if (whole) {
        const std::size_t start = newline == std::string::npos ? 0 : newline + 1;
        Line line{end, held_.substr(start, content - start)};
        held_.resize(start);
        return std::optional(std::move(line));
      }
      TRY(load());
    }
  }

 private:
  Result<> load() {
    const auto size = static_cast<std::size_t>(std::min<off_t>(unread_, static_cast<off_t>(kBlock)));
    std::string block(size, '\0');
    const off_t at = unread_ - static_cast<off_t>(size);
    std::size_t done = 0;
    while (done < size) {
      const ssize_t got = ::pread(fd_, block.data() + done, size - done, at + static_cast<off_t>(done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return fail_errno(errno, "read the log");
      if (got == 0) return fail(Code::data_loss, "the log became shorter while it was read");
      done += static_cast<std::size_t>(got);
    }
    unread_ = at;
    held_.insert(0, block);
    return {};
  }

  int fd_;
  off_t unread_;
  std::string held_;
};

bool is_whole(std::string_view text) {
  const auto line = parse_log_line(text);
  return !line || !line->partial;
}

} // namespace

Result<std::vector<LogReader::File>> LogReader::files_once() const {
  TRY_ASSIGN(std::vector<std::string> names, list_dir_at(directory_.get(), "."));
  std::erase_if(names, [&](const std::string& name) {
    return name == name_ || !name.starts_with(name_ + ".") || name.ends_with(".gz") || name.ends_with(".tmp");
  });
  names.push_back(name_);
  std::vector<File> found;
  for (const std::string& name : names) {
    struct stat info {};
    if (::fstatat(directory_.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(info.st_mode)) continue;
    found.push_back({name, info.st_dev, info.st_ino});
  }
  return found;
}

// A rotation during the listing could hide a file: two lists in a row have to agree.
Result<std::vector<LogReader::File>> LogReader::files() const {
  TRY_ASSIGN(std::vector<File> last, files_once());
  for (int tries = 0; tries < 50; ++tries) {
    TRY_ASSIGN(std::vector<File> again, files_once());
    if (again == last) return again;
    last = std::move(again);
  }
  return last;
}

Result<> LogReader::watch(const std::string& path) {
  changes_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!changes_) return fail_errno(errno, "watch {}", path);
  constexpr std::uint32_t kEvents =
      IN_MODIFY | IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF | IN_ONLYDIR;
  if (::inotify_add_watch(changes_.get(), path.c_str(), kEvents) < 0) return fail_errno(errno, "watch {}", path);
  return {};
}

Result<bool> LogReader::open_file(const File& file) {
  auto fd = open_at(directory_.get(), file.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!fd && fd.error().sys_errno == ENOENT) return false;
  if (!fd) return Fail(fd.error());
  struct stat info {};
  if (::fstat(fd->get(), &info) != 0) return fail_errno(errno, "look at log {}", file.name);
  if (info.st_ino != file.inode || info.st_dev != file.device) return false;
  file_ = std::move(*fd);
  current_ = file;
  offset_ = 0;
  return true;
}

Result<LogReader> LogReader::open(const std::string& path, std::optional<std::uint64_t> tail) {
  const std::size_t slash = path.rfind('/');
  const std::string dir = slash == std::string::npos ? "." : path.substr(0, slash);
  auto directory = open_dir(dir);
  if (!directory) return Fail(directory.error());
  LogReader reader(std::move(*directory), path.substr(slash == std::string::npos ? 0 : slash + 1));
  TRY(reader.watch(dir));
  if (tail) {
    TRY(reader.seek_tail(*tail));
  } else {
    TRY(reader.open_next());
  }
  if (!reader.file_) return fail(Code::not_found, "there is no log {}", path);
  return reader;
}

// Starts behind the whole line that comes before the wanted ones, so that their partial beginnings are included.
Result<> LogReader::seek_tail(std::uint64_t lines) {
  TRY_ASSIGN(const std::vector<File> all, files());
  std::uint64_t seen = 0;
  for (auto file = all.rbegin(); file != all.rend(); ++file) {
    TRY_ASSIGN(const bool opened, open_file(*file));
    if (!opened) continue;
    struct stat info {};
    if (::fstat(file_.get(), &info) != 0) return fail_errno(errno, "look at log {}", file->name);
    BackwardLines backward(file_.get(), info.st_size);
    for (;;) {
      TRY_ASSIGN(const auto line, backward.previous());
      if (!line) break;
      if (!is_whole(line->text) || ++seen <= lines) continue;
      offset_ = line->end;
      return {};
    }
  }
  return {};
}

Result<bool> LogReader::open_next() {
  TRY_ASSIGN(const std::vector<File> all, files());
  auto at = all.begin();
  if (file_) {
    const auto own = std::find_if(all.begin(), all.end(), [this](const File& file) {
      return file.inode == current_.inode && file.device == current_.device;
    });
    // A file that is gone was older than all that are left.
    if (own != all.end()) at = own + 1;
  }
  for (; at != all.end(); ++at) {
    TRY_ASSIGN(const bool opened, open_file(*at));
    if (opened) return true;
  }
  return false;
}

Result<bool> LogReader::read_to_end(const Sink& sink) {
  struct stat info {};
  if (::fstat(file_.get(), &info) == 0 && info.st_size < offset_) { // somebody truncated it
    offset_ = 0;
    carry_.clear();
  }
  std::array<char, kBlock> block;
  for (;;) {
    const ssize_t got = ::pread(file_.get(), block.data(), block.size(), offset_);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, "read log {}", current_.name);
    if (got == 0) return true;
    offset_ += got;
    std::string_view rest(block.data(), static_cast<std::size_t>(got));
    for (std::size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
      const bool go_on = carry_.empty() ? sink(rest.substr(0, end)) : sink(carry_.append(rest.substr(0, end)));
      carry_.clear();
      if (!go_on) return false;
      rest.remove_prefix(end + 1);
    }
    carry_ += rest;
  }
}

Result<bool> LogReader::drain(const Sink& sink) {
  for (;;) {
    TRY_ASSIGN(bool go_on, read_to_end(sink));
    if (!go_on) return false;
    UniqueFd old(::fcntl(file_.get(), F_DUPFD_CLOEXEC, 0));
    const File old_file = current_;
    const off_t old_offset = offset_;
    TRY_ASSIGN(const bool moved, open_next());
    if (!moved) return true;
    // The writer has left the old file by now: what it wrote after our last read is still to come.
    std::swap(file_, old);
    const File next = std::exchange(current_, old_file);
    offset_ = old_offset;
    TRY_ASSIGN(go_on, read_to_end(sink));
    if (go_on) finish(sink);
    if (!go_on) return false;
    file_ = std::move(old);
    current_ = next;
    offset_ = 0;
  }
}

void LogReader::finish(const Sink& sink) {
  if (!carry_.empty()) sink(carry_);
  carry_.clear();
}

Result<> LogReader::wait(Deadline deadline) {
  pollfd watch{changes_.get(), POLLIN, 0};
  const int ready = ::poll(&watch, 1, deadline.poll_timeout());
  if (ready < 0 && errno != EINTR) return fail_errno(errno, "wait for the log");
  std::array<char, 16 << 10> events;
  while (ready > 0 && ::read(changes_.get(), events.data(), events.size()) > 0) {
  }
  return {};
}

} // namespace keelson::daemon::ctl
