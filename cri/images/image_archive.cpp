#include "cri/images/image_archive.hpp"

#include "base/file.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "cri/images/image_reference.hpp"
#include "cri/images/layer_writer.hpp"
#include "cri/images/tar_stream.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

namespace keelson::cri {

namespace {

constexpr std::size_t kMaxImages = 1024;
constexpr std::size_t kCopySize = std::size_t{1} << 20;

// Hands the file to the visitor piece by piece.
template <class Visitor>
Result<> for_each_piece(int fd, const Visitor& visit) {
  std::string buffer(kCopySize, '\0');
  off_t offset = 0;
  for (;;) {
    const ssize_t got = ::pread(fd, buffer.data(), buffer.size(), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, "read the archive");
    if (got == 0) return {};
    TRY(visit(std::string_view(buffer.data(), static_cast<std::size_t>(got))));
    offset += got;
  }
}

Result<std::vector<std::string>> texts(const json::object& o, std::string_view key) {
  std::vector<std::string> out;
  const auto* list = json::find_array(o, key);
  if (list == nullptr) return out;
  for (const auto& item : *list) {
    if (!item.is_string()) return fail(Code::invalid_argument, "\"{}\" has an entry that is not a string", key);
    out.emplace_back(item.get_string());
  }
  return out;
}

json::object descriptor(std::string_view type, const std::string& digest, std::uint64_t size) {
  return json::object{{"mediaType", std::string(type)}, {"digest", digest}, {"size", size}};
}

Result<std::uint64_t> file_size(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return fail_errno(errno, "look at a file of the archive");
  return static_cast<std::uint64_t>(info.st_size);
}

} // namespace

Result<std::vector<DockerArchiveEntry>> parse_docker_archive(std::string_view manifest_json, std::size_t max_layers) {
  TRY_ASSIGN(const auto value, json::parse(manifest_json));
  if (!value.is_array()) return fail(Code::invalid_argument, "manifest.json is not a list");
  if (value.get_array().size() > kMaxImages)
    return fail(Code::resource_exhausted, "the archive has more than {} images", kMaxImages);
  std::vector<DockerArchiveEntry> entries;
  for (const auto& item : value.get_array()) {
    if (!item.is_object()) return fail(Code::invalid_argument, "manifest.json has an entry that is not an object");
    DockerArchiveEntry entry;
    TRY_ASSIGN(entry.config, json::get_string(item.get_object(), "Config"));
    TRY_ASSIGN(entry.names, texts(item.get_object(), "RepoTags"));
    TRY_ASSIGN(entry.layers, texts(item.get_object(), "Layers"));
    if (entry.layers.size() > max_layers)
      return fail(Code::invalid_argument, "the image has {} layers; at most {} can be stacked", entry.layers.size(),
                  max_layers);
    entries.push_back(std::move(entry));
  }
  return entries;
}

Result<UniqueFd> ImageArchive::open_file(const std::string& path) const {
  TRY_ASSIGN(auto fd, open_in_root(directory_.get(), path, O_RDONLY | O_NONBLOCK)); // a FIFO must not hang us
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode))
    return fail(Code::invalid_argument, "{} of the archive is not a file", printable(path));
  return fd;
}

Result<std::string> ImageArchive::read_file(const std::string& path) const {
  TRY_ASSIGN(const auto fd, open_file(path));
  TRY_CONTEXT(file_size(fd.get()), "{}", printable(path));
  auto text = read_all(fd.get(), limits_.max_manifest_bytes);
  if (!text) return Fail(std::move(text).error().context(printable(path)));
  return text;
}

std::string ImageArchive::path_of(const std::string& digest) const {
  const auto known = paths_.find(digest);
  return known != paths_.end() ? known->second : "blobs/sha256/" + std::string(digest_hex(digest));
}

Result<std::unique_ptr<ImageArchive>> ImageArchive::open(UniqueFd directory, const ImageLimits& limits) {
  std::unique_ptr<ImageArchive> archive(new ImageArchive(std::move(directory), limits));
  if (open_in_root(archive->directory_.get(), "index.json", O_PATH)) {
    TRY(archive->read_layout());
  } else if (open_in_root(archive->directory_.get(), "manifest.json", O_PATH)) {
    TRY(archive->read_docker_archive());
  } else {
    return fail(Code::invalid_argument,
                "neither an OCI image layout (index.json) nor a docker-archive (manifest.json)");
  }
  return archive;
}

Result<> ImageArchive::read_layout() {
  TRY_ASSIGN(const auto text, read_file("index.json"));
  TRY_ASSIGN(const auto document, parse_manifest(text, "application/vnd.oci.image.index.v1+json", limits_.max_layers));
  const auto* index = std::get_if<ManifestIndex>(&document);
  if (index == nullptr) return fail(Code::invalid_argument, "index.json is not an index");
  if (index->manifests.size() > kMaxImages)
    return fail(Code::resource_exhausted, "the archive has more than {} images", kMaxImages);
  for (const auto& entry : index->manifests) {
    const auto known = std::find_if(images_.begin(), images_.end(),
                                    [&](const ArchivedImage& image) { return image.digest == entry.digest; });
    auto& image = known == images_.end() ? images_.emplace_back(ArchivedImage{entry.digest, {}}) : *known;
    if (!entry.ref_name.empty()) image.names.push_back(entry.ref_name);
  }
  return {};
}

Result<> ImageArchive::read_docker_archive() {
  TRY_ASSIGN(const auto text, read_file("manifest.json"));
  TRY_ASSIGN(const auto entries, parse_docker_archive(text, limits_.max_layers));
  for (const auto& entry : entries) {
    TRY_ASSIGN(auto manifest, docker_manifest(entry));
    const std::string digest = sha256_digest(manifest);
    manifests_.emplace(digest, std::move(manifest));
    images_.push_back(ArchivedImage{digest, entry.names});
  }
  return {};
}

// The manifest that the archive does not have: its layers are known by path only, so their digests are taken here.
Result<std::string> ImageArchive::docker_manifest(const DockerArchiveEntry& entry) {
  TRY_ASSIGN(const auto config, read_file(entry.config));
  const std::string config_digest = sha256_digest(config);
  paths_.emplace(config_digest, entry.config);
  json::array layers;
  for (const auto& path : entry.layers) {
    TRY_ASSIGN(const auto fd, open_file(path));
    TRY_ASSIGN(const auto size, file_size(fd.get()));
    Sha256 hash;
    TRY(for_each_piece(fd.get(), [&](std::string_view piece) -> Result<> {
      hash.update(piece);
      return {};
    }));
    paths_.emplace(hash.digest(), path);
    layers.push_back(descriptor("application/vnd.docker.image.rootfs.diff.tar", hash.digest(), size));
  }
  constexpr std::string_view kType = "application/vnd.docker.distribution.manifest.v2+json";
  return json::to_text(json::object{
      {"schemaVersion", 2},
      {"mediaType", std::string(kType)},
      {"config", descriptor("application/vnd.docker.container.image.v1+json", config_digest, config.size())},
      {"layers", std::move(layers)}});
}

Result<SourceDocument> ImageArchive::manifest(const std::string& reference, std::uint64_t expected_size) {
  if (!is_sha256_digest(reference)) return fail(Code::invalid_argument, "archives know digests only");
  SourceDocument document;
  if (const auto known = manifests_.find(reference); known != manifests_.end()) {
    document.text = known->second;
  } else {
    TRY_ASSIGN(document.text, read_file(path_of(reference)));
  }
  document.digest = sha256_digest(document.text);
  if (document.digest != reference || (expected_size != 0 && document.text.size() != expected_size))
    return fail(Code::data_loss, "manifest {} of the archive has other content", reference);
  return document;
}

Result<std::string> ImageArchive::document(const Descriptor& blob) {
  TRY_ASSIGN(auto text, read_file(path_of(blob.digest)));
  if (text.size() != blob.size || sha256_digest(text) != blob.digest)
    return fail(Code::data_loss, "blob {} of the archive has other content", blob.digest);
  return text;
}

Result<> ImageArchive::blob(BlobIngest& ingest) {
  TRY_ASSIGN(const auto fd, open_file(path_of(ingest.blob().digest)));
  TRY(ingest.reset());
  TRY(for_each_piece(fd.get(), [&](std::string_view piece) { return ingest.write(piece); }));
  auto checked = ingest.check();
  if (!checked) TRY(ingest.reset());
  return checked;
}

Result<> unpack_archive(int tar, int directory, const ImageLimits& limits) {
  TarStreamOptions options;
  options.hash = false;
  options.max_bytes = limits.max_image_bytes;
  TRY_ASSIGN(const auto stream, TarStream::open(tar, std::move(options)));
  TRY_ASSIGN(auto root, open_at(directory, ".", O_PATH | O_DIRECTORY));
  LayerWriter writer(std::move(root));
  LayerPlanner planner(LayerPlanLimits{limits.max_layer_entries, limits.max_image_bytes}, true);
  for (;;) {
    TRY_ASSIGN(const auto entry, stream->next());
    if (!entry) return {};
    TRY_ASSIGN(auto action, planner.plan(*entry));
    action.uid = action.gid = 0;
    action.mode = action.kind == LayerAction::Kind::make_directory ? 0700 : 0600;
    action.xattrs.clear();
    if (action.kind == LayerAction::Kind::make_node) continue;
    if (action.kind != LayerAction::Kind::write_file) {
      TRY(writer.apply(action));
      continue;
    }
    TRY_ASSIGN(const auto fd, writer.create_file(action));
    for (;;) {
      TRY_ASSIGN(const auto block, stream->read_block());
      if (!block) break;
      if (::lseek(fd.get(), static_cast<off_t>(block->offset), SEEK_SET) < 0)
        return fail_errno(errno, "unpack the archive");
      TRY_CONTEXT(write_all(fd.get(), block->data), "unpack the archive");
    }
  }
}

} // namespace keelson::cri
