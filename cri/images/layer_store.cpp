#include "cri/images/layer_store.hpp"

#include "base/file.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "cri/images/image_reference.hpp"
#include "cri/images/sha256.hpp"

#include <sys/stat.h>

#include <cerrno>

namespace keelson::cri {

namespace {

constexpr const char* kDraft = "ingest-";
constexpr const char* kRetired = "retired-";

std::string directory_name(std::string_view chain_id) {
  return std::string(digest_hex(chain_id));
}

} // namespace

std::string encode_layer_record(const LayerRecord& record) {
  return json::to_text(json::object{{"diffId", record.diff_id}, {"bytes", record.bytes}, {"inodes", record.inodes}});
}

Result<LayerRecord> decode_layer_record(std::string_view text) {
  TRY_ASSIGN(const auto value, json::parse(text));
  if (!value.is_object()) return fail(Code::data_loss, "the record of a layer is not an object");
  LayerRecord record;
  TRY_ASSIGN(record.diff_id, json::get_string(value.get_object(), "diffId"));
  TRY_ASSIGN(const auto bytes, json::get_int(value.get_object(), "bytes"));
  TRY_ASSIGN(const auto inodes, json::get_int(value.get_object(), "inodes"));
  record.bytes = static_cast<std::uint64_t>(bytes);
  record.inodes = static_cast<std::uint64_t>(inodes);
  return record;
}

LayerDraft::~LayerDraft() {
  if (name_.empty()) return;
  content_.reset();
  if (const auto removed = remove_tree_at(store_, name_); !removed)
    log::warning("remove a half unpacked layer: {}", removed.error().message);
}

Result<std::unique_ptr<LayerStore>> LayerStore::open(const std::string& directory) {
  TRY(make_dirs(directory, 0700));
  TRY_ASSIGN(auto fd, open_dir(directory));
  std::unique_ptr<LayerStore> store(new LayerStore(directory, std::move(fd)));
  TRY(store->load());
  return store;
}

Result<> LayerStore::load() {
  TRY_ASSIGN(const auto names, list_dir_at(directory_.get(), "."));
  for (const auto& name : names) {
    const std::string chain_id = "sha256:" + name;
    const auto text = is_sha256_digest(chain_id) ? read_file_at(directory_.get(), name + "/record")
                                                 : Result<std::string>(std::string());
    const auto record = text ? decode_layer_record(*text) : Result<LayerRecord>(Fail(text.error()));
    if (record && exists_at(directory_.get(), name + "/fs")) {
      layers_.emplace(chain_id, *record);
    } else if (const auto removed = remove_tree_at(directory_.get(), name); !removed) {
      log::warning("remove the remains of a layer: {}", removed.error().message);
    }
  }
  return {};
}

bool LayerStore::has(const std::string& chain_id) const {
  const std::lock_guard lock(mutex_);
  return layers_.count(chain_id) != 0;
}

Result<LayerRecord> LayerStore::record(const std::string& chain_id) const {
  const std::lock_guard lock(mutex_);
  const auto found = layers_.find(chain_id);
  if (found == layers_.end()) return fail(Code::not_found, "no layer {}", chain_id);
  return found->second;
}

Result<UniqueFd> LayerStore::open_content(const std::string& chain_id) const {
  return open_dir_at(directory_.get(), directory_name(chain_id) + "/fs");
}

std::string LayerStore::path(std::string_view chain_id) const {
  return path_ + "/" + directory_name(chain_id) + "/fs";
}

Result<LayerDraft> LayerStore::draft() {
  const std::string name = kDraft + random_hex(8);
  TRY(make_dir_at(directory_.get(), name, 0700));
  LayerDraft made(directory_.get(), name, UniqueFd());
  TRY(make_dir_at(directory_.get(), name + "/fs", 0755));
  TRY_ASSIGN(made.content_, open_dir_at(directory_.get(), name + "/fs"));
  if (::fchmod(made.content(), 0755) != 0) return fail_errno(errno, "set up a layer");
  return made;
}

Result<> LayerStore::publish(LayerDraft draft, const std::string& chain_id, const LayerRecord& record) {
  TRY(write_file_atomic_at(directory_.get(), draft.name_ + "/record", encode_layer_record(record), 0600));
  const std::lock_guard lock(mutex_);
  if (layers_.count(chain_id) != 0) return {};
  const std::string name = directory_name(chain_id);
  if (::renameat(directory_.get(), draft.name_.c_str(), directory_.get(), name.c_str()) != 0)
    return fail_errno(errno, "publish layer {}", chain_id);
  draft.name_.clear();
  layers_.emplace(chain_id, record);
  return {};
}

std::vector<std::string> LayerStore::retire_unused(const std::set<std::string>& used) {
  std::vector<std::string> retired;
  const std::lock_guard lock(mutex_);
  for (auto layer = layers_.begin(); layer != layers_.end();) {
    const std::string name = directory_name(layer->first);
    const std::string new_name = kRetired + random_hex(8);
    const bool free = used.count(layer->first) == 0;
    if (free && ::renameat(directory_.get(), name.c_str(), directory_.get(), new_name.c_str()) == 0) {
      retired.push_back(new_name);
      layer = layers_.erase(layer);
    } else {
      ++layer;
    }
  }
  return retired;
}

Result<> LayerStore::purge(const std::vector<std::string>& names) {
  for (const auto& name : names) TRY(remove_tree_at(directory_.get(), name));
  return {};
}

LayerRecord LayerStore::total() const {
  const std::lock_guard lock(mutex_);
  LayerRecord sum;
  for (const auto& [id, record] : layers_) {
    sum.bytes += record.bytes;
    sum.inodes += record.inodes;
  }
  return sum;
}

} // namespace keelson::cri
