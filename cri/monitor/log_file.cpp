#include "cri/monitor/log_file.hpp"

#include "base/file.hpp"
#include "base/time.hpp"

#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

namespace keelson::cri::monitor {
namespace {

struct OpenedLog {
  UniqueFd fd;
  std::uint64_t size = 0;
};

Result<OpenedLog> open_log(int dir, const std::string& name) {
  // O_NONBLOCK: should it be a FIFO, the open must not wait for a reader.
  constexpr int kFlags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  TRY_ASSIGN(UniqueFd fd, open_at(dir, name, kFlags, 0640));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return fail_errno(errno, "stat log file {}", name);
  if (!S_ISREG(info.st_mode)) return fail(Code::failed_precondition, "log file {} is not a regular file", name);
  if (info.st_size == 0 && ::fchmod(fd.get(), 0640) != 0) return fail_errno(errno, "set mode of log file {}", name);
  return OpenedLog{std::move(fd), static_cast<std::uint64_t>(info.st_size)};
}

std::string rotation_stamp() {
  const std::time_t now = ::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char text[32];
  const std::size_t size = std::strftime(text, sizeof text, "%Y%m%d-%H%M%S", &parts);
  return {text, size};
}

} // namespace

std::string log_timestamp() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  std::tm parts{};
  ::gmtime_r(&now.tv_sec, &parts);
  char text[40];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.", &parts);
  std::snprintf(text + size, sizeof text - size, "%09ldZ", now.tv_nsec);
  return text;
}

Result<Scratch> Scratch::allocate() {
  void* memory = ::mmap(nullptr, kInput + kOutput, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return fail_errno(errno, "allocate buffers");
  return Scratch(static_cast<char*>(memory));
}

Scratch::~Scratch() {
  if (memory_ != nullptr) ::munmap(memory_, kInput + kOutput);
}

void Scratch::trim() {
  ::madvise(memory_, kInput + kOutput, MADV_DONTNEED);
}

std::string LogFile::dir() const {
  const std::size_t slash = options_.path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : options_.path.substr(0, slash);
}

std::string LogFile::name() const {
  return options_.path.substr(options_.path.rfind('/') + 1); // npos + 1 is 0
}

Result<LogFile> LogFile::open(Options options, Scratch& scratch) {
  LogFile log(std::move(options), scratch);
  TRY(log.reopen());
  return log;
}

Result<> LogFile::reopen() {
  flush();
  TRY_ASSIGN(const UniqueFd parent, open_at(AT_FDCWD, dir(), O_RDONLY | O_DIRECTORY));
  TRY_ASSIGN(OpenedLog opened, open_log(parent.get(), name()));
  fd_ = std::move(opened.fd);
  size_ = opened.size;
  return {};
}

bool LogFile::fits(std::size_t size) const {
  const std::uint64_t used = size_ + fill_;
  return options_.max_size == 0 || used == 0 || used + size <= options_.max_size;
}

void LogFile::append(std::string_view header, std::string_view first, std::string_view second) {
  const std::size_t size = header.size() + first.size() + second.size() + 1;
  if (!fits(size)) {
    flush();
    if (auto rotated = rotate(); !rotated) return lose(size, rotated.error().sys_errno);
  }
  if (fill_ + size > Scratch::kOutput) flush();
  char* out = scratch_->output() + fill_;
  for (const std::string_view part : {header, first, second}) {
    std::memcpy(out, part.data(), part.size());
    out += part.size();
  }
  *out = '\n';
  fill_ += size;
}

void LogFile::flush() {
  const std::string_view text(scratch_->output(), fill_);
  if (text.empty()) return;
  fill_ = 0;
  if (untold_loss_ != 0 && !tell_loss()) return lose(text.size(), loss_reason_);
  write_out(text);
}

// Whole lines or nothing of a line: what a full disk cut off is taken back.
void LogFile::write_out(std::string_view text) {
  std::size_t done = 0;
  int problem = 0;
  while (done < text.size() && problem == 0) {
    const ssize_t put = ::write(fd_.get(), text.data() + done, text.size() - done);
    if (put > 0)
      done += static_cast<std::size_t>(put);
    else if (put == 0 || errno != EINTR)
      problem = put == 0 ? EIO : errno;
  }
  std::size_t whole = done;
  if (problem != 0) {
    const std::size_t newline = text.substr(0, done).rfind('\n');
    whole = newline == std::string_view::npos ? 0 : newline + 1;
    struct stat info {};
    if (whole != done && ::fstat(fd_.get(), &info) == 0)
      static_cast<void>(!::ftruncate(fd_.get(), info.st_size - static_cast<off_t>(done - whole)));
    lose(text.size() - whole, problem);
  }
  size_ += whole;
  written_ += whole;
}

void LogFile::lose(std::size_t bytes, int reason) {
  lost_ += bytes;
  untold_loss_ += bytes;
  loss_reason_ = reason;
}

bool LogFile::tell_loss() {
  const std::uint64_t told = untold_loss_;
  const std::string note = fmt::format("{} stderr F keelson-monitor: {} bytes of log were lost here: {}\n",
                                       log_timestamp(), told, ::strerror(loss_reason_));
  const ssize_t put = ::write(fd_.get(), note.data(), note.size());
  if (put == static_cast<ssize_t>(note.size())) {
    untold_loss_ = 0;
    size_ += note.size();
    written_ += note.size();
    return true;
  }
  struct stat info {};
  if (put > 0 && ::fstat(fd_.get(), &info) == 0) static_cast<void>(!::ftruncate(fd_.get(), info.st_size - put));
  if (put < 0) loss_reason_ = errno;
  return false;
}

Result<> LogFile::rotate() {
  TRY_ASSIGN(const UniqueFd parent, open_at(AT_FDCWD, dir(), O_RDONLY | O_DIRECTORY));
  const auto rotated = rename_to_stamp(parent.get());
  if (!rotated && rotated.error().sys_errno != ENOENT) return Fail(rotated.error()); // ENOENT: somebody took it away
  // Old files go first: on a full disk that is what makes room for the new one.
  static_cast<void>(prune(parent.get()));
  auto opened = open_log(parent.get(), name());
  if (!opened) {
    if (rotated) ::renameat2(parent.get(), rotated->c_str(), parent.get(), name().c_str(), RENAME_NOREPLACE);
    return Fail(std::move(opened).error());
  }
  fd_ = std::move(opened->fd);
  size_ = 0;
  return {};
}

// Names sort in the order of the rotations, also of several in one second whose first ones have been deleted already.
Result<std::string> LogFile::rename_to_stamp(int dir) {
  constexpr unsigned kMaxPerSecond = 1000;
  std::string stamp = rotation_stamp();
  unsigned number = stamp == last_stamp_ ? last_number_ + 1 : 0;
  for (; number < kMaxPerSecond; ++number) {
    const std::string target =
        number == 0 ? fmt::format("{}.{}", name(), stamp) : fmt::format("{}.{}-{:03}", name(), stamp, number);
    if (::renameat2(dir, name().c_str(), dir, target.c_str(), RENAME_NOREPLACE) == 0) {
      last_stamp_ = std::move(stamp);
      last_number_ = number;
      return target;
    }
    if (errno != EEXIST) return fail_errno(errno, "rename {} to {}", name(), target);
  }
  return fail(Code::resource_exhausted, "more than {} rotations of {} in one second", kMaxPerSecond, name());
}

Result<> LogFile::prune(int dir) {
  TRY_ASSIGN(const auto names, list_dir_at(dir, "."));
  const std::string prefix = name() + ".";
  std::vector<const std::string*> rotated;
  for (const std::string& entry : names)
    if (entry.starts_with(prefix)) rotated.push_back(&entry);
  const std::uint64_t kept = options_.max_files == 0 ? 0 : options_.max_files - 1;
  for (std::size_t i = 0; i + kept < rotated.size(); ++i) TRY(remove_file_at(dir, *rotated[i]));
  return {};
}

} // namespace keelson::cri::monitor
