// Unpacked layers below layers/, by chain id.
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::cri {

struct LayerRecord {
  std::string diff_id;
  std::uint64_t bytes = 0;
  std::uint64_t inodes = 0;
};
std::string encode_layer_record(const LayerRecord& record);
Result<LayerRecord> decode_layer_record(std::string_view text);

// A layer that is being unpacked; invisible until it is published. The destructor removes what was not.
class LayerDraft {
 public:
  LayerDraft(int store, std::string name, UniqueFd content)
      : store_(store)
      , name_(std::move(name))
      , content_(std::move(content)) {}
  LayerDraft(LayerDraft&& other) noexcept
      : store_(other.store_)
      , name_(std::exchange(other.name_, {}))
      , content_(std::move(other.content_)) {}
  LayerDraft& operator=(LayerDraft&&) = delete;
  ~LayerDraft();
  int content() const { return content_.get(); } // the directory that becomes fs/

 private:
  friend class LayerStore;
  int store_;
  std::string name_;
  UniqueFd content_;
};

// Thread-safe. Directories are 0700 above the content.
class LayerStore {
 public:
  // Removes drafts and layers without a valid record.
  static Result<std::unique_ptr<LayerStore>> open(const std::string& directory);

  bool has(const std::string& chain_id) const;
  Result<LayerRecord> record(const std::string& chain_id) const;
  Result<UniqueFd> open_content(const std::string& chain_id) const;
  std::string path(std::string_view chain_id) const;

  Result<LayerDraft> draft();
  // Makes a draft visible; does nothing if the layer is there already.
  Result<> publish(LayerDraft draft, const std::string& chain_id, const LayerRecord& record);

  // Takes all layers that are not in use away; returns the names under which purge() deletes them, which takes time.
  std::vector<std::string> retire_unused(const std::set<std::string>& used);
  Result<> purge(const std::vector<std::string>& names);

  LayerRecord total() const; // sums
  int fd() const { return directory_.get(); }

 private:
  LayerStore(std::string path, UniqueFd directory)
      : path_(std::move(path))
      , directory_(std::move(directory)) {}
  Result<> load();

  std::string path_;
  UniqueFd directory_;
  mutable std::mutex mutex_;                  // guards layers_
  std::map<std::string, LayerRecord> layers_; // by chain id
};

} // namespace keelson::cri
