// ImageStore::load: images from archives.
#include "base/file.hpp"
#include "base/random.hpp"
#include "base/rollback.hpp"
#include "base/text.hpp"
#include "cri/images/image_archive.hpp"
#include "cri/images/image_store.hpp"
#include "cri/images/image_store_state.hpp"

#include <sys/stat.h>

#include <cerrno>

namespace keelson::cri {

namespace {

// A layout often has the bare tag as the name.
bool is_bare_tag(std::string_view name) {
  return name.find_first_of("/:@") == std::string_view::npos;
}

Result<std::vector<StoredReference>> references_of(const ArchivedImage& image, std::string_view reference,
                                                   std::size_t images) {
  std::vector<StoredReference> references;
  for (const auto& name : image.names) {
    if (is_bare_tag(name)) continue;
    TRY_ASSIGN(const auto parsed, parse_image_reference(name));
    references.push_back(StoredReference{parsed.canonical(), image.digest});
  }
  if (!references.empty()) return references;
  if (reference.empty())
    return fail(Code::invalid_argument, "the archive does not name image {}; give a name for it", image.digest);
  if (images > 1)
    return fail(Code::invalid_argument, "the archive has {} images without a name; one name cannot be for all", images);
  TRY_ASSIGN(const auto parsed, parse_image_reference(reference));
  references.push_back(StoredReference{parsed.canonical(), image.digest});
  return references;
}

} // namespace

Result<UniqueFd> ImageStore::State::open_archive(const std::string& path, Rollback& cleanup) {
  TRY_ASSIGN(auto file, open_at(AT_FDCWD, path, O_RDONLY | O_NONBLOCK));
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return fail_errno(errno, "look at {}", path);
  if (S_ISDIR(info.st_mode)) return file;
  if (!S_ISREG(info.st_mode)) return fail(Code::invalid_argument, "{} is neither a directory nor a file", path);
  const std::string images = options.root + "/images";
  const std::string name = "load-" + random_hex(8);
  TRY(make_dirs(images + "/" + name, 0700));
  cleanup.add("remove the unpacked archive", [images, name]() -> Result<> {
    TRY_ASSIGN(const auto directory, open_dir(images));
    return remove_tree_at(directory.get(), name);
  });
  TRY_ASSIGN(auto directory, open_dir(images + "/" + name));
  TRY(unpack_archive(file.get(), directory.get(), options.limits));
  return directory;
}

Result<std::vector<Image>> ImageStore::load(const std::string& path, std::string_view reference) {
  Rollback cleanup; // never committed: the unpacked archive goes in any case
  auto& state = *state_;
  const auto context = [&](Error error) { return Fail(std::move(error).context("load " + path)); };
  auto directory = state.open_archive(path, cleanup);
  if (!directory) return context(std::move(directory).error());
  auto archive = ImageArchive::open(std::move(*directory), state.options.limits);
  if (!archive) return context(std::move(archive).error());
  const auto& images = (*archive)->images();
  if (images.empty()) return fail(Code::invalid_argument, "load {}: the archive has no image", path);
  std::vector<Image> loaded;
  for (const auto& image : images) {
    auto references = references_of(image, reference, images.size());
    if (!references) return context(std::move(references).error());
    LeaseGuard guard(state);
    auto fetched = fetch_image(**archive, image.digest, state.environment(guard.lease(), {}));
    if (!fetched) return context(std::move(fetched).error());
    TRY_ASSIGN(auto done, state.commit(*fetched, *references));
    for (const auto& blob : fetched->layer_blobs) TRY(state.blobs.remove_ingest(blob));
    state.sync_layers(done.id);
    loaded.push_back(std::move(done));
  }
  return loaded;
}

} // namespace keelson::cri
