#include "daemon/ctl/target.hpp"

#include "base/text.hpp"
#include "daemon/ctl/display.hpp"
#include "daemon/ctl/fields.hpp"

#include <algorithm>

namespace keelson::daemon::ctl {

namespace {

bool may_be_id(const std::string& text) {
  return text.size() >= 4 && text.size() <= 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

std::string full_name(const json::value& pod) {
  return text_at(pod, {"metadata", "namespace"}) + "/" + text_at(pod, {"metadata", "name"});
}

std::string list_of(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 8;
  std::vector<std::string> shown(names.begin(),
                                 names.begin() + static_cast<std::ptrdiff_t>(std::min(names.size(), kShown)));
  std::string text = join(shown, ", ");
  if (names.size() > kShown) text += fmt::format(" and {} more", names.size() - kShown);
  return text;
}

// A static pod's name without the node that it ends with.
bool is_without_node(const std::string& name, const std::string& asked, const json::value& pod) {
  const std::string node = text_at(pod, {"spec", "nodeName"});
  return !node.empty() && name == asked + "-" + node;
}

std::vector<const json::value*> pods_named(const json::array& pods, const std::string& target) {
  const std::size_t slash = target.find('/');
  const std::string wanted_namespace = slash == std::string::npos ? "" : target.substr(0, slash);
  const std::string wanted = slash == std::string::npos ? target : target.substr(slash + 1);
  std::vector<const json::value*> exact;
  std::vector<const json::value*> loose;
  for (const json::value& pod : pods) {
    const std::string name = text_at(pod, {"metadata", "name"});
    if (!wanted_namespace.empty() && text_at(pod, {"metadata", "namespace"}) != wanted_namespace) continue;
    if (name == wanted || text_at(pod, {"metadata", "uid"}) == wanted)
      exact.push_back(&pod);
    else if (is_without_node(name, wanted, pod))
      loose.push_back(&pod);
  }
  return exact.empty() ? loose : exact;
}

Fail ambiguous(const std::string& target, const std::vector<const json::value*>& fits) {
  std::vector<std::string> names;
  for (const json::value* pod : fits) names.push_back(full_name(*pod));
  std::sort(names.begin(), names.end());
  if (std::adjacent_find(names.begin(), names.end()) != names.end()) {
    names.clear();
    for (const json::value* pod : fits) names.push_back(text_at(*pod, {"metadata", "uid"}));
    return fail(Code::invalid_argument, "several pods have the name {}: name one by its uid: {}", target,
                list_of(names));
  }
  return fail(Code::invalid_argument, "\"{}\" may be several pods: {}; name one as namespace/name", target,
              list_of(names));
}

const json::value* newest(const std::vector<const json::value*>& items, const char* key) {
  const json::value* best = nullptr;
  for (const json::value* item : items)
    if (best == nullptr || number_at(*item, {key}) > number_at(*best, {key}) ||
        (number_at(*item, {key}) == number_at(*best, {key}) &&
         text_at(*item, {"createdAt"}) > text_at(*best, {"createdAt"})))
      best = item;
  return best;
}

std::string default_container(const json::value& pod) {
  const std::string marked = text_at(pod, {"metadata", "annotations", "kubectl.kubernetes.io/default-container"});
  if (!marked.empty()) return marked;
  const json::array& containers = list_at(pod, {"spec", "containers"});
  return containers.empty() ? std::string() : text_at(containers.front(), {"name"});
}

std::vector<std::string> container_names(const json::value& pod) {
  std::vector<std::string> names;
  for (const char* list : {"initContainers", "containers"})
    for (const json::value& container : list_at(pod, {"spec", list})) names.push_back(text_at(container, {"name"}));
  return names;
}

// Containers of one name in a pod, newest attempt first.
std::vector<const json::value*> attempts_of(const json::array& containers, const std::string& uid,
                                            const std::string& name) {
  std::vector<const json::value*> found;
  for (const json::value& container : containers)
    if (text_at(container, {"podUid"}) == uid && text_at(container, {"name"}) == name) found.push_back(&container);
  std::stable_sort(found.begin(), found.end(), [](const json::value* a, const json::value* b) {
    const auto left = number_at(*a, {"attempt"});
    const auto right = number_at(*b, {"attempt"});
    return left != right ? left > right : text_at(*a, {"createdAt"}) > text_at(*b, {"createdAt"});
  });
  return found;
}

// The container whose end the pod's status remembers: the last run, also while the next one is waited for.
std::string last_run_of(const json::value& pod, const std::string& name) {
  for (const char* list : {"containerStatuses", "initContainerStatuses"})
    for (const json::value& status : list_at(pod, {"status", list})) {
      if (text_at(status, {"name"}) != name) continue;
      const std::string id = text_at(status, {"lastState", "terminated", "containerID"});
      return id.substr(id.find("//") == std::string::npos ? 0 : id.find("//") + 2);
    }
  return {};
}

Result<const json::value*> previous_run(const json::value& pod, const std::string& name,
                                        const std::vector<const json::value*>& attempts) {
  const std::string last = last_run_of(pod, name);
  for (const json::value* attempt : attempts)
    if (!last.empty() && text_at(*attempt, {"id"}) == last) return attempt;
  if (attempts.size() > 1) return attempts[1];
  return fail(Code::not_found, "container {} of pod {} has no earlier run whose log is still here", name,
              full_name(pod));
}

} // namespace

Result<const json::value*> find_by_id(const json::array& items, const std::string& prefix) {
  const json::value* found = nullptr;
  for (const json::value& item : items) {
    const std::string id = text_at(item, {"id"});
    if (!id.starts_with(prefix)) continue;
    if (found != nullptr)
      return fail(Code::invalid_argument, "several ids begin with {}: {} and {} among them; give more of it", prefix,
                  short_id(text_at(*found, {"id"})), short_id(id));
    found = &item;
  }
  return found;
}

Result<const json::value*> find_pod(const json::array& pods, const json::array& sandboxes, const std::string& target) {
  const auto fits = pods_named(pods, target);
  if (fits.size() == 1) return fits.front();
  if (fits.size() > 1) return ambiguous(target, fits);
  if (may_be_id(target)) {
    TRY_ASSIGN(const json::value* sandbox, find_by_id(sandboxes, target));
    if (sandbox != nullptr)
      for (const json::value& pod : pods)
        if (text_at(pod, {"metadata", "uid"}) == text_at(*sandbox, {"uid"}) &&
            text_at(pod, {"metadata", "name"}) == text_at(*sandbox, {"name"}))
          return &pod;
  }
  std::vector<std::string> names;
  for (const json::value& pod : pods) names.push_back(full_name(pod));
  if (names.empty()) return fail(Code::not_found, "no pod or container \"{}\": this node has no pods", target);
  return fail(Code::not_found, "no pod or container \"{}\"; pods here: {}", target, list_of(names));
}

Result<const json::value*> find_container(const json::array& pods, const json::array& sandboxes,
                                          const json::array& containers, const std::string& target,
                                          const ContainerChoice& choice) {
  if (may_be_id(target) && pods_named(pods, target).empty()) {
    TRY_ASSIGN(const json::value* by_id, find_by_id(containers, target));
    if (by_id != nullptr && !choice.previous) return by_id;
    if (by_id != nullptr) {
      const auto attempts = attempts_of(containers, text_at(*by_id, {"podUid"}), text_at(*by_id, {"name"}));
      const auto own = std::find(attempts.begin(), attempts.end(), by_id);
      if (own + 1 != attempts.end()) return *(own + 1);
      return fail(Code::not_found, "container {} has no predecessor", short_id(target));
    }
  }
  TRY_ASSIGN(const json::value* pod, find_pod(pods, sandboxes, target));
  const std::string name = choice.container.empty() ? default_container(*pod) : choice.container;
  const auto names = container_names(*pod);
  if (std::find(names.begin(), names.end(), name) == names.end())
    return fail(Code::not_found, "pod {} has no container \"{}\"; it has: {}", full_name(*pod), name, list_of(names));
  const auto attempts = attempts_of(containers, text_at(*pod, {"metadata", "uid"}), name);
  if (choice.previous) return previous_run(*pod, name, attempts);
  if (!attempts.empty()) return attempts.front();
  return fail(Code::not_found, "container {} of pod {} has not been made yet; see: keelsonctl events", name,
              full_name(*pod));
}

Result<const json::value*> find_sandbox(const json::array& pods, const json::array& sandboxes,
                                        const std::string& target) {
  if (may_be_id(target) && pods_named(pods, target).empty()) {
    TRY_ASSIGN(const json::value* by_id, find_by_id(sandboxes, target));
    if (by_id != nullptr) return by_id;
  }
  TRY_ASSIGN(const json::value* pod, find_pod(pods, sandboxes, target));
  std::vector<const json::value*> own;
  for (const json::value& sandbox : sandboxes)
    if (text_at(sandbox, {"uid"}) == text_at(*pod, {"metadata", "uid"})) own.push_back(&sandbox);
  if (own.empty()) return fail(Code::not_found, "pod {} has no sandbox yet", full_name(*pod));
  return newest(own, "attempt");
}

} // namespace keelson::daemon::ctl
