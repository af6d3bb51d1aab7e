// Who makes groups: this process in the file system, or systemd on request. Chosen once at start.
#pragma once

#include "base/error.hpp"
#include "base/time.hpp"
#include "cgroups/group.hpp"
#include "cgroups/group_name.hpp"
#include "cgroups/hierarchy.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace keelson::cgroups {

enum class DriverKind { cgroupfs, systemd };
std::string_view to_string(DriverKind kind);
Result<DriverKind> parse_driver_kind(std::string_view text);

// Any thread. Calls block.
class Driver {
 public:
  virtual ~Driver() = default;
  virtual DriverKind kind() const = 0;

  // The group's directory below the mounts: "/kubepods/burstable", "/kubepods.slice/kubepods-burstable.slice".
  virtual Result<std::string> path_of(const GroupName& name) const = 0;
  // The directory of a container's own group, which the OCI runtime makes, and the name that the runtime wants for it
  // (linux.cgroupsPath): "/kubepods/pod1/<id>", or "kubepods-pod1.slice:keelson:<id>" with systemd.
  virtual Result<std::string> container_path(const GroupName& parent, std::string_view id) const = 0;
  virtual Result<std::string> runtime_path(const GroupName& parent, std::string_view id) const = 0;

  // As Group's functions of the same names. The systemd driver answers unimplemented to create and remove for now.
  virtual Result<Group> create(const GroupName& name) const = 0;
  virtual Result<> remove(const GroupName& name, Deadline deadline) const = 0;
  Result<Group> open(const GroupName& name) const;
  Result<bool> exists(const GroupName& name) const;

 protected:
  explicit Driver(const Hierarchy& hierarchy)
      : hierarchy_(hierarchy) {}
  const Hierarchy& hierarchy_;
};

// The hierarchy must outlive the driver.
std::unique_ptr<Driver> make_driver(DriverKind kind, const Hierarchy& hierarchy);

} // namespace keelson::cgroups
