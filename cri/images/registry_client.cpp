#include "cri/images/registry_client.hpp"

#include "base/text.hpp"
#include "cri/images/registry_session.hpp"
#include "cri/images/sha256.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>

namespace keelson::cri {

namespace {

// A host that gives a little before each break is worth more tries than one that gives nothing, but not endless ones.
constexpr unsigned kMaxBreaks = 50;
constexpr std::chrono::milliseconds kMaxDelay = std::chrono::seconds(10);

enum class Ability { resolve, pull };

bool is_able(const RegistryHost& host, Ability ability) {
  return ability == Ability::resolve ? host.resolve : host.pull;
}

// Sleeps; false if it was cut short.
bool wait_for(std::chrono::milliseconds time, const std::stop_token& cancel) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, cancel, time, [] { return false; });
  return !cancel.stop_requested();
}

bool is_final(Code code) {
  return code == Code::cancelled || code == Code::deadline_exceeded || code == Code::resource_exhausted;
}

} // namespace

struct RegistryClient::State {
  RegistryClientOptions options;
  std::deque<RegistrySession> sessions;
  std::mutex mutex;           // guards down
  std::set<std::size_t> down; // sessions that did not answer: the next ones are asked instead

  bool is_down(std::size_t number) {
    const std::lock_guard lock(mutex);
    return down.count(number) != 0;
  }
  void set_down(std::size_t number) {
    const std::lock_guard lock(mutex);
    down.insert(number);
  }
  // A mirror that fails costs one more try; only what nobody else can give is asked for longer.
  unsigned max_tries(const RegistrySession& session) const {
    return &session == &sessions.back() ? options.max_retries : std::min(options.max_retries, 1U);
  }

  // Repeats one request to one host. `progress` says how far it is: getting on sets the count of tries back.
  template <class Request>
  auto repeat(const RegistrySession& session, const Request& request, const std::function<std::uint64_t()>& progress)
      -> decltype(request()) {
    unsigned tries = 0;
    std::uint64_t before = progress();
    for (unsigned breaks = 0;; ++breaks) {
      auto answer = request();
      if (answer || answer.error().code != Code::unavailable || breaks >= kMaxBreaks) return answer;
      if (progress() > before) tries = 0;
      before = progress();
      if (tries >= max_tries(session)) return answer;
      const auto delay = std::min(options.retry_delay * (1U << std::min(tries, 10U)), kMaxDelay);
      ++tries;
      if (!wait_for(delay, options.cancel)) return fail(Code::cancelled, "cancelled");
    }
  }

  // Asks the hosts in their order until one can give it.
  template <class Request>
  auto ask_hosts(Ability ability, const Request& request) -> decltype(request(sessions.front())) {
    std::string earlier;
    std::optional<Error> last;
    for (std::size_t number = 0; number < sessions.size(); ++number) {
      auto& session = sessions[number];
      if (!is_able(session.host(), ability) || is_down(number)) continue;
      auto answer = request(session);
      if (answer || is_final(answer.error().code)) return answer;
      if (answer.error().code == Code::unavailable && number + 1 < sessions.size()) set_down(number);
      if (last) earlier += (earlier.empty() ? "" : "; ") + last->message;
      last = std::move(answer).error();
    }
    if (!last)
      return fail(Code::failed_precondition, "no host is configured to {} images of {}",
                  ability == Ability::resolve ? "resolve tags of" : "pull", options.reference.registry);
    if (!earlier.empty()) last->message += " (asked before: " + earlier + ")";
    return Fail(std::move(*last));
  }

  Result<SourceDocument> manifest_from(RegistrySession& session, const std::string& reference);
  Result<> blob_from(RegistrySession& session, BlobIngest& ingest);
};

RegistryClient::RegistryClient(HttpClient& http, RegistryClientOptions options)
    : state_(std::make_unique<State>()) {
  state_->options = std::move(options);
  const auto& known = state_->options;
  for (const auto& host : known.hosts) {
    RegistryIdentity identity{known.reference.registry, known.reference.repository, std::nullopt, known.cancel};
    const std::string name = host.base.authority();
    if (!known.credentials.empty() && credentials_fit(known.credentials, name, known.reference.registry, host.mirror)) {
      identity.credentials = known.credentials;
    } else if (known.stored_credentials) {
      identity.credentials = known.stored_credentials(name);
      if (!identity.credentials && !host.mirror)
        identity.credentials = known.stored_credentials(known.reference.registry);
    }
    state_->sessions.emplace_back(http, host, std::move(identity));
  }
}
RegistryClient::~RegistryClient() = default;

Result<SourceDocument> RegistryClient::State::manifest_from(RegistrySession& session, const std::string& reference) {
  RegistryGet get;
  get.path = "/" + options.reference.repository + "/manifests/" + reference;
  get.accept = kManifestAccept;
  get.max_body = options.max_manifest_bytes;
  TRY_ASSIGN(auto answer, repeat(
                              session, [&] { return session.get(get); }, [] { return std::uint64_t{0}; }));
  SourceDocument document;
  document.media_type = printable(answer.header("content-type"), 255);
  document.digest = sha256_digest(answer.body);
  const auto announced = answer.header("docker-content-digest");
  const bool by_digest = is_sha256_digest(reference);
  if ((by_digest && document.digest != reference) ||
      (!by_digest && is_sha256_digest(announced) && document.digest != announced))
    return fail(Code::data_loss, "registry {}: the manifest {} came with other content: {}",
                session.host().base.authority(), by_digest ? reference : std::string(announced), document.digest);
  document.text = std::move(answer.body);
  return document;
}

Result<SourceDocument> RegistryClient::manifest(const std::string& reference, std::uint64_t expected_size) {
  const auto ability = is_sha256_digest(reference) ? Ability::pull : Ability::resolve;
  TRY_ASSIGN(auto document, state_->ask_hosts(ability, [&](RegistrySession& session) {
    return state_->manifest_from(session, reference);
  }));
  if (expected_size != 0 && document.text.size() != expected_size)
    return fail(Code::data_loss, "manifest {} has {} bytes instead of {}", reference, document.text.size(),
                expected_size);
  return document;
}

Result<std::string> RegistryClient::document(const Descriptor& blob) {
  if (blob.size > state_->options.max_manifest_bytes)
    return fail(Code::resource_exhausted, "the image configuration has {} bytes; at most {} are accepted", blob.size,
                state_->options.max_manifest_bytes);
  RegistryGet get;
  get.path = "/" + state_->options.reference.repository + "/blobs/" + blob.digest;
  get.max_body = std::max<std::size_t>(blob.size, std::size_t{16} << 10);
  return state_->ask_hosts(Ability::pull, [&](RegistrySession& session) -> Result<std::string> {
    TRY_ASSIGN(auto answer, state_->repeat(
                                session, [&] { return session.get(get); }, [] { return std::uint64_t{0}; }));
    if (answer.body.size() != blob.size || sha256_digest(answer.body) != blob.digest)
      return fail(Code::data_loss, "registry {}: blob {} came with other content", session.host().base.authority(),
                  blob.digest);
    return std::move(answer.body);
  });
}

Result<> RegistryClient::State::blob_from(RegistrySession& session, BlobIngest& ingest) {
  const auto request = [&]() -> Result<> {
    RegistryGet get;
    get.path = "/" + options.reference.repository + "/blobs/" + ingest.blob().digest;
    get.sink = &ingest;
    if (ingest.size() > 0) get.range = "bytes=" + std::to_string(ingest.size()) + "-";
    auto answer = session.get(get);
    if (!answer && answer.error().code == Code::out_of_range) {
      TRY(ingest.reset());
      return fail(Code::unavailable, "registry {} cannot resume blob {}", session.host().base.authority(),
                  ingest.blob().digest);
    }
    if (!answer) return Fail(std::move(answer).error());
    if (!ingest.full())
      return fail(Code::unavailable, "registry {}: blob {} broke off at byte {} of {}", session.host().base.authority(),
                  ingest.blob().digest, ingest.size(), ingest.blob().size);
    return {};
  };
  // Bytes of an earlier try may be wrong: then once more from the start, with nothing of it.
  for (bool resumed = ingest.size() > 0;; resumed = false) {
    if (!ingest.full() || ingest.size() == 0) TRY(repeat(session, request, [&] { return ingest.size(); }));
    auto checked = ingest.check();
    if (checked) return {};
    TRY(ingest.reset());
    if (!resumed) return Fail(std::move(checked).error().context("registry " + session.host().base.authority()));
  }
}

Result<> RegistryClient::blob(BlobIngest& ingest) {
  return state_->ask_hosts(Ability::pull, [&](RegistrySession& session) { return state_->blob_from(session, ingest); });
}

} // namespace keelson::cri
