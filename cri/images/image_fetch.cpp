#include "cri/images/image_fetch.hpp"

#include "base/text.hpp"
#include "cri/images/image_reference.hpp"
#include "cri/images/layer_unpack.hpp"

#include <sys/statvfs.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <thread>

namespace keelson::cri {

namespace {

constexpr int kMaxIndexDepth = 3; // an index may name an index; fetches stay few whatever they hold
constexpr auto kProgressPause = std::chrono::milliseconds(50);

// A layer between its unpacking and its publication: those below must be visible first.
struct ReadyLayer {
  LayerDraft draft;
  LayerRecord record;
  std::set<std::string> implicit_directories;
};

class ImageFetch {
 public:
  ImageFetch(ImageSource& source, const FetchEnvironment& environment)
      : source_(source)
      , environment_(environment) {}

  Result<FetchedImage> run(const std::string& reference) {
    TRY(resolve(reference));
    TRY(read_config());
    environment_.lease(image_.layer_blobs, image_.layers);
    TRY(check_space());
    TRY(fetch_layers());
    for (const auto& [digest, text] : documents_) TRY(environment_.blobs.write(digest, text));
    return std::move(image_);
  }

 private:
  Result<> resolve(const std::string& reference);
  Result<> keep(const std::string& digest, std::string text);
  Result<> read_config();
  Result<> check_space() const;
  Result<> fetch_layers();
  void work();
  Result<> fetch_layer(std::size_t number);
  Result<ReadyLayer> unpack(const BlobIngest& ingest, std::size_t number);
  Result<> publish_ready();
  Result<> publish(std::size_t number, ReadyLayer layer);
  void report(std::size_t number, PullPhase phase, std::uint64_t done);
  void stop(Error error);

  ImageSource& source_;
  const FetchEnvironment& environment_;
  Manifest manifest_;
  FetchedImage image_;
  std::vector<std::pair<std::string, std::string>> documents_; // digest, text
  std::stop_source stop_;
  std::atomic<std::size_t> next_layer_ = 0;
  std::atomic<std::uint64_t> unpacked_bytes_ = 0;
  std::mutex mutex_; // guards ready_, published_, error_
  std::vector<std::optional<ReadyLayer>> ready_;
  std::size_t published_ = 0;
  std::optional<Error> error_;
  std::mutex progress_mutex_; // serialises the handler
};

Result<> ImageFetch::keep(const std::string& digest, std::string text) {
  image_.blobs.insert(digest);
  image_.download_size += text.size();
  documents_.emplace_back(digest, std::move(text));
  environment_.lease({digest}, {});
  return {};
}

Result<> ImageFetch::resolve(const std::string& reference) {
  std::string wanted = reference;
  std::uint64_t size = 0;
  std::string type;
  for (int depth = 0; depth < kMaxIndexDepth; ++depth) {
    TRY_ASSIGN(auto document, source_.manifest(wanted, size));
    if (image_.digest.empty()) image_.digest = document.digest;
    auto parsed = parse_manifest(document.text, document.media_type.empty() ? type : document.media_type,
                                 environment_.limits.max_layers);
    if (!parsed) return Fail(std::move(parsed).error().context("manifest " + document.digest));
    TRY(keep(document.digest, std::move(document.text)));
    if (auto* manifest = std::get_if<Manifest>(&*parsed)) {
      manifest_ = std::move(*manifest);
      return {};
    }
    TRY_ASSIGN(const auto chosen, choose_platform(std::get<ManifestIndex>(*parsed), environment_.platform));
    if (chosen.size > environment_.limits.max_manifest_bytes)
      return fail(Code::resource_exhausted, "manifest {} has {} bytes; at most {} are accepted", chosen.digest,
                  chosen.size, environment_.limits.max_manifest_bytes);
    wanted = chosen.digest;
    size = chosen.size;
    type = chosen.media_type;
  }
  return fail(Code::invalid_argument, "the index names indexes more than {} deep", kMaxIndexDepth);
}

Result<> ImageFetch::read_config() {
  TRY_ASSIGN(auto text, source_.document(manifest_.config));
  auto parsed = parse_image_config(text, environment_.limits.max_layers);
  if (!parsed) return Fail(std::move(parsed).error().context("image configuration " + manifest_.config.digest));
  image_.config = std::move(*parsed);
  if (image_.config.diff_ids.size() != manifest_.layers.size())
    return fail(Code::invalid_argument, "the image configuration names {} layers and the manifest {}",
                image_.config.diff_ids.size(), manifest_.layers.size());
  image_.id = manifest_.config.digest;
  image_.layers = chain_ids(image_.config.diff_ids);
  TRY(keep(image_.id, std::move(text)));
  for (const auto& layer : manifest_.layers) {
    image_.download_size += layer.size;
    image_.layer_blobs.insert(layer.digest);
  }
  return {};
}

// Says early what would fail late. Only the download is known; what it expands to is not.
Result<> ImageFetch::check_space() const {
  struct statvfs info {};
  if (::fstatvfs(environment_.layers.fd(), &info) != 0) return {};
  std::uint64_t missing = 0;
  for (std::size_t i = 0; i < image_.layers.size(); ++i)
    if (!environment_.layers.has(image_.layers[i])) missing += manifest_.layers[i].size;
  const std::uint64_t free = static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
  if (missing <= free) return {};
  return fail(Code::resource_exhausted, "the image needs {} bytes and the image file system has {} free; remove images",
              missing, free);
}

Result<> ImageFetch::fetch_layers() {
  ready_.resize(image_.layers.size());
  const std::stop_callback forward(environment_.cancel, [this] { stop_.request_stop(); });
  for (std::size_t i = 0; i < image_.layers.size(); ++i) report(i, PullPhase::waiting, 0);
  std::vector<std::thread> threads;
  const std::size_t count = std::min<std::size_t>(std::max(environment_.parallel_layers, 1U), image_.layers.size());
  for (std::size_t i = 0; i < count; ++i) threads.emplace_back([this] { work(); });
  for (auto& thread : threads) thread.join();
  if (error_) return Fail(std::move(*error_));
  if (published_ < image_.layers.size()) return fail(Code::cancelled, "cancelled");
  return {};
}

void ImageFetch::work() {
  try {
    for (;;) {
      const std::size_t number = next_layer_++;
      if (number >= image_.layers.size() || stop_.stop_requested()) return;
      if (auto done = fetch_layer(number); !done) return stop(std::move(done).error());
    }
  } catch (const std::exception& e) {
    stop(Error{Code::internal, 0, fmt::format("fetch a layer: {}", e.what())});
  }
}

// The first reason counts: those after it are consequences.
void ImageFetch::stop(Error error) {
  {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(error);
  }
  stop_.request_stop();
}

Result<> ImageFetch::fetch_layer(std::size_t number) {
  const Descriptor& blob = manifest_.layers[number];
  TRY_ASSIGN(const auto guard, environment_.busy_blobs.lock(blob.digest, stop_.get_token()));
  if (environment_.layers.has(image_.layers[number])) {
    report(number, PullPhase::exists, blob.size);
    return publish_ready();
  }
  TRY_ASSIGN(auto ingest, environment_.blobs.ingest(blob));
  if (!ingest.full() || blob.size == 0) {
    SteadyTime last{};
    ingest.on_progress([&](std::uint64_t done) {
      const auto now = std::chrono::steady_clock::now();
      if (now - last < kProgressPause) return;
      last = now;
      report(number, PullPhase::downloading, done);
    });
    report(number, PullPhase::downloading, ingest.size());
    TRY(source_.blob(ingest));
  }
  report(number, PullPhase::unpacking, blob.size);
  auto layer = unpack(ingest, number);
  if (!layer) return Fail(std::move(layer).error().context("layer " + blob.digest));
  {
    const std::lock_guard lock(mutex_);
    ready_[number].emplace(std::move(*layer));
  }
  return publish_ready();
}

Result<ReadyLayer> ImageFetch::unpack(const BlobIngest& ingest, std::size_t number) {
  const auto& limits = environment_.limits;
  TRY_ASSIGN(auto draft, environment_.layers.draft());
  UnpackOptions options;
  options.limits = LayerPlanLimits{limits.max_layer_entries, limits.max_layer_bytes};
  options.max_ratio = limits.max_expansion_ratio;
  options.blob_size = ingest.blob().size;
  options.lowest = number == 0;
  options.cancel = stop_.get_token();
  TRY_ASSIGN(auto layer, unpack_layer(ingest.fd(), draft.content(), options));
  const auto& wanted = image_.config.diff_ids[number];
  if (layer.diff_id != wanted)
    return fail(Code::data_loss, "its content has the digest {}; the image configuration says {}", layer.diff_id,
                wanted);
  if ((unpacked_bytes_ += layer.bytes) > limits.max_image_bytes)
    return fail(Code::resource_exhausted, "the image expands to more than {} bytes", limits.max_image_bytes);
  return ReadyLayer{std::move(draft), LayerRecord{layer.diff_id, layer.bytes, layer.inodes},
                    std::move(layer.implicit_directories)};
}

// Publishes from the lowest layer that is not visible yet up to the first that is not ready.
Result<> ImageFetch::publish_ready() {
  const std::lock_guard lock(mutex_);
  for (; published_ < ready_.size(); ++published_) {
    auto& layer = ready_[published_];
    if (!layer && !environment_.layers.has(image_.layers[published_])) return {};
    if (!layer) continue;
    TRY(publish(published_, std::move(*layer)));
    layer.reset();
  }
  return {};
}

Result<> ImageFetch::publish(std::size_t number, ReadyLayer layer) {
  std::vector<UniqueFd> opened;
  std::vector<int> below;
  for (std::size_t i = 0; !layer.implicit_directories.empty() && i < number; ++i) {
    TRY_ASSIGN(auto fd, environment_.layers.open_content(image_.layers[i]));
    below.push_back(fd.get());
    opened.push_back(std::move(fd));
  }
  TRY(inherit_directories(layer.draft.content(), layer.implicit_directories, below));
  TRY(environment_.layers.publish(std::move(layer.draft), image_.layers[number], layer.record));
  report(number, PullPhase::done, manifest_.layers[number].size);
  return {};
}

void ImageFetch::report(std::size_t number, PullPhase phase, std::uint64_t done) {
  if (!environment_.progress) return;
  const auto& blob = manifest_.layers[number];
  const std::lock_guard lock(progress_mutex_);
  environment_.progress(PullProgress{blob.digest, phase, done, blob.size});
}

} // namespace

Result<FetchedImage> fetch_image(ImageSource& source, const std::string& reference,
                                 const FetchEnvironment& environment) {
  return ImageFetch(source, environment).run(reference);
}

} // namespace keelson::cri
