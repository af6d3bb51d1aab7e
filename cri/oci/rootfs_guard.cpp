#include "cri/oci/rootfs_guard.hpp"

#include "base/file.hpp"
#include "base/text.hpp"
#include "cri/oci/process_args.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <climits>
#include <deque>

namespace keelson::cri {
namespace {

constexpr int kMaxLinks = 40; // as in the kernel (MAXSYMLINKS)

// Where a path of the container leads once its symlinks are followed inside the root.
struct Location {
  std::string path; // clean, without symlinks as far as it exists
  bool exists = false;
  bool covered = false; // at or below a mount: the rest is not the image's
  bool is_directory = false;
};

Result<std::string> read_link(int link) {
  std::string target(PATH_MAX, '\0');
  const ssize_t size = ::readlinkat(link, "", target.data(), target.size());
  if (size < 0) return fail_errno(errno, "read a symlink of the image");
  target.resize(static_cast<std::size_t>(size));
  return target;
}

void push_parts(std::deque<std::string>& pending, std::string_view path) {
  const auto parts = split(path, '/');
  for (auto part = parts.rbegin(); part != parts.rend(); ++part)
    if (!part->empty() && *part != ".") pending.emplace_front(*part);
}

// Follows symlinks one by one instead of leaving it to openat2, because the answer must be known even where nothing
// exists yet: /proc is empty now and full when the container runs. What lies in a mount is taken as it is written.
class Locator {
 public:
  Locator(int rootfs, const std::vector<std::string>& mounted)
      : rootfs_(rootfs)
      , mounted_(mounted) {}

  Result<Location> locate(const std::string& path) {
    push_parts(pending_, path);
    while (!pending_.empty()) {
      const std::string part = std::move(pending_.front());
      pending_.pop_front();
      if (part == "..")
        leave();
      else
        TRY(enter(part));
    }
    return Location{current(), exists_, covered_from_ != 0, is_directory_};
  }

 private:
  std::string current() const { return "/" + join(resolved_, "/"); }

  void leave() {
    if (!resolved_.empty()) resolved_.pop_back();
    if (resolved_.size() < covered_from_) covered_from_ = 0;
    if (covered_from_ != 0) return;
    exists_ = is_directory_ = static_cast<bool>(open_in_root(rootfs_, current(), O_PATH | O_DIRECTORY));
  }

  Result<> enter(const std::string& part) {
    resolved_.push_back(part);
    if (covered_from_ != 0) return {};
    const std::string path = current();
    if (std::find(mounted_.begin(), mounted_.end(), path) != mounted_.end()) {
      covered_from_ = resolved_.size();
      return {};
    }
    if (!exists_) return {};
    auto found = open_in_root(rootfs_, path, O_PATH | O_NOFOLLOW);
    if (!found && (found.error().sys_errno == ENOENT || found.error().sys_errno == ENOTDIR)) {
      exists_ = is_directory_ = false;
      return {};
    }
    if (!found) return Fail(std::move(found).error());
    struct stat status {};
    if (::fstat(found->get(), &status) != 0) return fail_errno(errno, "stat \"{}\" in the image", printable(path));
    is_directory_ = S_ISDIR(status.st_mode);
    return S_ISLNK(status.st_mode) ? follow(found->get()) : Result<>();
  }

  Result<> follow(int link) {
    if (++links_ > kMaxLinks)
      return fail(Code::failed_precondition, "the image is refused: too many symlinks at \"{}\"", printable(current()));
    TRY_ASSIGN(const std::string target, read_link(link));
    resolved_.pop_back();
    if (!target.empty() && target.front() == '/') resolved_.clear();
    push_parts(pending_, target);
    is_directory_ = true;
    return {};
  }

  int rootfs_;
  const std::vector<std::string>& mounted_;
  std::vector<std::string> resolved_;
  std::deque<std::string> pending_;
  std::size_t covered_from_ = 0; // how many parts lead to the mount that covers the rest; 0: none
  bool exists_ = true;
  bool is_directory_ = true;
  int links_ = 0;
};

Result<Location> locate(int rootfs, const std::string& path, const std::vector<std::string>& mounted) {
  return Locator(rootfs, mounted).locate(path);
}

bool is_kernel_path(std::string_view path) {
  return path_is_within(path, "/proc") || path_is_within(path, "/sys") || path_is_within(path, "/dev");
}

// The three that runtimes mount first and then trust. A symlink there sends the mount, or the device files that runc
// makes in /dev, to another place.
Result<> check_kernel_directories(int rootfs) {
  for (const char* name : {"proc", "sys", "dev"}) {
    struct stat status {};
    if (::fstatat(rootfs, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno != ENOENT) return fail_errno(errno, "stat /{} in the image", name);
      TRY(make_dir_at(rootfs, name, 0755));
    } else if (!S_ISDIR(status.st_mode)) {
      return fail(Code::failed_precondition, "the image is refused: its /{} is {} instead of a directory", name,
                  S_ISLNK(status.st_mode) ? "a symlink" : "a file");
    }
  }
  return {};
}

Result<> make_parents(int rootfs, const std::string& path) {
  std::string parent;
  const auto parts = split(std::string_view(path).substr(1), '/');
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    TRY_ASSIGN(const UniqueFd dir, open_in_root(rootfs, parent.empty() ? "/" : parent, O_PATH | O_DIRECTORY));
    TRY(make_dir_at(dir.get(), std::string(parts[i]), 0755));
    parent.append("/").append(parts[i]);
  }
  return {};
}

Result<> make_mount_point(int rootfs, const std::string& path, bool directory) {
  TRY(make_parents(rootfs, path));
  const std::size_t slash = path.rfind('/');
  const std::string parent = slash == 0 ? "/" : path.substr(0, slash);
  const std::string name = path.substr(slash + 1);
  TRY_ASSIGN(const UniqueFd dir, open_in_root(rootfs, parent, O_PATH | O_DIRECTORY));
  if (directory) return make_dir_at(dir.get(), name, 0755);
  TRY(open_at(dir.get(), name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644));
  return {};
}

Result<bool> source_is_directory(const MountTarget& mount) {
  if (mount.source.empty()) return mount.directory;
  struct stat status {};
  if (::stat(mount.source.c_str(), &status) != 0)
    return fail_errno(errno, "mount source \"{}\"", printable(mount.source));
  return S_ISDIR(status.st_mode);
}

Result<> prepare_mount(int rootfs, const MountTarget& mount, bool privileged, std::vector<std::string>& mounted) {
  TRY_ASSIGN(const Location at, locate(rootfs, mount.destination, mounted));
  if (at.path == "/")
    return fail(Code::failed_precondition, "the image is refused: its \"{}\" leads to the root directory",
                printable(mount.destination));
  if (at.path != mount.destination && is_kernel_path(at.path) && !privileged)
    return fail(Code::failed_precondition, "the image is refused: its \"{}\" leads to \"{}\"",
                printable(mount.destination), printable(at.path));
  mounted.push_back(at.path);
  if (at.covered) return {};
  TRY_ASSIGN(const bool directory, source_is_directory(mount));
  if (!at.exists) return make_mount_point(rootfs, at.path, directory);
  if (at.is_directory != directory)
    return fail(Code::failed_precondition, "\"{}\" is {} in the image, but {} is to be mounted there",
                printable(mount.destination), at.is_directory ? "a directory" : "a file",
                directory ? "a directory" : "a file");
  return {};
}

Result<> check_cwd(int rootfs, const std::string& cwd, const std::vector<std::string>& mounted) {
  TRY_ASSIGN(const Location at, locate(rootfs, cwd, mounted));
  for (const std::string_view forbidden : {"/proc", "/dev/fd"})
    if (path_is_within(at.path, forbidden))
      return fail(
          Code::failed_precondition,
          "the image is refused: the working directory \"{}\" leads to \"{}\", where the runtime's own files are",
          printable(cwd), printable(at.path));
  return {};
}

Result<> prepare_volume(int rootfs, const std::string& volume, const std::vector<std::string>& mounted) {
  TRY_ASSIGN(const std::string clean,
             clean_container_path(volume.empty() || volume.front() != '/' ? "/" + volume : volume));
  TRY_ASSIGN(const Location at, locate(rootfs, clean, mounted));
  if (at.path == "/" || at.covered || is_kernel_path(at.path) || at.exists) return {};
  return make_mount_point(rootfs, at.path, true);
}

} // namespace

RootfsPlan rootfs_plan(const BuiltSpec& spec, const ImageConfig& image, bool privileged) {
  return {spec.mounts, image.volumes, spec.process.cwd, privileged};
}

Result<> prepare_rootfs(int rootfs_fd, const RootfsPlan& plan) {
  TRY(check_kernel_directories(rootfs_fd));
  std::vector<std::string> mounted;
  for (const MountTarget& mount : plan.mounts)
    TRY_CONTEXT(prepare_mount(rootfs_fd, mount, plan.privileged, mounted), "mount on \"{}\"",
                printable(mount.destination));
  TRY(check_cwd(rootfs_fd, plan.cwd, mounted));
  for (const std::string& volume : plan.volume_dirs)
    TRY_CONTEXT(prepare_volume(rootfs_fd, volume, mounted), "image volume \"{}\"", printable(volume));
  return {};
}

} // namespace keelson::cri
