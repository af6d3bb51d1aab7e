#include "tests/support/temp_dir.hpp"

#include "tests/support/mounts.hpp"

#include <sys/mount.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace keelson::test {

TempDir::TempDir(const std::string& name) {
  const char* base = std::getenv("TMPDIR");
  path_ = std::string(base != nullptr && *base != '\0' ? base : "/tmp") + "/keelson-" + name + ".XXXXXX";
  if (::mkdtemp(path_.data()) == nullptr) {
    std::perror(path_.c_str());
    std::abort();
  }
  path_ = std::filesystem::canonical(path_).string();
}

TempDir::~TempDir() {
  const auto points = mount_points();
  for (auto point = points.rbegin(); point != points.rend(); ++point)
    if (is_below(*point, path_)) ::umount2(point->c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
  // A mount that stays would be emptied by the removal.
  for (const auto& point : mount_points())
    if (is_below(point, path_)) return;
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

} // namespace keelson::test
