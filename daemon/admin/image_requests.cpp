#include "daemon/admin/image_requests.hpp"

#include "cri/server/runtime.hpp"
#include "daemon/admin/admin_objects.hpp"

#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

namespace keelson::daemon {

namespace {

constexpr std::chrono::milliseconds kProgressInterval{100};
// A download that stands still is told again and again, so that its viewer sees time pass.
constexpr std::chrono::seconds kStallInterval{1};

Result<std::string> required(const json::object& body, const char* key) {
  const auto text = json::get_string(body, key);
  if (!text || text->empty()) return fail(Code::invalid_argument, "the request needs \"{}\"", key);
  return *text;
}

std::string optional(const json::object& body, const char* key) {
  return json::get_string(body, key).value_or("");
}

cri::RegistryCredentials credentials_of(const json::object& body) {
  cri::RegistryCredentials credentials;
  credentials.username = optional(body, "username");
  credentials.password = optional(body, "password");
  credentials.auth = optional(body, "auth");
  credentials.identity_token = optional(body, "identityToken");
  credentials.registry_token = optional(body, "registryToken");
  credentials.server_address = optional(body, "serverAddress");
  return credentials;
}

// Takes progress from the threads of a pull, which must not wait, to a client, which may be slow: between two sends
// only the last state of each layer is kept.
class ProgressPump {
 public:
  explicit ProgressPump(AdminStream& stream)
      : stream_(stream)
      , thread_([this](const std::stop_token& stop) { run(stop); }) {}

  void note(const cri::PullProgress& progress) {
    const std::lock_guard lock(mutex_);
    const auto [entry, is_new] = layers_.try_emplace(progress.digest, Layer{order_.size(), progress});
    if (is_new) order_.push_back(progress.digest);
    entry->second.progress = progress;
    changed_.insert(entry->second.position);
  }

  // Sends what is left.
  void finish() {
    thread_.request_stop();
    wake_.notify_all();
    thread_.join();
  }

 private:
  struct Layer {
    std::size_t position = 0;
    cri::PullProgress progress;
  };

  std::vector<cri::PullProgress> take() {
    std::vector<cri::PullProgress> lines;
    if (changed_.empty() && Deadline(told_ + kStallInterval).passed()) {
      for (const auto& entry : layers_)
        if (entry.second.progress.phase == cri::PullPhase::downloading) changed_.insert(entry.second.position);
    }
    for (const std::size_t position : changed_) lines.push_back(layers_.at(order_[position]).progress);
    changed_.clear();
    if (!lines.empty()) told_ = std::chrono::steady_clock::now();
    return lines;
  }

  void run(const std::stop_token& stop) {
    bool last = false;
    while (!last) {
      std::vector<cri::PullProgress> lines;
      {
        std::unique_lock lock(mutex_);
        wake_.wait_for(lock, stop, kProgressInterval, [] { return false; });
        last = stop.stop_requested();
        lines = take();
      }
      for (const cri::PullProgress& line : lines) {
        stream_.send({{"layer", line.digest},
                      {"phase", cri::to_string(line.phase)},
                      {"done", line.done_bytes},
                      {"total", line.total_bytes}});
      }
    }
  }

  AdminStream& stream_;
  std::mutex mutex_; // guards layers_, order_, changed_, told_
  std::condition_variable_any wake_;
  std::map<std::string, Layer> layers_;
  std::vector<std::string> order_;
  std::set<std::size_t> changed_;
  SteadyTime told_{};
  std::jthread thread_; // last: it uses the others
};

Result<json::value> image_json(cri::Runtime& runtime, const std::string& id) {
  for (json::value& image : list_images(runtime))
    if (image.at("id") == json::value(id)) return std::move(image);
  return json::value(json::object{{"id", id}});
}

} // namespace

Result<json::object> body_object(const AdminRequest& request) {
  if (request.body.empty()) return json::object();
  TRY_ASSIGN(json::value body, json::parse(request.body));
  if (!body.is_object()) return fail(Code::invalid_argument, "the request's body is not a JSON object");
  return std::move(body.get_object());
}

Result<json::value> pull_image(cri::Runtime& runtime, const AdminRequest& request, AdminStream& stream) {
  TRY_ASSIGN(const json::object body, body_object(request));
  cri::PullRequest pull;
  TRY_ASSIGN(pull.reference, required(body, "image"));
  pull.credentials = credentials_of(body);
  pull.cancel = request.gone;
  ProgressPump pump(stream);
  pull.progress = [&pump](const cri::PullProgress& progress) { pump.note(progress); };
  const auto image = runtime.images().pull(pull);
  pump.finish();
  if (!image) return Fail(image.error());
  TRY_ASSIGN(json::value shown, image_json(runtime, image->id));
  return json::object{{"image", std::move(shown)}};
}

Result<json::value> load_images(cri::Runtime& runtime, const AdminRequest& request) {
  TRY_ASSIGN(const json::object body, body_object(request));
  TRY_ASSIGN(const std::string path, required(body, "path"));
  if (path.front() != '/') return fail(Code::invalid_argument, "path {} is not absolute", path);
  TRY_ASSIGN(const auto images, runtime.images().load(path, optional(body, "name")));
  json::array items;
  for (const cri::Image& image : images) {
    TRY_ASSIGN(json::value shown, image_json(runtime, image.id));
    items.push_back(std::move(shown));
  }
  return json::object{{"items", std::move(items)}};
}

Result<json::value> tag_image(cri::Runtime& runtime, const AdminRequest& request) {
  TRY_ASSIGN(const json::object body, body_object(request));
  TRY_ASSIGN(const std::string image, required(body, "image"));
  TRY_ASSIGN(const std::string name, required(body, "name"));
  TRY(runtime.images().tag(image, name));
  return json::object{};
}

// The store forgives the removal of what is not there; a person who mistyped a name wants to hear of it.
Result<json::value> remove_image(cri::Runtime& runtime, const AdminRequest& request) {
  TRY_ASSIGN(const json::object body, body_object(request));
  TRY_ASSIGN(const std::string image, required(body, "image"));
  TRY_ASSIGN(const cri::Image found, runtime.images().find(image));
  TRY(runtime.images().remove(image));
  const auto left = runtime.images().find(found.id);
  return json::object{{"id", found.id}, {"removed", !left}, {"size", found.size}};
}

Result<json::value> prune_images(cri::Runtime& runtime, const AdminRequest& request) {
  TRY_ASSIGN(const json::object body, body_object(request));
  const bool dry_run = json::get_bool(body, "dryRun").value_or(false);
  TRY_ASSIGN(const json::array containers, list_containers(runtime));
  std::set<std::string> used;
  for (const json::value& container : containers) used.insert(optional(container.as_object(), "imageId"));
  json::array removed;
  std::int64_t bytes = 0;
  for (json::value& image : list_images(runtime)) {
    const json::object& object = image.as_object();
    const std::string id = optional(object, "id");
    if (used.contains(id) || json::get_bool(object, "pinned").value_or(false)) continue;
    if (!dry_run) TRY(runtime.images().remove(id));
    bytes += json::get_int(object, "size").value_or(0);
    removed.push_back(std::move(image));
  }
  return json::object{{"items", std::move(removed)}, {"bytes", bytes}, {"dryRun", dry_run}};
}

} // namespace keelson::daemon
