#include "cri/images/rootfs_store.hpp"

#include "base/file.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "base/rollback.hpp"
#include "base/text.hpp"
#include "base/worker_pool.hpp"
#include "cri/images/overlay_mount.hpp"
#include "cri/images/tree_walk.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <mutex>
#include <set>

namespace keelson::cri {

namespace {

constexpr std::string_view kRemoved = ".removed-"; // no id begins with a dot

Result<> check_id(const std::string& id) {
  const bool plain =
      id.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == std::string::npos;
  if (!id.empty() && id.size() <= 128 && id.front() != '.' && plain) return {};
  return fail(Code::invalid_argument, "\"{}\" cannot name a root file system", printable(id));
}

} // namespace

struct RootfsStore::State {
  State(Options chosen, ImageStore& store, UniqueFd directory)
      : options(std::move(chosen))
      , images(store)
      , containers(std::move(directory)) {}

  Options options;
  ImageStore& images;
  UniqueFd containers;
  std::mutex mutex; // guards usages
  std::map<std::string, std::pair<SteadyTime, RootfsUsage>> usages;

  WorkerPool reaper{"rootfs-reaper", 1}; // last: its work ends before the rest goes

  std::string directory(const std::string& id) const { return options.root + "/containers/" + id; }

  Result<> make_directories(const std::string& id, const std::vector<std::string>& layers);
  Result<OverlaySpec> overlay_of(const std::string& id, const std::vector<std::string>& layers) const;
  Result<std::vector<std::string>> layers_of(const std::string& id) const;
  void reap(const std::string& name);
};

// The root of the whole has the owner and mode of the writable layer's root: those of the image's top layer.
Result<> RootfsStore::State::make_directories(const std::string& id, const std::vector<std::string>& layers) {
  std::vector<std::string> parts = {"", "/upper", "/work"};
  if (layers.empty()) parts.emplace_back("/empty");
  for (const auto& part : parts)
    if (::mkdirat(containers.get(), (id + part).c_str(), 0700) != 0)
      return fail_errno(errno, "make directory {}{}", directory(id), part);
  struct stat top {};
  top.st_mode = 0755;
  if (!layers.empty() && ::stat(images.layer_path(layers.back()).c_str(), &top) != 0)
    return fail_errno(errno, "look at layer {}", layers.back());
  TRY_ASSIGN(const auto upper, open_dir_at(containers.get(), id + "/upper"));
  if (::fchown(upper.get(), top.st_uid, top.st_gid) != 0 || ::fchmod(upper.get(), top.st_mode & 07777) != 0)
    return fail_errno(errno, "set up {}/upper", directory(id));
  return {};
}

// Overlayfs needs something below: an image without layers has an empty directory there.
Result<OverlaySpec> RootfsStore::State::overlay_of(const std::string& id,
                                                   const std::vector<std::string>& layers) const {
  OverlaySpec spec;
  for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer) spec.lower.push_back(images.layer_path(*layer));
  if (spec.lower.empty()) spec.lower.push_back(directory(id) + "/empty");
  spec.upper = directory(id) + "/upper";
  spec.work = directory(id) + "/work";
  spec.volatile_upper = options.volatile_upper;
  return spec;
}

Result<std::vector<std::string>> RootfsStore::State::layers_of(const std::string& id) const {
  TRY(check_id(id));
  const auto holds = images.holds();
  const auto held = holds.find(id);
  if (held == holds.end()) return fail(Code::not_found, "container {} has no root file system", id);
  return held->second;
}

// Deletes in the background what nobody sees any more: a large writable layer takes seconds.
void RootfsStore::State::reap(const std::string& name) {
  reaper.post([this, name] {
    if (const auto removed = remove_tree_at(containers.get(), name); !removed)
      log::warning("{}: {}; tried again at the next start", directory(name), removed.error().message);
  });
}

RootfsStore::RootfsStore(std::unique_ptr<State> state)
    : state_(std::move(state)) {}
RootfsStore::~RootfsStore() = default;

Result<std::unique_ptr<RootfsStore>> RootfsStore::open(Options options, ImageStore& images) {
  const std::string directory = options.root + "/containers";
  TRY(make_dirs(directory, 0700));
  if (::chmod(directory.c_str(), 0700) != 0) return fail_errno(errno, "close {} to others", directory);
  TRY_ASSIGN(auto fd, open_dir(directory));
  auto state = std::make_unique<State>(std::move(options), images, std::move(fd));
  TRY_ASSIGN(const auto names, list_dir_at(state->containers.get(), "."));
  for (const auto& name : names)
    if (name.substr(0, kRemoved.size()) == kRemoved) state->reap(name);
  return std::unique_ptr<RootfsStore>(new RootfsStore(std::move(state)));
}

Result<> RootfsStore::prepare(const std::string& id, const Image& image, const std::string& target) {
  TRY(check_id(id));
  auto& state = *state_;
  if (exists_at(state.containers.get(), id))
    return fail(Code::already_exists, "container {} has a root file system already", id);
  Rollback rollback;
  TRY(state.images.hold_layers(id, image.layers));
  rollback.add("release the layers", [&state, id] { return state.images.release_layers(id); });
  rollback.add("remove the writable layer", [&state, id] { return remove_tree_at(state.containers.get(), id); });
  TRY(state.make_directories(id, image.layers));
  TRY_ASSIGN(const auto overlay, state.overlay_of(id, image.layers));
  TRY_CONTEXT(mount_overlay(overlay, target, state.options.legacy_mount), "root file system of container {}", id);
  rollback.commit();
  return {};
}

Result<> RootfsStore::mount(const std::string& id, const std::string& target) {
  TRY_ASSIGN(const auto layers, state_->layers_of(id));
  TRY_ASSIGN(const auto overlay, state_->overlay_of(id, layers));
  // The mark of a "volatile" mount that was not unmounted: overlayfs refuses the layer until somebody decides. We do:
  // the layer's files are used as they are.
  TRY(remove_tree_at(state_->containers.get(), id + "/work/work/incompat"));
  return mount_overlay(overlay, target, state_->options.legacy_mount);
}

Result<> RootfsStore::unmount(const std::string& target) {
  return unmount_path(target);
}

Result<> RootfsStore::remove(const std::string& id) {
  TRY(check_id(id));
  auto& state = *state_;
  {
    const std::lock_guard lock(state.mutex);
    state.usages.erase(id);
  }
  const std::string name = std::string(kRemoved) + random_hex(8);
  if (::renameat(state.containers.get(), id.c_str(), state.containers.get(), name.c_str()) == 0) {
    state.reap(name);
  } else if (errno != ENOENT) {
    return fail_errno(errno, "remove the writable layer of container {}", id);
  }
  return state.images.release_layers(id);
}

Result<RootfsUsage> RootfsStore::usage(const std::string& id) {
  TRY(check_id(id));
  auto& state = *state_;
  const auto now = std::chrono::steady_clock::now();
  {
    const std::lock_guard lock(state.mutex);
    const auto known = state.usages.find(id);
    if (known != state.usages.end() && now - known->second.first < state.options.usage_max_age)
      return known->second.second;
  }
  auto upper = open_dir_at(state.containers.get(), id + "/upper");
  if (!upper && upper.error().code == Code::not_found)
    return fail(Code::not_found, "container {} has no root file system", id);
  if (!upper) return Fail(std::move(upper).error());
  TRY_ASSIGN(const auto measured, measure_tree(upper->get()));
  const RootfsUsage usage{measured.bytes, measured.inodes, SystemClock().wall_now()};
  const std::lock_guard lock(state.mutex);
  state.usages[id] = {now, usage};
  return usage;
}

Result<std::string> RootfsStore::upper_path(const std::string& id) const {
  TRY(check_id(id));
  if (!exists_at(state_->containers.get(), id + "/upper"))
    return fail(Code::not_found, "container {} has no root file system", id);
  return state_->directory(id) + "/upper";
}

std::vector<std::string> RootfsStore::list() const {
  std::set<std::string> ids;
  for (const auto& [name, layers] : state_->images.holds()) ids.insert(name);
  const auto names = list_dir_at(state_->containers.get(), ".");
  for (const auto& name : names ? *names : std::vector<std::string>())
    if (name.front() != '.') ids.insert(name);
  return {ids.begin(), ids.end()};
}

Result<> RootfsStore::mount_image_readonly(const std::string& id, const Image& image, const std::string& target) {
  TRY(check_id(id));
  auto& state = *state_;
  Rollback rollback;
  TRY(state.images.hold_layers(id, image.layers));
  rollback.add("release the layers", [&state, id] { return state.images.release_layers(id); });
  OverlaySpec spec;
  for (auto layer = image.layers.rbegin(); layer != image.layers.rend(); ++layer)
    spec.lower.push_back(state.images.layer_path(*layer));
  if (spec.lower.empty()) {
    TRY(make_dir_at(state.containers.get(), id, 0700));
    rollback.add("remove the directory", [&state, id] { return remove_tree_at(state.containers.get(), id); });
    TRY(make_dir_at(state.containers.get(), id + "/empty", 0755));
    spec.lower.push_back(state.directory(id) + "/empty");
  }
  TRY_CONTEXT(mount_overlay(spec, target, state.options.legacy_mount), "image volume {}", id);
  rollback.commit();
  return {};
}

Result<> RootfsStore::unmount_image(const std::string& id, const std::string& target) {
  TRY(unmount_path(target));
  return remove(id);
}

Result<> RootfsStore::copy_volume_content(const std::string& rootfs, const std::string& path, const std::string& target,
                                          std::uint64_t max_bytes) {
  TRY_ASSIGN(const auto root, open_at(AT_FDCWD, rootfs, O_PATH | O_DIRECTORY));
  auto source = open_in_root(root.get(), path, O_RDONLY | O_DIRECTORY);
  if (!source) {
    const Code code = source.error().code;
    const int reason = source.error().sys_errno;
    if (code == Code::not_found || reason == ENOTDIR || reason == ELOOP) return {};
    return Fail(std::move(source).error());
  }
  TRY_ASSIGN(const auto destination, open_dir(target));
  TRY_CONTEXT(copy_tree(source->get(), destination.get(), max_bytes), "content of image volume {}", printable(path));
  return {};
}

} // namespace keelson::cri
