// A directory of the test's own. The destructor unmounts what is still mounted below it, and only that, then removes
// it.
#pragma once

#include <string>

namespace keelson::test {

class TempDir {
 public:
  explicit TempDir(const std::string& name = "test"); // below $TMPDIR, else /tmp; aborts if that fails
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

} // namespace keelson::test
