#include "cri/images/layer_unpack.hpp"

#include "base/file.hpp"
#include "base/text.hpp"
#include "cri/images/layer_writer.hpp"
#include "cri/images/tar_stream.hpp"

#include <sys/stat.h>

#include <array>
#include <cerrno>

namespace keelson::cri {

namespace {

Result<> write_block(int fd, const TarStream::Block& block, const LayerAction& action) {
  const auto path = [&] { return printable(action.place.path()); };
  if (block.offset > action.size || block.data.size() > action.size - block.offset)
    return fail(Code::invalid_argument, "{}: more content than its size", path());
  std::string_view left = block.data;
  auto offset = static_cast<off_t>(block.offset);
  while (!left.empty()) {
    const ssize_t written = ::pwrite(fd, left.data(), left.size(), offset);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail_errno(errno, "write {}", path());
    left.remove_prefix(static_cast<std::size_t>(written));
    offset += written;
  }
  return {};
}

Result<> write_file(TarStream& tar, LayerWriter& writer, const LayerAction& action) {
  TRY_ASSIGN(const auto fd, writer.create_file(action));
  std::uint64_t end = 0;
  for (;;) {
    TRY_ASSIGN(const auto block, tar.read_block());
    if (!block) break;
    TRY(write_block(fd.get(), *block, action));
    end = block->offset + block->data.size();
  }
  if (end < action.size && ::ftruncate(fd.get(), static_cast<off_t>(action.size)) != 0) // a hole at the end
    return fail_errno(errno, "write {}", printable(action.place.path()));
  return writer.finish_file(fd.get(), action);
}

Result<> inherit_one(int directory, const std::string& path, const std::vector<int>& below) {
  const std::string name = path.empty() ? "." : path;
  auto target = open_in_root(directory, name, O_RDONLY | O_DIRECTORY);
  if (!target) return {}; // replaced later in the archive
  for (auto layer = below.rbegin(); layer != below.rend(); ++layer) {
    const auto source = open_in_root(*layer, name, O_PATH);
    struct stat info {};
    if (!source || ::fstatat(source->get(), "", &info, AT_EMPTY_PATH) != 0) continue;
    if (!S_ISDIR(info.st_mode)) return {};
    const std::array<timespec, 2> times{info.st_mtim, info.st_mtim};
    if (::fchown(target->get(), info.st_uid, info.st_gid) != 0 || ::fchmod(target->get(), info.st_mode & 07777) != 0 ||
        ::futimens(target->get(), times.data()) != 0)
      return fail_errno(errno, "set up directory {}", printable(path));
    return {};
  }
  return {};
}

} // namespace

Result<UnpackedLayer> unpack_layer(int blob, int directory, const UnpackOptions& options) {
  if (::lseek(blob, 0, SEEK_SET) != 0) return fail_errno(errno, "read the layer");
  TarStreamOptions stream;
  stream.compressed_size = options.blob_size;
  stream.max_bytes = options.limits.max_bytes + options.limits.max_entries * 1024;
  stream.max_ratio = options.max_ratio;
  stream.cancel = options.cancel;
  TRY_ASSIGN(const auto tar, TarStream::open(blob, std::move(stream)));
  TRY_ASSIGN(auto root, open_at(directory, ".", O_PATH | O_DIRECTORY));
  LayerWriter writer(std::move(root));
  LayerPlanner planner(options.limits, options.lowest);
  for (;;) {
    TRY_ASSIGN(const auto entry, tar->next());
    if (!entry) break;
    TRY_ASSIGN(const auto action, planner.plan(*entry));
    if (action.kind == LayerAction::Kind::write_file) {
      TRY(write_file(*tar, writer, action));
    } else {
      TRY(writer.apply(action));
    }
  }
  TRY(tar->drain());
  TRY(writer.finish());
  return UnpackedLayer{tar->diff_id(), writer.bytes(), writer.inodes(), writer.implicit_directories()};
}

Result<> inherit_directories(int directory, const std::set<std::string>& paths, const std::vector<int>& below) {
  // Set order puts a directory before what it contains: times of parents are set last.
  for (auto path = paths.rbegin(); path != paths.rend(); ++path) TRY(inherit_one(directory, *path, below));
  return {};
}

} // namespace keelson::cri
