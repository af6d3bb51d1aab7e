// Tells when something in a directory has changed (inotify(7)), also when it is removed and made again.
#pragma once

#include "base/error.hpp"
#include "base/loop.hpp"
#include "base/unique_fd.hpp"

#include <functional>
#include <memory>
#include <string>

namespace keelson::daemon {

// on_change runs on the loop's thread, once for a burst of changes, and must not block. The loop must outlive it and be
// running on another thread when it is destroyed.
class DirectoryWatch {
 public:
  // not_found if the directory does not exist.
  static Result<std::unique_ptr<DirectoryWatch>> start(const std::string& path, Loop& loop,
                                                       std::function<void()> on_change);
  ~DirectoryWatch();

 private:
  DirectoryWatch(std::string path, Loop& loop, UniqueFd inotify, std::function<void()> on_change);
  Result<> watch_directory();
  void drain();
  void watch_again();

  std::string path_;
  Loop& loop_;
  UniqueFd inotify_;
  std::function<void()> on_change_;
  Loop::Id watch_ = 0;
  Loop::Id timer_ = 0; // until a directory that went away is there again
};

} // namespace keelson::daemon
