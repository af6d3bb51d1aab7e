#include "cri/monitor/output_stream.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

namespace keelson::cri::monitor {
namespace {

// Gives lines the CRI header. One timestamp serves everything that one read(2) brought.
class Stamped final : public LineSink {
 public:
  Stamped(LogFile& log, std::string_view stream)
      : log_(log) {
    const std::string stamp = log_timestamp();
    full_ = fmt::format("{} {} F ", stamp, stream);
    partial_ = fmt::format("{} {} P ", stamp, stream);
  }
  ~Stamped() { log_.flush(); }
  Stamped(const Stamped&) = delete;
  Stamped& operator=(const Stamped&) = delete;
  void line(bool full, std::string_view first, std::string_view second) override {
    log_.append(full ? full_ : partial_, first, second);
  }

 private:
  LogFile& log_;
  std::string full_;
  std::string partial_;
};

} // namespace

bool OutputStream::pump(LogFile* log, Scratch& scratch, std::size_t max_bytes) {
  std::size_t total = 0;
  while (!ended_ && total < max_bytes) {
    const ssize_t got = ::read(fd_.get(), scratch.input(), Scratch::kInput);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return false;
    if (got <= 0) { // EIO is how a terminal says that nobody has it open any more
      flush_tail(log);
      attached_.clear();
      ended_ = true;
      return false;
    }
    const std::string_view data(scratch.input(), static_cast<std::size_t>(got));
    total += data.size();
    copy_to_attached(data);
    if (log != nullptr) {
      Stamped sink(*log, name_);
      framer_.feed(data, sink);
    }
    // A short read has emptied the pipe; the next read would only say so.
    if (data.size() < Scratch::kInput) return true;
  }
  return !ended_;
}

void OutputStream::flush_tail(LogFile* log) {
  if (log == nullptr) return;
  Stamped sink(*log, name_);
  framer_.flush(sink);
}

void OutputStream::close() {
  ended_ = true;
  fd_.reset();
}

void OutputStream::attach(UniqueFd fd) {
  const int flags = ::fcntl(fd.get(), F_GETFL);
  ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK);
  attached_.push_back(std::move(fd));
}

void OutputStream::copy_to_attached(std::string_view data) {
  const auto cannot_take = [data](const UniqueFd& fd) {
    ssize_t put;
    do put = ::write(fd.get(), data.data(), data.size());
    while (put < 0 && errno == EINTR);
    return put != static_cast<ssize_t>(data.size());
  };
  attached_.erase(std::remove_if(attached_.begin(), attached_.end(), cannot_take), attached_.end());
}

} // namespace keelson::cri::monitor
