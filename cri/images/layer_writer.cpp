#include "cri/images/layer_writer.hpp"

#include "base/file.hpp"
#include "base/text.hpp"

#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace keelson::cri {

namespace {

constexpr std::size_t kCachedParents = 64;
constexpr int kMaxLinks = 16;
constexpr std::uint64_t kBlock = 4096;
constexpr int kPathDirectory = O_PATH | O_DIRECTORY;

std::size_t depth_of(const std::string& path) {
  return path.empty() ? 0 : static_cast<std::size_t>(std::count(path.begin(), path.end(), '/')) + 1;
}

Result<std::string> link_text(int at, const std::string& name) {
  std::string target(kMaxLayerPath + 1, '\0');
  const ssize_t size = ::readlinkat(at, name.c_str(), target.data(), target.size());
  if (size < 0) return fail_errno(errno, "read link {}", printable(name));
  target.resize(static_cast<std::size_t>(size));
  return target;
}

// How deep a directory really lies below the root, when links led to it.
Result<std::size_t> real_depth(int root, int directory) {
  TRY_ASSIGN(const auto root_path, link_text(AT_FDCWD, "/proc/self/fd/" + std::to_string(root)));
  TRY_ASSIGN(const auto path, link_text(AT_FDCWD, "/proc/self/fd/" + std::to_string(directory)));
  if (path.size() > kMaxLayerPath || path.size() < root_path.size())
    return fail(Code::invalid_argument, "links lead to a path that is too long");
  return depth_of(path) - depth_of(root_path);
}

Result<> set_opaque(int directory, const std::string& path) {
  if (::fsetxattr(directory, "trusted.overlay.opaque", "y", 1, 0) == 0) return {};
  return fail_errno(errno, "make {} opaque", printable(path));
}

// What the file system cannot hold is left out, except file capabilities: without them a program would not work.
Result<> set_xattrs(int fd, const LayerAction& action) {
  for (const auto& [name, value] : action.xattrs) {
    if (::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0) == 0) continue;
    const bool optional = name != "security.capability";
    if (optional && (errno == ENOTSUP || errno == EPERM || errno == ERANGE || errno == EINVAL)) continue;
    return fail_errno(errno, "set {} of {}", printable(name), printable(action.place.path()));
  }
  return {};
}

// Owner before mode and capabilities: chown(2) clears the setuid bit and security.capability.
Result<> set_metadata(int fd, const LayerAction& action) {
  const auto path = [&] { return printable(action.place.path()); };
  if (::fchown(fd, action.uid, action.gid) != 0) return fail_errno(errno, "set the owner of {}", path());
  if (::fchmod(fd, action.mode & 07777) != 0) return fail_errno(errno, "set the mode of {}", path());
  return set_xattrs(fd, action);
}

Result<> set_time(int at, const std::string& name, const timespec& mtime) {
  const std::array<timespec, 2> times{mtime, mtime};
  if (::utimensat(at, name.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) == 0) return {};
  return fail_errno(errno, "set the time of {}", printable(name));
}

bool is_whiteout(const struct stat& info) {
  return S_ISCHR(info.st_mode) && info.st_rdev == makedev(0, 0);
}

} // namespace

Result<LayerWriter::Occupant> LayerWriter::occupant(int parent, const std::string& name) const {
  struct stat info {};
  if (::fstatat(parent, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return Occupant::nothing;
    return fail_errno(errno, "look at {}", printable(name));
  }
  if (S_ISDIR(info.st_mode)) return Occupant::directory;
  return is_whiteout(info) ? Occupant::whiteout : Occupant::other;
}

// Makes room for an entry that replaces an earlier one of the same archive.
Result<LayerWriter::Occupant> LayerWriter::clear(int parent, const LayerPlace& place) {
  TRY_ASSIGN(const Occupant found, occupant(parent, place.name));
  if (found == Occupant::nothing) return found;
  parents_.clear(); // paths may have led through it
  if (found == Occupant::directory) {
    TRY(remove_tree_at(parent, place.name));
  } else if (::unlinkat(parent, place.name.c_str(), 0) != 0) {
    return fail_errno(errno, "replace {}", printable(place.path()));
  }
  return found;
}

Result<UniqueFd> LayerWriter::make_implicit(int at, const std::string& path, const std::string& name) {
  if (depth_of(path) > kMaxLayerDepth) return fail(Code::invalid_argument, "a path is deeper than {}", kMaxLayerDepth);
  if (::mkdirat(at, name.c_str(), 0755) != 0) return fail_errno(errno, "make directory {}", printable(path));
  ++inodes_;
  bytes_ += kBlock;
  TRY_ASSIGN(auto fd, open_at(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  if (::fchown(fd.get(), 0, 0) != 0 || ::fchmod(fd.get(), 0755) != 0)
    return fail_errno(errno, "set up directory {}", printable(path));
  implicit_.insert(path);
  return fd;
}

// One component of a path whose directory is open. `walked` is the path up to and including it.
Result<UniqueFd> LayerWriter::step_into(int at, const std::string& walked, const std::string& name, int links_left) {
  UniqueFd fd(::openat(at, name.c_str(), kPathDirectory | O_NOFOLLOW | O_CLOEXEC));
  if (fd) return fd;
  if (errno == ENOENT) return make_implicit(at, walked, name);
  if (errno != ENOTDIR && errno != ELOOP) return fail_errno(errno, "open {}", printable(walked));
  struct stat info {};
  if (::fstatat(at, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0)
    return fail_errno(errno, "look at {}", printable(walked));
  if (is_whiteout(info)) { // hidden below, and now something in it: a new directory
    if (::unlinkat(at, name.c_str(), 0) != 0) return fail_errno(errno, "replace {}", printable(walked));
    TRY_ASSIGN(auto made, make_implicit(at, walked, name));
    TRY(set_opaque(made.get(), walked));
    return made;
  }
  if (!S_ISLNK(info.st_mode))
    return fail(Code::invalid_argument, "{} is not a directory, but the archive has something in it",
                printable(walked));
  if (auto followed = open_in_root(root_->get(), walked, kPathDirectory)) return followed;
  if (links_left <= 0) return fail(Code::invalid_argument, "{}: too many links", printable(walked));
  TRY_ASSIGN(const auto target, link_text(at, name));
  const auto slash = walked.rfind('/');
  const std::string directory = slash == std::string::npos ? "" : walked.substr(0, slash + 1);
  return make_parents(target.front() == '/' ? target : directory + target, links_left - 1);
}

// The directory at a path of which a part is missing or is a link to what is missing. ".." only comes from links here,
// and is left to openat2.
Result<UniqueFd> LayerWriter::make_parents(const std::string& path, int links_left) {
  if (path.size() > kMaxLayerPath) return fail(Code::invalid_argument, "links lead to a path that is too long");
  TRY_ASSIGN(UniqueFd at, open_in_root(root_->get(), ".", kPathDirectory));
  std::string walked;
  for (const std::string_view part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    walked += walked.empty() ? std::string(part) : "/" + std::string(part);
    if (part == "..") {
      TRY_ASSIGN(at, open_in_root(root_->get(), walked, kPathDirectory));
    } else {
      TRY_ASSIGN(at, step_into(at.get(), walked, std::string(part), links_left));
    }
  }
  return at;
}

Result<UniqueFd> LayerWriter::open_parent(const std::string& path, std::size_t& depth) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(kPathDirectory | O_CLOEXEC);
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS;
  UniqueFd plain(static_cast<int>(::syscall(SYS_openat2, root_->get(), path.c_str(), &how, sizeof how)));
  if (plain) {
    depth = depth_of(path) + 1;
    return plain;
  }
  auto fd = open_in_root(root_->get(), path, kPathDirectory);
  if (!fd) {
    const int reason = fd.error().sys_errno;
    if (reason != ENOENT && reason != ENOTDIR) return Fail(std::move(fd).error());
    fd = make_parents(path, kMaxLinks);
  }
  if (!fd) return Fail(std::move(fd).error());
  TRY_ASSIGN(const auto real, real_depth(root_->get(), fd->get()));
  depth = real + 1;
  return fd;
}

Result<LayerWriter::Parent> LayerWriter::parent_of(const LayerPlace& place) {
  if (place.parent.empty()) return Parent{root_, 1};
  const auto known = parents_.find(place.parent);
  if (known != parents_.end()) return known->second;
  if (parents_.size() >= kCachedParents) parents_.clear();
  Parent parent;
  TRY_ASSIGN(auto fd, open_parent(place.parent, parent.depth));
  if (parent.depth > kMaxLayerDepth)
    return fail(Code::invalid_argument, "{} lies deeper than {}", printable(place.path(), 64), kMaxLayerDepth);
  parent.fd = std::make_shared<UniqueFd>(std::move(fd));
  parents_.emplace(place.parent, parent);
  return parent;
}

// The parent of a place that is empty now.
Result<LayerWriter::Parent> LayerWriter::free_place(const LayerPlace& place) {
  TRY_ASSIGN(const Parent parent, parent_of(place));
  TRY(clear(parent.fd->get(), place));
  return parent;
}

Result<> LayerWriter::apply(const LayerAction& action) {
  switch (action.kind) {
  case LayerAction::Kind::skip:
    return {};
  case LayerAction::Kind::make_directory:
    return make_directory(action);
  case LayerAction::Kind::make_symlink:
    return make_symlink(action);
  case LayerAction::Kind::make_hard_link:
    return make_hard_link(action);
  case LayerAction::Kind::make_node:
    return make_node(action);
  case LayerAction::Kind::whiteout:
    return whiteout(action.place);
  case LayerAction::Kind::opaque:
    return opaque(action.place);
  case LayerAction::Kind::write_file:
    break;
  }
  return fail(Code::internal, "a file is written with create_file");
}

Result<UniqueFd> LayerWriter::create_file(const LayerAction& action) {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
  TRY_ASSIGN(const Parent parent, parent_of(action.place));
  auto fd = open_at(parent.fd->get(), action.place.name, kFlags, 0600);
  if (!fd && fd.error().sys_errno == EEXIST) {
    TRY(clear(parent.fd->get(), action.place));
    fd = open_at(parent.fd->get(), action.place.name, kFlags, 0600);
  }
  if (!fd) return Fail(std::move(fd).error());
  ++inodes_;
  bytes_ += (action.size + kBlock - 1) / kBlock * kBlock;
  return fd;
}

Result<> LayerWriter::finish_file(int fd, const LayerAction& action) {
  TRY(set_metadata(fd, action));
  const std::array<timespec, 2> times{action.mtime, action.mtime};
  if (::futimens(fd, times.data()) != 0) return fail_errno(errno, "set the time of {}", printable(action.place.path()));
  return {};
}

Result<> LayerWriter::make_directory(const LayerAction& action) {
  const std::string path = action.place.path();
  if (path.empty()) {
    root_named_ = true;
    directory_times_[path] = action.mtime;
    TRY_ASSIGN(const auto root, open_dir_at(root_->get(), "."));
    return set_metadata(root.get(), action);
  }
  TRY_ASSIGN(const Parent parent, parent_of(action.place));
  const int at = parent.fd->get();
  Occupant replaced = Occupant::nothing;
  if (::mkdirat(at, action.place.name.c_str(), 0700) != 0) {
    if (errno != EEXIST) return fail_errno(errno, "make directory {}", printable(path));
    TRY_ASSIGN(replaced, occupant(at, action.place.name));
    if (replaced != Occupant::directory) {
      TRY(clear(at, action.place));
      if (::mkdirat(at, action.place.name.c_str(), 0700) != 0)
        return fail_errno(errno, "make directory {}", printable(path));
    }
  }
  if (replaced != Occupant::directory) {
    ++inodes_;
    bytes_ += kBlock;
  }
  TRY_ASSIGN(const auto fd, open_at(at, action.place.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  // What was hidden or replaced by something else does not shine through a new directory.
  if (replaced == Occupant::whiteout || replaced == Occupant::other) TRY(set_opaque(fd.get(), path));
  implicit_.erase(path);
  directory_times_[path] = action.mtime;
  return set_metadata(fd.get(), action);
}

Result<> LayerWriter::make_symlink(const LayerAction& action) {
  TRY_ASSIGN(const Parent parent, free_place(action.place));
  const auto& name = action.place.name;
  const int at = parent.fd->get();
  if (::symlinkat(action.target.c_str(), at, name.c_str()) != 0)
    return fail_errno(errno, "make link {}", printable(action.place.path()));
  ++inodes_;
  if (::fchownat(at, name.c_str(), action.uid, action.gid, AT_SYMLINK_NOFOLLOW) != 0)
    return fail_errno(errno, "set the owner of {}", printable(action.place.path()));
  return set_time(at, name, action.mtime);
}

Result<> LayerWriter::make_hard_link(const LayerAction& action) {
  const auto shown = [&] { return printable(action.place.path()) + " -> " + printable(action.link.path()); };
  TRY_ASSIGN(const Parent source, parent_of(action.link));
  TRY_ASSIGN(const Occupant found, occupant(source.fd->get(), action.link.name));
  if (found != Occupant::other)
    return fail(Code::invalid_argument, "hard link {}: the target is no file of this layer", shown());
  TRY_ASSIGN(const Parent parent, free_place(action.place));
  if (::linkat(source.fd->get(), action.link.name.c_str(), parent.fd->get(), action.place.name.c_str(), 0) == 0)
    return {};
  if (errno == ENOENT || errno == EMLINK || errno == EPERM)
    return fail(Code::invalid_argument, "hard link {}: the target cannot be linked", shown());
  return fail_errno(errno, "hard link {}", shown());
}

Result<> LayerWriter::make_node(const LayerAction& action) {
  TRY_ASSIGN(const Parent parent, free_place(action.place));
  const auto& name = action.place.name;
  const int at = parent.fd->get();
  if (::mknodat(at, name.c_str(), (action.mode & static_cast<mode_t>(S_IFMT)) | 0600, action.device) != 0)
    return fail_errno(errno, "make device {}", printable(action.place.path()));
  ++inodes_;
  TRY_ASSIGN(const auto node, open_at(at, name, O_PATH | O_NOFOLLOW)); // opening a device for real would act on it
  if (::fchownat(node.get(), "", action.uid, action.gid, AT_EMPTY_PATH) != 0)
    return fail_errno(errno, "set the owner of {}", printable(action.place.path()));
  const std::string magic = "/proc/self/fd/" + std::to_string(node.get());
  if (::chmod(magic.c_str(), action.mode & 07777) != 0)
    return fail_errno(errno, "set the mode of {}", printable(action.place.path()));
  return set_time(at, name, action.mtime);
}

// An inode for each of a million whiteouts would be a waste; a link needs none. 0 or an errno.
int LayerWriter::make_whiteout(int parent, const std::string& name) {
  if (whiteout_ && ::linkat(whiteout_.get(), "", parent, name.c_str(), AT_EMPTY_PATH) == 0) return 0;
  if (whiteout_ && errno == EEXIST) return EEXIST;
  if (::mknodat(parent, name.c_str(), S_IFCHR, makedev(0, 0)) != 0) return errno; // the first, or too many links
  ++inodes_;
  whiteout_.reset(::openat(parent, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  return 0;
}

// Whiteouts speak of the layers below only: what this layer itself has at the place stays, and hides them already. A
// directory of this layer must not be merged with theirs any more.
Result<> LayerWriter::whiteout(const LayerPlace& place) {
  TRY_ASSIGN(const Parent parent, parent_of(place));
  const int at = parent.fd->get();
  const int reason = make_whiteout(at, place.name);
  if (reason == 0) return {};
  if (reason != EEXIST) return fail_errno(reason, "hide {}", printable(place.path()));
  TRY_ASSIGN(const Occupant found, occupant(at, place.name));
  if (found != Occupant::directory) return {};
  TRY_ASSIGN(const auto fd, open_at(at, place.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  return set_opaque(fd.get(), place.path());
}

Result<> LayerWriter::opaque(const LayerPlace& place) {
  const LayerPlace inside{place.path(), "."};
  TRY_ASSIGN(const Parent directory, parent_of(inside));
  TRY_ASSIGN(const auto fd, open_dir_at(directory.fd->get(), "."));
  return set_opaque(fd.get(), place.path());
}

Result<> LayerWriter::finish() {
  parents_.clear();
  if (!root_named_) implicit_.insert("");
  for (const auto& [path, mtime] : directory_times_) {
    auto fd = open_in_root(root_->get(), path.empty() ? "." : path, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (!fd) continue; // replaced by something else later in the archive
    TRY(set_time(fd->get(), ".", mtime));
  }
  return {};
}

} // namespace keelson::cri
