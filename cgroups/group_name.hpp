// Names of groups, and how systemd spells them. Pure: no system calls.
#pragma once

#include "base/error.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace keelson::cgroups {

// A group's place in the tree, whatever the driver: {"kubepods", "burstable", "pod<uid>"}. Empty: the root. Every part
// is a legal directory name: not empty, "." or "..", without slash or control characters, at most 255 bytes.
class GroupName {
 public:
  GroupName() = default;
  static Result<GroupName> parse(std::string_view path); // "/kubepods/burstable" or "kubepods/burstable"
  static Result<GroupName> make(std::vector<std::string> parts);

  Result<GroupName> child(std::string part) const;
  GroupName parent() const; // the root's parent is the root
  const std::vector<std::string>& parts() const { return parts_; }
  bool is_root() const { return parts_.empty(); }
  std::string cgroupfs_path() const; // "/kubepods/burstable/pod<uid>", "/" for the root
  bool operator==(const GroupName&) const = default;

 private:
  explicit GroupName(std::vector<std::string> parts)
      : parts_(std::move(parts)) {}
  std::vector<std::string> parts_;
};

// systemd, systemd.slice(5): a dash in a slice's name goes one level down, so dashes of a part become underscores, as
// kubelet has it: {"kubepods", "pod1-2"} is "kubepods-pod1_2.slice".
Result<std::string> slice_of(const GroupName& name);
// "kubepods-burstable.slice" is "/kubepods.slice/kubepods-burstable.slice"; "-.slice" is "/".
Result<std::string> slice_path(std::string_view slice);
// The other way: "/kubepods.slice/kubepods-burstable.slice" is "kubepods-burstable.slice". Refuses paths that are no
// chain of slices.
Result<std::string> slice_from_path(std::string_view path);
// Underscores stay: systemd's spelling does not tell them from escaped dashes.
Result<GroupName> name_of_slice(std::string_view slice);

// The OCI spec's linux.cgroupsPath for runtimes with the systemd driver: "slice:prefix:name".
struct SystemdCgroupsPath {
  std::string slice; // empty: the runtime's default
  std::string prefix;
  std::string name;
  static Result<SystemdCgroupsPath> parse(std::string_view text);
  bool operator==(const SystemdCgroupsPath&) const = default;
};
std::string format(const SystemdCgroupsPath& value);
// The unit that the runtime makes of it: "prefix-name.scope", "name.scope" without a prefix, and the name itself if it
// ends in ".slice".
std::string unit_of(const SystemdCgroupsPath& value);
// Its directory below the mounts: "/kubepods.slice/kubepods-pod1.slice/cri-abc.scope".
Result<std::string> path_of(const SystemdCgroupsPath& value);

} // namespace keelson::cgroups
