// ImageStore::pull: one thread per transfer, shared by all calls that want the same.
#include "base/file.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "cri/images/image_store.hpp"
#include "cri/images/image_store_state.hpp"
#include "cri/images/registry_auth.hpp"
#include "cri/images/registry_client.hpp"
#include "cri/images/sha256.hpp"

#include <atomic>
#include <cerrno>
#include <optional>

namespace keelson::cri {

namespace {

// Equal for calls that may share a transfer. Only a digest of the secrets is kept as a key.
std::string sharing_key(const ImageReference& reference, const RegistryCredentials& c) {
  std::string secrets;
  for (const auto* part : {&c.username, &c.password, &c.auth, &c.identity_token, &c.registry_token, &c.server_address})
    secrets += std::to_string(part->size()) + ":" + *part;
  return reference.canonical() + " " + sha256_digest(secrets);
}

std::optional<RegistryCredentials> stored_credentials(const std::vector<std::string>& files, const std::string& host) {
  for (const auto& file : files) {
    const auto text = read_file(file);
    if (!text) {
      if (text.error().code != Code::not_found) log::warning("registry credentials: {}", text.error().message);
      continue;
    }
    auto found = find_docker_config_auth(*text, host);
    if (!found) log::warning("registry credentials in {}: {}", file, found.error().message);
    if (found && *found) return std::move(**found);
  }
  return std::nullopt;
}

void tell(SharedPull& shared, const PullProgress& progress) {
  const std::lock_guard lock(shared.mutex);
  for (const auto& [id, handler] : shared.handlers) handler(progress);
}

void finish(SharedPull& shared, Result<Image> result) {
  const std::lock_guard lock(shared.mutex);
  shared.result = std::move(result);
  shared.finished = true;
  shared.changed.notify_all();
}

// Waits for the transfer, or leaves it: the last one to leave ends it.
Result<Image> wait_for(SharedPull& shared, const PullRequest& request, unsigned id) {
  std::unique_lock lock(shared.mutex);
  const auto done = [&] { return shared.finished; };
  const bool finished = request.deadline.at() == SteadyTime::max()
                            ? shared.changed.wait(lock, request.cancel, done)
                            : shared.changed.wait_until(lock, request.cancel, request.deadline.at(), done);
  shared.handlers.erase(id);
  --shared.waiting;
  if (finished) return shared.result;
  if (shared.waiting == 0) shared.stop.request_stop();
  const std::string name = printable(request.reference);
  if (request.cancel.stop_requested()) return fail(Code::cancelled, "pull of {} was cancelled", name);
  return fail(Code::deadline_exceeded, "pull of {} was not done in time; what came is kept for the next try", name);
}

} // namespace

FetchEnvironment ImageStore::State::environment(ImageLease& lease, std::stop_token cancel) {
  FetchEnvironment made{blobs, *layers, busy_blobs, platform, options.limits, options.parallel_layers, {}, {}, cancel};
  made.lease = [this, &lease](const std::set<std::string>& new_blobs, const std::vector<std::string>& new_layers) {
    const std::lock_guard lock(mutex);
    lease.blobs.insert(new_blobs.begin(), new_blobs.end());
    lease.layers.insert(new_layers.begin(), new_layers.end());
  };
  return made;
}

Result<Image> ImageStore::State::run_pull(const ImageReference& reference, const RegistryCredentials& credentials,
                                          SharedPull& shared) {
  RegistryClientOptions client_options;
  client_options.reference = reference;
  TRY_ASSIGN(client_options.hosts, load_registry_hosts(options.registry_config_dir, reference.registry));
  client_options.credentials = credentials;
  client_options.stored_credentials = [this](const std::string& host) {
    return stored_credentials(options.auth_files, host);
  };
  client_options.max_manifest_bytes = options.limits.max_manifest_bytes;
  client_options.max_retries = options.max_retries;
  client_options.retry_delay = options.retry_delay;
  client_options.cancel = shared.stop.get_token();
  RegistryClient client(http, std::move(client_options));

  LeaseGuard guard(*this);
  auto fetch = environment(guard.lease(), shared.stop.get_token());
  fetch.progress = [&](const PullProgress& progress) { tell(shared, progress); };
  auto fetched = fetch_image(client, reference.manifest_ref(), fetch);
  if (fetched) {
    auto image = commit(*fetched, {StoredReference{reference.canonical(), fetched->digest}});
    if (image)
      for (const auto& blob : fetched->layer_blobs) TRY(blobs.remove_ingest(blob));
    return image;
  }
  // Of a full disk nothing is kept: the space is needed more than the download.
  const bool full = fetched.error().sys_errno == ENOSPC || fetched.error().sys_errno == EDQUOT;
  std::set<std::string> busy;
  {
    const std::lock_guard lock(mutex);
    for (const auto* lease : leases)
      if (lease != &guard.lease()) busy.insert(lease->blobs.begin(), lease->blobs.end());
  }
  if (const auto pruned = blobs.prune_ingest(full ? 0 : options.limits.resume_bytes, busy); !pruned)
    log::warning("remove unfinished downloads: {}", pruned.error().message);
  auto error = std::move(fetched).error().context("pull " + reference.canonical());
  if (full) error.message += "; the image file system is full: remove images";
  return Fail(std::move(error));
}

Result<Image> ImageStore::pull(const PullRequest& request) {
  TRY_ASSIGN(const auto reference, parse_image_reference(request.reference));
  const std::string key = sharing_key(reference, request.credentials);
  static std::atomic<unsigned> next_id = 0;
  const unsigned id = next_id++;
  std::shared_ptr<SharedPull> shared;
  {
    const std::lock_guard lock(state_->mutex);
    auto& known = state_->pulls[key];
    const bool joinable = known && !known->stop.stop_requested();
    if (!joinable) known = std::make_shared<SharedPull>();
    shared = known;
    const std::lock_guard shared_lock(shared->mutex);
    ++shared->waiting;
    if (request.progress) shared->handlers.emplace(id, request.progress);
    if (!joinable) {
      ++state_->running_pulls;
      // No share of the state: ~ImageStore waits for this thread, and then nobody may keep the directories open.
      std::thread([state = state_.get(), shared, key, reference, credentials = request.credentials] {
        state->transfer(key, reference, credentials, shared);
      }).detach();
    }
  }
  return wait_for(*shared, request, id);
}

// The body of a transfer's thread.
void ImageStore::State::transfer(const std::string& key, const ImageReference& reference,
                                 const RegistryCredentials& credentials, const std::shared_ptr<SharedPull>& shared) {
  Result<Image> result = fail(Code::internal, "pull {}", reference.canonical());
  try {
    result = run_pull(reference, credentials, *shared);
  } catch (const std::exception& e) {
    result = fail(Code::internal, "pull {}: {}", reference.canonical(), e.what());
  }
  {
    const std::lock_guard lock(mutex);
    const auto known = pulls.find(key);
    if (known != pulls.end() && known->second == shared) pulls.erase(known);
  }
  const std::string id = result ? result->id : std::string();
  if (!result) collect(); // layers that it had made already
  finish(*shared, std::move(result));
  if (!id.empty()) sync_layers(id);
  const std::lock_guard lock(mutex);
  if (--running_pulls == 0) idle.notify_all();
}

} // namespace keelson::cri
