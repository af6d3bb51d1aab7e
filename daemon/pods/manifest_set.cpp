#include "daemon/pods/manifest_set.hpp"

#include "api/decode.hpp"
#include "api/defaults.hpp"
#include "api/hash.hpp"
#include "api/validation.hpp"
#include "base/log.hpp"
#include "base/text.hpp"

#include <algorithm>

namespace keelson::daemon {

namespace {

// The uid becomes a directory's and a cgroup's name.
bool is_safe_uid(std::string_view uid) {
  return !uid.empty() && uid.size() <= 128 && uid.front() != '.' &&
         std::all_of(uid.begin(), uid.end(),
                     [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.'; });
}

} // namespace

Result<Manifest> ManifestSet::accept(api::Pod pod, const std::string& file) const {
  if (pod.metadata.name.empty()) return fail(Code::invalid_argument, "metadata.name: is required");
  api::apply_static_pod_identity(pod, node_name_, file);
  if (!is_safe_uid(pod.metadata.uid))
    return fail(Code::invalid_argument, "metadata.uid: \"{}\" must be letters, digits, '-', '_' and '.'",
                printable(pod.metadata.uid));
  Manifest manifest{std::move(pod), file, {}};
  manifest.hash = manifest.pod.metadata.annotations[api::kConfigHashAnnotation];
  api::apply_defaults(manifest.pod);
  TRY(api::check(manifest.pod));
  return manifest;
}

std::vector<ManifestProblem> ManifestSet::put(const std::string& file, std::string_view text) {
  File& known = files_[file];
  const std::string text_hash = api::hash_text(text);
  if (known.text_hash == text_hash) return {};
  known.text_hash = text_hash;
  auto decoded = api::decode_pods(text);
  if (!decoded) return {{file, {}, decoded.error().message}};
  if (decoded->empty()) return {{file, {}, "holds no pod: remove the file to end its pods"}};
  std::vector<ManifestProblem> problems;
  std::vector<Manifest> pods;
  for (api::Decoded<api::Pod>& one : *decoded) {
    const std::string name = api::full_name(one.object);
    for (const std::string& warning : one.warnings) log::warning("{}: pod {}: {}", file, name, warning);
    const std::string running_name = name + "-" + node_name_;
    auto manifest = accept(std::move(one.object), file);
    if (manifest) {
      pods.push_back(std::move(*manifest));
      continue;
    }
    problems.push_back({file, name, manifest.error().message});
    const auto before = std::find_if(known.pods.begin(), known.pods.end(),
                                     [&](const Manifest& m) { return api::full_name(m.pod) == running_name; });
    if (before != known.pods.end()) pods.push_back(*before);
  }
  known.pods = std::move(pods);
  return problems;
}

void ManifestSet::remove(const std::string& file) {
  files_.erase(file);
}

std::vector<std::string> ManifestSet::files() const {
  std::vector<std::string> names;
  for (const auto& [name, file] : files_) names.push_back(name);
  return names;
}

std::vector<Manifest> ManifestSet::pods(std::vector<ManifestProblem>& problems) {
  std::map<std::string, std::vector<const Manifest*>> by_name;
  for (const auto& [name, file] : files_)
    for (const Manifest& manifest : file.pods) by_name[api::full_name(manifest.pod)].push_back(&manifest);
  std::vector<Manifest> chosen;
  std::map<std::string, std::string> owners;
  std::map<std::string, std::string> conflicts;
  std::map<std::string, const Manifest*> by_uid;
  const auto refuse = [&](const Manifest& refused, const Manifest& owner, std::string_view what) {
    const std::string key = refused.file + "\n" + api::full_name(refused.pod);
    conflicts[key] = owner.file;
    const auto reported = conflicts_.find(key);
    if (reported != conflicts_.end() && reported->second == owner.file) return;
    problems.push_back({refused.file, api::full_name(refused.pod),
                        fmt::format("{} is also that of pod {} in {}; the one in {} is refused", what,
                                    api::full_name(owner.pod), owner.file, refused.file)});
  };
  for (const auto& [name, candidates] : by_name) {
    const Manifest* owner = candidates.front();
    const auto before = owners_.find(name);
    for (const Manifest* candidate : candidates)
      if (before != owners_.end() && candidate->file == before->second) {
        owner = candidate;
        break;
      }
    for (const Manifest* candidate : candidates)
      if (candidate != owner) refuse(*candidate, *owner, "its name");
    const auto [same_uid, inserted] = by_uid.emplace(owner->pod.metadata.uid, owner);
    if (!inserted) {
      refuse(*owner, *same_uid->second, "its uid");
      continue;
    }
    owners[name] = owner->file;
    chosen.push_back(*owner);
  }
  owners_ = std::move(owners);
  conflicts_ = std::move(conflicts);
  return chosen;
}

} // namespace keelson::daemon
