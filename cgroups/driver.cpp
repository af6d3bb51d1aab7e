#include "cgroups/driver.hpp"

#include "base/text.hpp"

namespace keelson::cgroups {
namespace {

constexpr std::string_view kScopePrefix = "keelson";

class CgroupfsDriver final : public Driver {
 public:
  explicit CgroupfsDriver(const Hierarchy& hierarchy)
      : Driver(hierarchy) {}
  DriverKind kind() const override { return DriverKind::cgroupfs; }
  Result<std::string> path_of(const GroupName& name) const override { return name.cgroupfs_path(); }
  Result<std::string> container_path(const GroupName& parent, std::string_view id) const override {
    TRY_ASSIGN(const GroupName name, parent.child(std::string(id)));
    return name.cgroupfs_path();
  }
  Result<std::string> runtime_path(const GroupName& parent, std::string_view id) const override {
    return container_path(parent, id);
  }
  Result<Group> create(const GroupName& name) const override { return Group::create(hierarchy_, name.cgroupfs_path()); }
  Result<> remove(const GroupName& name, Deadline deadline) const override {
    return Group::remove(hierarchy_, name.cgroupfs_path(), deadline);
  }
};

class SystemdDriver final : public Driver {
 public:
  explicit SystemdDriver(const Hierarchy& hierarchy)
      : Driver(hierarchy) {}
  DriverKind kind() const override { return DriverKind::systemd; }
  Result<std::string> path_of(const GroupName& name) const override {
    TRY_ASSIGN(const std::string slice, slice_of(name));
    return slice_path(slice);
  }
  Result<std::string> container_path(const GroupName& parent, std::string_view id) const override {
    TRY_ASSIGN(const auto scope, scope_of(parent, id));
    return cgroups::path_of(scope);
  }
  Result<std::string> runtime_path(const GroupName& parent, std::string_view id) const override {
    TRY_ASSIGN(const auto scope, scope_of(parent, id));
    return format(scope);
  }
  Result<Group> create(const GroupName& name) const override { return not_yet("create", name); }
  Result<> remove(const GroupName& name, Deadline) const override { return not_yet("remove", name); }

 private:
  static Result<SystemdCgroupsPath> scope_of(const GroupName& parent, std::string_view id) {
    TRY_ASSIGN(const std::string slice, slice_of(parent));
    return SystemdCgroupsPath::parse(fmt::format("{}:{}:{}", slice, kScopePrefix, id));
  }
  static Fail not_yet(std::string_view verb, const GroupName& name) {
    return fail(Code::unimplemented,
                "cannot {} {}: the systemd cgroup driver is not there yet, use cgroupDriver cgroupfs", verb,
                name.cgroupfs_path());
  }
};

} // namespace

std::string_view to_string(DriverKind kind) {
  return kind == DriverKind::cgroupfs ? "cgroupfs" : "systemd";
}

Result<DriverKind> parse_driver_kind(std::string_view text) {
  if (text == "cgroupfs") return DriverKind::cgroupfs;
  if (text == "systemd") return DriverKind::systemd;
  return fail(Code::invalid_argument, "\"{}\" is not a cgroup driver: cgroupfs or systemd", printable(text, 40));
}

Result<Group> Driver::open(const GroupName& name) const {
  TRY_ASSIGN(const std::string path, path_of(name));
  return Group::open(hierarchy_, path);
}

Result<bool> Driver::exists(const GroupName& name) const {
  TRY_ASSIGN(const std::string path, path_of(name));
  return Group::exists(hierarchy_, path);
}

std::unique_ptr<Driver> make_driver(DriverKind kind, const Hierarchy& hierarchy) {
  if (kind == DriverKind::systemd) return std::make_unique<SystemdDriver>(hierarchy);
  return std::make_unique<CgroupfsDriver>(hierarchy);
}

} // namespace keelson::cgroups
