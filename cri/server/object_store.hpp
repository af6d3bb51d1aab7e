// Objects of one kind (sandboxes, containers) in memory, by id and by the identity of the request that made them.
#pragma once

#include "base/error.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace keelson::cri {

// Any thread. T has `id` and `key()`, both constant.
template <class T>
class ObjectStore {
 public:
  // kind: "sandbox", for messages.
  explicit ObjectStore(std::string kind)
      : kind_(std::move(kind)) {}

  void add(const std::shared_ptr<T>& object) {
    const std::lock_guard lock(mutex_);
    by_id_[object->id] = object;
    by_key_[object->key()] = object;
  }

  void remove(const std::string& id) {
    const std::lock_guard lock(mutex_);
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) return;
    const auto by_key = by_key_.find(found->second->key());
    if (by_key != by_key_.end() && by_key->second == found->second) by_key_.erase(by_key);
    by_id_.erase(found);
  }

  std::shared_ptr<T> find_by_key(const std::string& key) const {
    const std::lock_guard lock(mutex_);
    const auto found = by_key_.find(key);
    return found == by_key_.end() ? nullptr : found->second;
  }

  // By id or unambiguous prefix of one, as people paste them. not_found, or invalid_argument if several fit.
  Result<std::shared_ptr<T>> find(std::string_view id_or_prefix) const {
    if (id_or_prefix.empty()) return fail(Code::invalid_argument, "{} id is empty", kind_);
    const std::lock_guard lock(mutex_);
    auto at = by_id_.lower_bound(id_or_prefix);
    if (at == by_id_.end() || !at->first.starts_with(id_or_prefix))
      return fail(Code::not_found, "no {} has the id {}", kind_, id_or_prefix);
    const auto found = at->second;
    if (at->first.size() != id_or_prefix.size() && ++at != by_id_.end() && at->first.starts_with(id_or_prefix))
      return fail(Code::invalid_argument, "several {} ids begin with {}: give more of it", kind_, id_or_prefix);
    return found;
  }

  std::vector<std::shared_ptr<T>> list() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::shared_ptr<T>> all;
    all.reserve(by_id_.size());
    for (const auto& [id, object] : by_id_) all.push_back(object);
    return all;
  }

 private:
  std::string kind_;
  mutable std::mutex mutex_; // guards by_id_ and by_key_
  std::map<std::string, std::shared_ptr<T>, std::less<>> by_id_;
  std::unordered_map<std::string, std::shared_ptr<T>> by_key_;
};

} // namespace keelson::cri
