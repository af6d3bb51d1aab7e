// Carries the actions of a layer plan out below one directory, in the form that overlayfs reads: a whiteout is a
// character device 0:0, an opaque directory has trusted.overlay.opaque=y.
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "cri/images/layer_plan.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace keelson::cri {

// One thread. Needs root. Every path goes through openat2(RESOLVE_IN_ROOT) or a single name below a directory
// descriptor without following links: whatever links the layer has, nothing outside the root is reached.
class LayerWriter {
 public:
  explicit LayerWriter(UniqueFd root)
      : root_(std::make_shared<UniqueFd>(std::move(root))) {}

  // Every action but write_file: for that create_file, the content, then finish_file.
  Result<> apply(const LayerAction& action);
  Result<UniqueFd> create_file(const LayerAction& action);
  Result<> finish_file(int fd, const LayerAction& action);

  // Sets what only lasts when nothing more is written: the times of the directories.
  Result<> finish();

  // Directories that the archive uses without naming them: their owner and mode are those of the layers below.
  const std::set<std::string>& implicit_directories() const { return implicit_; }
  std::uint64_t bytes() const { return bytes_; } // in whole blocks of 4 KiB
  std::uint64_t inodes() const { return inodes_; }

 private:
  struct Parent {
    std::shared_ptr<UniqueFd> fd;
    std::size_t depth = 0; // of its children, counted from the root
  };
  enum class Occupant { nothing, directory, whiteout, other };

  Result<Parent> parent_of(const LayerPlace& place);
  Result<UniqueFd> open_parent(const std::string& path, std::size_t& depth);
  Result<UniqueFd> make_parents(const std::string& path, int links_left);
  Result<UniqueFd> step_into(int at, const std::string& walked, const std::string& name, int links_left);
  Result<UniqueFd> make_implicit(int at, const std::string& path, const std::string& name);
  Result<Occupant> occupant(int parent, const std::string& name) const;
  Result<Occupant> clear(int parent, const LayerPlace& place);
  Result<Parent> free_place(const LayerPlace& place);

  Result<> make_directory(const LayerAction& action);
  Result<> make_symlink(const LayerAction& action);
  Result<> make_hard_link(const LayerAction& action);
  Result<> make_node(const LayerAction& action);
  Result<> whiteout(const LayerPlace& place);
  int make_whiteout(int parent, const std::string& name);
  Result<> opaque(const LayerPlace& place);

  std::shared_ptr<UniqueFd> root_;
  std::map<std::string, Parent> parents_; // emptied when anything is replaced
  std::set<std::string> implicit_;
  std::map<std::string, timespec> directory_times_;
  UniqueFd whiteout_; // the last one made: the others are further names of it, as overlayfs itself does
  bool root_named_ = false;
  std::uint64_t bytes_ = 0;
  std::uint64_t inodes_ = 0;
};

} // namespace keelson::cri
