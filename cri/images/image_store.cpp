#include "cri/images/image_store.hpp"

#include "base/file.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "cri/images/image_store_state.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <optional>

namespace keelson::cri {

namespace {

constexpr std::size_t kMaxIndexBytes = std::size_t{64} << 20;
constexpr std::size_t kMinPrefix = 4;
constexpr std::string_view kHex = "0123456789abcdef";

std::string images_dir(const ImageStoreOptions& options) {
  return options.root + "/images";
}

std::string read_boot_id() {
  const auto text = read_file("/proc/sys/kernel/random/boot_id");
  return text ? std::string(trim(*text)) : std::string("unknown");
}

bool is_hold_name(const std::string& name) {
  return !name.empty() && name.size() <= 128 && name.front() != '.' &&
         name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
             std::string::npos;
}

std::string digest_name(const StoredReference& reference) {
  return std::string(repository_of(reference.name)) + "@" + reference.digest;
}

} // namespace

LeaseGuard::LeaseGuard(ImageStore::State& state)
    : state_(state) {
  const std::lock_guard lock(state_.mutex);
  state_.leases.push_back(&lease_);
}

LeaseGuard::~LeaseGuard() {
  const std::lock_guard lock(state_.mutex);
  state_.leases.remove(&lease_);
}

ImageStore::State::State(Options chosen, BlobStore blob_store, std::unique_ptr<LayerStore> layer_store,
                         Platform machine)
    : options(std::move(chosen))
    , blobs(std::move(blob_store))
    , layers(std::move(layer_store))
    , platform(std::move(machine))
    , boot_id(read_boot_id())
    , http(HttpClientOptions{options.user_agent, options.connect_timeout, options.stall_timeout}) {}

// An image counts if everything that it is made of is there and whole; the others are dropped with a word in the log.
Result<> ImageStore::State::load_index() {
  const std::string path = images_dir(options) + "/index.json";
  if (!exists(path)) return {};
  TRY_ASSIGN(const auto text, read_file(path, kMaxIndexBytes));
  auto decoded = decode_image_index(text);
  if (!decoded && decoded.error().code == Code::failed_precondition) // another version: not ours to judge
    return Fail(std::move(decoded).error().context(path));
  if (!decoded) { // images can be pulled again; a node that does not start cannot
    log::error("{} is damaged and put aside; images must be pulled again: {}", path, decoded.error().message);
    if (::rename(path.c_str(), (path + ".damaged").c_str()) != 0) return fail_errno(errno, "put {} aside", path);
    return {};
  }
  for (auto& [id, image] : *decoded) {
    std::string fault;
    for (const auto& blob : image.blobs)
      if (const auto content = blobs.read(blob, options.limits.max_manifest_bytes); !content)
        fault = content.error().message;
    for (const auto& layer : image.layers)
      if (!layers->has(layer)) fault = "layer " + layer + " is missing";
    if (!image.unsynced_boot.empty() && image.unsynced_boot != boot_id)
      fault = "the machine went down before its layers were on the disk";
    const auto config_text = blobs.read(id, options.limits.max_manifest_bytes);
    auto config = config_text ? parse_image_config(*config_text, options.limits.max_layers)
                              : Result<ImageConfigDocument>(Fail(config_text.error()));
    if (!config) fault = config.error().message;
    if (!fault.empty()) {
      log::warning("image {} is dropped and must be pulled again: {}", id, fault);
      continue;
    }
    configs.emplace(id, std::move(*config));
    index.emplace(id, std::move(image));
  }
  return {};
}

Result<> ImageStore::State::load_holds() {
  const std::string directory = images_dir(options) + "/holds";
  TRY(make_dirs(directory, 0700));
  TRY_ASSIGN(const auto names, list_dir(directory));
  for (const auto& name : names) {
    const auto text = read_file(directory + "/" + name);
    const auto value = text ? json::parse(*text) : Result<json::value>(Fail(text.error()));
    if (!is_hold_name(name) || !value || !value->is_array()) {
      log::warning("{}/{} is not a list of layers and is removed", directory, printable(name));
      TRY(remove_tree(directory + "/" + name));
      continue;
    }
    auto& list = holds[name];
    for (const auto& item : value->get_array())
      if (item.is_string()) list.emplace_back(item.get_string());
  }
  return {};
}

Result<> ImageStore::State::clean_up() {
  TRY_ASSIGN(const auto names, list_dir(images_dir(options)));
  for (const auto& name : names)
    if (name.substr(0, 5) == "load-") TRY(remove_tree(images_dir(options) + "/" + name));
  collect();
  return blobs.prune_ingest(options.limits.resume_bytes, {});
}

Image ImageStore::State::describe(const StoredImage& stored) const {
  Image image;
  image.id = stored.id;
  image.layers = stored.layers;
  image.download_size = stored.download_size;
  for (const auto& reference : stored.references) {
    if (reference.name.find('@') == std::string::npos) image.repo_tags.push_back(reference.name);
    image.repo_digests.push_back(digest_name(reference));
    image.pinned = image.pinned || pinned.count(reference.name) != 0 || pinned.count(digest_name(reference)) != 0;
  }
  std::sort(image.repo_digests.begin(), image.repo_digests.end());
  image.repo_digests.erase(std::unique(image.repo_digests.begin(), image.repo_digests.end()), image.repo_digests.end());
  for (const auto& layer : stored.layers)
    if (const auto record = layers->record(layer)) image.size += record->bytes;
  for (const auto& blob : stored.blobs) image.size += blobs.size_of(blob);
  const auto& config = configs.at(stored.id);
  image.config = config.config;
  image.created = config.created;
  image.architecture = config.architecture;
  return image;
}

// A name first: "cafe" is a valid name as well as the start of an id.
const StoredImage* ImageStore::State::find_stored(std::string_view text, bool& ambiguous) const {
  ambiguous = false;
  if (const auto reference = parse_image_reference(text)) {
    for (const auto& [id, image] : index) {
      for (const auto& known : image.references) {
        if (known.name == reference->canonical()) return &image;
        if (!reference->digest.empty() && digest_name(known) == reference->repo_digest()) return &image;
      }
    }
  }
  std::string_view hex = text.substr(0, 7) == "sha256:" ? text.substr(7) : text;
  if (hex.size() < kMinPrefix || hex.size() > 64 || hex.find_first_not_of(kHex) != std::string_view::npos)
    return nullptr;
  const StoredImage* found = nullptr;
  for (const auto& [id, image] : index) {
    if (std::string_view(id).substr(7, hex.size()) != hex) continue;
    ambiguous = found != nullptr;
    if (ambiguous) return nullptr;
    found = &image;
  }
  return found;
}

Result<StoredImage> ImageStore::State::lookup(std::string_view text) const {
  bool ambiguous = false;
  const auto* image = find_stored(text, ambiguous);
  if (image != nullptr) return *image;
  if (ambiguous) return fail(Code::invalid_argument, "image id prefix {} fits several images", printable(text));
  return fail(Code::not_found, "image {} is not on this node; pull it first", printable(text));
}

Result<> ImageStore::State::save(ImageIndex changed) {
  TRY_CONTEXT(
      write_file_atomic(images_dir(options) + "/index.json", encode_image_index(changed), 0600, Durability::power_loss),
      "save the image index");
  const std::lock_guard lock(mutex);
  index = std::move(changed);
  return {};
}

Result<Image> ImageStore::State::commit(const FetchedImage& fetched, const std::vector<StoredReference>& references) {
  const std::lock_guard commit_lock(commit_mutex);
  ImageIndex changed;
  {
    const std::lock_guard lock(mutex);
    changed = index;
    configs.emplace(fetched.id, fetched.config);
  }
  auto& image = changed[fetched.id];
  const bool is_new = image.id.empty();
  image.id = fetched.id;
  image.layers = fetched.layers;
  image.download_size = fetched.download_size;
  image.blobs.insert(fetched.blobs.begin(), fetched.blobs.end());
  if (is_new) image.unsynced_boot = boot_id;
  for (const auto& reference : references) assign_reference(changed, fetched.id, reference);
  TRY(save(std::move(changed)));
  const std::lock_guard lock(mutex);
  return describe(index.at(fetched.id));
}

// Off the path of a pull: a flush can take long on a busy disk. Until it is done, the index says that the layers may
// not survive a loss of power.
void ImageStore::State::sync_layers(const std::string& id) {
  if (::syncfs(layers->fd()) != 0) return;
  const std::lock_guard commit_lock(commit_mutex);
  ImageIndex changed;
  {
    const std::lock_guard lock(mutex);
    changed = index;
  }
  const auto image = changed.find(id);
  if (image == changed.end() || image->second.unsynced_boot.empty()) return;
  image->second.unsynced_boot.clear();
  if (const auto saved = save(std::move(changed)); !saved)
    log::warning("image {} is on the disk but not marked so: {}", id, saved.error().message);
}

void ImageStore::State::collect() {
  const std::lock_guard commit_lock(commit_mutex);
  std::set<std::string> used_layers;
  std::set<std::string> used_blobs;
  std::vector<std::string> retired;
  {
    const std::lock_guard lock(mutex);
    for (const auto& [id, image] : index) {
      used_layers.insert(image.layers.begin(), image.layers.end());
      used_blobs.insert(image.blobs.begin(), image.blobs.end());
    }
    for (const auto& [name, list] : holds) used_layers.insert(list.begin(), list.end());
    for (const auto* lease : leases) {
      used_layers.insert(lease->layers.begin(), lease->layers.end());
      used_blobs.insert(lease->blobs.begin(), lease->blobs.end());
    }
    retired = layers->retire_unused(used_layers); // under the lock: a lease that comes now must not find them
    const auto known = blobs.list();
    for (const auto& digest : known ? *known : std::vector<std::string>())
      if (used_blobs.count(digest) == 0)
        if (const auto removed = blobs.remove(digest); !removed)
          log::warning("remove blob {}: {}", digest, removed.error().message);
  }
  if (const auto purged = layers->purge(retired); !purged)
    log::warning("remove unused layers: {}; tried again at the next start", purged.error().message);
}

ImageStore::ImageStore(std::unique_ptr<State> state)
    : state_(std::move(state)) {}

Result<std::unique_ptr<ImageStore>> ImageStore::open(Options options) {
  Platform platform = machine_platform();
  if (!options.platform.empty()) {
    TRY_ASSIGN(platform, parse_platform(options.platform));
  }
  TRY(make_dirs(options.root, 0700));
  TRY_ASSIGN(auto blobs, BlobStore::open(images_dir(options)));
  for (const std::string directory : {"/images", "/layers"}) {
    TRY(make_dirs(options.root + directory, 0700));
    if (::chmod((options.root + directory).c_str(), 0700) != 0) // also what an older installation left open
      return fail_errno(errno, "close {}{} to others", options.root, directory);
  }
  TRY_ASSIGN(auto layers, LayerStore::open(options.root + "/layers"));
  auto state = std::make_unique<State>(std::move(options), std::move(blobs), std::move(layers), std::move(platform));
  for (const auto& text : state->options.pinned) {
    TRY_ASSIGN(const auto reference, parse_image_reference(text));
    state->pinned.insert(reference.canonical());
  }
  TRY(state->load_index());
  TRY(state->load_holds());
  TRY(state->clean_up());
  return std::unique_ptr<ImageStore>(new ImageStore(std::move(state)));
}

ImageStore::~ImageStore() {
  std::unique_lock lock(state_->mutex);
  for (const auto& [key, pull] : state_->pulls) pull->stop.request_stop();
  state_->idle.wait(lock, [this] { return state_->running_pulls == 0; });
}

std::vector<Image> ImageStore::list() const {
  const std::lock_guard lock(state_->mutex);
  std::vector<Image> images;
  images.reserve(state_->index.size());
  for (const auto& [id, image] : state_->index) images.push_back(state_->describe(image));
  return images;
}

Result<Image> ImageStore::find(std::string_view reference_or_id) const {
  const std::lock_guard lock(state_->mutex); // to the end: a removal meanwhile would take what describe() reads
  TRY_ASSIGN(const auto stored, state_->lookup(reference_or_id));
  return state_->describe(stored);
}

Result<> ImageStore::tag(std::string_view reference_or_id, std::string_view new_reference) {
  TRY_ASSIGN(const auto reference, parse_image_reference(new_reference));
  if (!reference.digest.empty()) return fail(Code::invalid_argument, "a tag is given by name, not by digest");
  const std::lock_guard commit_lock(state_->commit_mutex);
  ImageIndex changed;
  StoredImage image;
  {
    const std::lock_guard lock(state_->mutex);
    TRY_ASSIGN(image, state_->lookup(reference_or_id));
    changed = state_->index;
  }
  const std::string digest = image.references.empty() ? image.id : image.references.front().digest;
  assign_reference(changed, image.id, StoredReference{reference.repo_tag(), digest});
  return state_->save(std::move(changed));
}

Result<> ImageStore::remove(std::string_view reference_or_id) {
  {
    const std::lock_guard commit_lock(state_->commit_mutex);
    ImageIndex changed;
    std::string id;
    {
      const std::lock_guard lock(state_->mutex);
      changed = state_->index;
      bool ambiguous = false;
      const auto* image = state_->find_stored(reference_or_id, ambiguous);
      if (ambiguous)
        return fail(Code::invalid_argument, "image id prefix {} fits several images", printable(reference_or_id));
      if (image == nullptr) return {};
      id = image->id;
    }
    auto& references = changed.at(id).references;
    const auto named = parse_image_reference(reference_or_id);
    const auto before = references.size();
    if (named)
      references.erase(std::remove_if(references.begin(), references.end(),
                                      [&](const StoredReference& known) {
                                        return known.name == named->canonical() ||
                                               (!named->digest.empty() && digest_name(known) == named->repo_digest());
                                      }),
                       references.end());
    if (references.size() == before || references.empty()) changed.erase(id); // found by its id, or nameless now
    TRY(state_->save(std::move(changed)));
    const std::lock_guard lock(state_->mutex);
    if (state_->index.count(id) == 0) state_->configs.erase(id);
  }
  state_->collect();
  return {};
}

ImageUsage ImageStore::usage() const {
  ImageUsage usage;
  usage.mountpoint = state_->options.root;
  usage.taken_at = SystemClock().wall_now();
  const auto total = state_->layers->total();
  usage.bytes = total.bytes + state_->blobs.ingest_bytes();
  usage.inodes = total.inodes;
  std::set<std::string> blobs;
  {
    const std::lock_guard lock(state_->mutex);
    for (const auto& [id, image] : state_->index) blobs.insert(image.blobs.begin(), image.blobs.end());
  }
  for (const auto& blob : blobs) usage.bytes += state_->blobs.size_of(blob);
  usage.inodes += blobs.size();
  return usage;
}

Result<> ImageStore::hold_layers(const std::string& name, const std::vector<std::string>& layers) {
  if (!is_hold_name(name))
    return fail(Code::invalid_argument, "\"{}\" cannot name a root file system", printable(name));
  {
    const std::lock_guard lock(state_->mutex);
    for (const auto& layer : layers)
      if (!state_->layers->has(layer))
        return fail(Code::failed_precondition, "layer {} was removed meanwhile; pull the image again", layer);
    state_->holds[name] = layers;
  }
  json::array list;
  for (const auto& layer : layers) list.emplace_back(layer);
  auto saved = write_file_atomic(images_dir(state_->options) + "/holds/" + name, json::to_text(list), 0600);
  if (saved) return {};
  const std::lock_guard lock(state_->mutex);
  state_->holds.erase(name);
  return saved;
}

Result<> ImageStore::release_layers(const std::string& name) {
  if (!is_hold_name(name)) return {};
  TRY(remove_file_at(AT_FDCWD, images_dir(state_->options) + "/holds/" + name));
  bool collect = false;
  {
    const std::lock_guard lock(state_->mutex);
    const auto held = state_->holds.find(name);
    if (held == state_->holds.end()) return {};
    // Only layers without an image can become free now: the usual release costs no collection.
    std::set<std::string> used;
    for (const auto& [id, image] : state_->index) used.insert(image.layers.begin(), image.layers.end());
    for (const auto& layer : held->second) collect = collect || used.count(layer) == 0;
    state_->holds.erase(held);
  }
  if (collect) state_->collect();
  return {};
}

std::map<std::string, std::vector<std::string>> ImageStore::holds() const {
  const std::lock_guard lock(state_->mutex);
  return state_->holds;
}

std::string ImageStore::layer_path(std::string_view chain_id) const {
  return state_->layers->path(chain_id);
}

std::string_view to_string(PullPhase phase) {
  switch (phase) {
  case PullPhase::waiting:
    return "waiting";
  case PullPhase::downloading:
    return "downloading";
  case PullPhase::verifying:
    return "verifying";
  case PullPhase::unpacking:
    return "unpacking";
  case PullPhase::done:
    return "done";
  case PullPhase::exists:
    return "exists";
  }
  return "unknown";
}

} // namespace keelson::cri
