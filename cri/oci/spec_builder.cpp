#include "cri/oci/spec_builder.hpp"

#include "base/json.hpp"
#include "base/text.hpp"
#include "cri/oci/capabilities.hpp"
#include "cri/oci/container_resources.hpp"
#include "cri/oci/mount_plan.hpp"
#include "cri/oci/process_args.hpp"
#include "cri/proto/runtime_v1.pb.h"

#include <boost/json.hpp>

#include <algorithm>

namespace keelson::cri {
namespace {

using runtime::v1::LinuxContainerSecurityContext;
using runtime::v1::SecurityProfile;

constexpr std::string_view kOciVersion = "1.0.2";

const LinuxContainerSecurityContext& security(const SpecInput& input) {
  return input.container.linux().security_context();
}

template <class T>
json::array to_array(const std::vector<T>& items) {
  json::array list;
  list.reserve(items.size());
  for (const T& item : items) list.emplace_back(item);
  return list;
}

Result<> check_supported(const SpecInput& input) {
  const auto& context = security(input);
  const auto& options = context.namespace_options();
  if (options.has_userns_options() && options.userns_options().mode() == runtime::v1::POD)
    return fail(Code::unimplemented, "user namespaces are not supported; use hostUsers: true");
  if (input.container.cdi_devices_size() > 0)
    return fail(Code::unimplemented, "CDI device \"{}\": CDI devices are not supported; use plain devices",
                printable(input.container.cdi_devices(0).name(), 128));
  if (context.privileged() && !input.sandbox.linux().security_context().privileged())
    return fail(Code::invalid_argument, "a privileged container needs a privileged pod sandbox");
  if (input.rootfs.empty() || input.rootfs.front() != '/')
    return fail(Code::internal, "the root file system's path is not absolute");
  return {};
}

Result<CapabilitySets> build_capabilities(const SpecInput& input, std::vector<std::string>& warnings) {
  const auto& asked = security(input).capabilities();
  CapabilityRequest request;
  request.add.assign(asked.add_capabilities().begin(), asked.add_capabilities().end());
  request.drop.assign(asked.drop_capabilities().begin(), asked.drop_capabilities().end());
  request.ambient.assign(asked.add_ambient_capabilities().begin(), asked.add_ambient_capabilities().end());
  request.privileged = security(input).privileged();
  TRY_ASSIGN(const CapabilityGrant grant, grant_capabilities(request, input.node.bounding));
  if (!grant.missing.empty())
    warnings.push_back(fmt::format("{} cannot be granted: this node does not have it", join(grant.missing, ", ")));
  return grant.sets;
}

// A score of 1000 is killed first. Without CAP_SYS_RESOURCE nobody may go below the daemon's own least value.
Result<std::optional<int>> build_oom_score_adj(const SpecInput& input, std::vector<std::string>& warnings) {
  if (!input.container.linux().has_resources()) return std::optional<int>();
  const std::int64_t asked = input.container.linux().resources().oom_score_adj();
  if (asked < -1000 || asked > 1000)
    return fail(Code::invalid_argument, "resources.oom_score_adj {} is not between -1000 and 1000", asked);
  const int least = input.node.cap_sys_resource ? -1000 : input.node.min_oom_score_adj;
  if (asked >= least) return std::optional<int>(static_cast<int>(asked));
  warnings.push_back(fmt::format("oom_score_adj {} raised to {}: CAP_SYS_RESOURCE is missing", asked, least));
  return std::optional<int>(least);
}

Result<std::vector<Rlimit>> build_rlimits(const SpecInput& input, std::vector<std::string>& warnings) {
  std::vector<Rlimit> rlimits;
  for (Rlimit limit : input.rlimits) {
    TRY(rlimit_number(limit.type));
    if (limit.soft > limit.hard)
      return fail(Code::invalid_argument, "{}: soft limit {} is above hard limit {}", limit.type, limit.soft,
                  limit.hard);
    for (const NodeFacts::HardLimit& own : input.node.hard_limits) {
      if (input.node.cap_sys_resource || own.type != limit.type || limit.hard <= own.hard) continue;
      warnings.push_back(
          fmt::format("{} lowered from {} to {}: CAP_SYS_RESOURCE is missing", limit.type, limit.hard, own.hard));
      limit.hard = own.hard;
      limit.soft = std::min(limit.soft, own.hard);
    }
    rlimits.push_back(std::move(limit));
  }
  return rlimits;
}

Result<std::string> named_apparmor_profile(const SpecInput& input, const std::string& reference) {
  constexpr std::string_view kPrefix = "localhost/";
  const std::string name =
      reference.compare(0, kPrefix.size(), kPrefix) == 0 ? reference.substr(kPrefix.size()) : reference;
  const bool clean = std::none_of(name.begin(), name.end(), [](unsigned char c) { return c <= ' ' || c >= 0x7f; });
  if (name.empty() || name.size() > 4096 || !clean)
    return fail(Code::invalid_argument, "AppArmor profile \"{}\" is not a valid name", printable(reference, 64));
  if (!input.node.apparmor)
    return fail(Code::failed_precondition, "AppArmor profile \"{}\" is asked for, but this node has no AppArmor",
                printable(name, 64));
  return name;
}

Result<std::string> build_apparmor(const SpecInput& input) {
  const auto& context = security(input);
  if (context.has_apparmor()) {
    switch (context.apparmor().profile_type()) {
    case SecurityProfile::RuntimeDefault: // no profile of our own yet
    case SecurityProfile::Unconfined:
      return std::string();
    case SecurityProfile::Localhost:
      return named_apparmor_profile(input, context.apparmor().localhost_ref());
    default:
      return fail(Code::invalid_argument, "AppArmor profile type {} is unknown",
                  static_cast<int>(context.apparmor().profile_type()));
    }
  }
  const std::string& old = context.apparmor_profile();
  if (old.empty() || old == "runtime/default" || old == "unconfined") return std::string();
  return named_apparmor_profile(input, old);
}

// Labels mean nothing where SELinux is off, as with other runtimes. Where it is on, a container without the label that
// it asks for would be confined less, or more, than somebody relies on.
Result<> check_selinux(const SpecInput& input) {
  if (!input.node.selinux) return {};
  const auto& wanted = security(input).selinux_options();
  const auto& mounts = input.container.mounts();
  const bool labelled =
      !wanted.user().empty() || !wanted.role().empty() || !wanted.type().empty() || !wanted.level().empty();
  const bool relabelled =
      std::any_of(mounts.begin(), mounts.end(), [](const auto& mount) { return mount.selinux_relabel(); });
  if (!labelled && !relabelled) return {};
  return fail(Code::unimplemented, "SELinux is on, and this version applies no labels: leave out {}",
              labelled ? "seLinuxOptions" : "the relabelling of mounts");
}

Result<std::optional<SeccompFilter>> build_seccomp(const SpecInput& input, const CapabilitySets& capabilities,
                                                   std::vector<std::string>& warnings) {
  if (!input.seccomp) return std::optional<SeccompFilter>();
  if (!input.node.seccomp) {
    if (security(input).seccomp().profile_type() == SecurityProfile::Localhost)
      return fail(Code::failed_precondition, "a seccomp profile is asked for, but this kernel has no seccomp filters");
    warnings.emplace_back("no seccomp filter: this kernel has none");
    return std::optional<SeccompFilter>();
  }
  return std::optional<SeccompFilter>(
      resolve_seccomp(*input.seccomp, {native_seccomp_arch(), capabilities.bounding, input.node.kernel}));
}

Result<ProcessSpec> build_process(const SpecInput& input, std::vector<std::string>& warnings) {
  ProcessSpec process;
  const EnvDefaults defaults{input.hostname, input.user.home, input.container.tty()};
  TRY_ASSIGN(process.args, build_args(input.container, input.image));
  TRY_ASSIGN(process.env, build_env(input.container, input.image, defaults, warnings));
  TRY_ASSIGN(process.cwd, build_cwd(input.container, input.image));
  process.tty = input.container.tty();
  process.uid = input.user.uid;
  process.gid = input.user.gid;
  process.additional_gids = input.user.additional_gids;
  TRY_ASSIGN(process.capabilities, build_capabilities(input, warnings));
  TRY_ASSIGN(process.rlimits, build_rlimits(input, warnings));
  process.no_new_privs = security(input).no_new_privs();
  TRY(check_selinux(input));
  TRY_ASSIGN(process.apparmor_profile, build_apparmor(input));
  TRY_ASSIGN(process.oom_score_adj, build_oom_score_adj(input, warnings));
  TRY_ASSIGN(process.seccomp, build_seccomp(input, process.capabilities, warnings));
  return process;
}

json::object process_object(const ProcessSpec& process) {
  json::object user{{"uid", process.uid}, {"gid", process.gid}};
  if (!process.additional_gids.empty()) user["additionalGids"] = to_array(process.additional_gids);
  const CapabilitySets& sets = process.capabilities;
  json::object object{
      {"terminal", process.tty},
      {"user", std::move(user)},
      {"args", to_array(process.args)},
      {"env", to_array(process.env)},
      {"cwd", process.cwd},
      {"capabilities", json::object{{"bounding", to_array(capability_names(sets.bounding))},
                                    {"effective", to_array(capability_names(sets.effective))},
                                    {"inheritable", to_array(capability_names(sets.inheritable))},
                                    {"permitted", to_array(capability_names(sets.permitted))},
                                    {"ambient", to_array(capability_names(sets.ambient))}}},
      {"noNewPrivileges", process.no_new_privs},
  };
  if (!process.rlimits.empty()) {
    json::array rlimits;
    for (const Rlimit& limit : process.rlimits)
      rlimits.push_back(json::object{{"type", limit.type}, {"hard", limit.hard}, {"soft", limit.soft}});
    object["rlimits"] = std::move(rlimits);
  }
  if (!process.apparmor_profile.empty()) object["apparmorProfile"] = process.apparmor_profile;
  if (process.oom_score_adj) object["oomScoreAdj"] = *process.oom_score_adj;
  return object;
}

json::array namespaces_array(const SpecInput& input) {
  json::array namespaces;
  const auto add = [&](std::string_view type, const NamespaceSource& source) {
    if (source.kind == NamespaceSource::Kind::host) return;
    json::object entry{{"type", type}};
    if (source.kind == NamespaceSource::Kind::path) entry["path"] = source.path;
    namespaces.push_back(std::move(entry));
  };
  add("pid", input.namespaces.pid);
  add("ipc", input.namespaces.ipc);
  add("uts", input.namespaces.uts);
  add("mount", NamespaceSource::own());
  add("network", input.namespaces.network);
  if (input.node.cgroup_v2 && !security(input).privileged()) add("cgroup", NamespaceSource::own());
  return namespaces;
}

json::array devices_array(const SpecInput& input) {
  json::array devices;
  for (const HostDevice& device : input.devices)
    devices.push_back(json::object{{"path", device.container_path},
                                   {"type", std::string(1, device.type)},
                                   {"major", device.major},
                                   {"minor", device.minor},
                                   {"fileMode", device.mode & 07777U},
                                   {"uid", device.uid},
                                   {"gid", device.gid}});
  return devices;
}

Result<json::array> paths_array(const google::protobuf::RepeatedPtrField<std::string>& paths, std::string_view field) {
  json::array cleaned;
  for (const std::string& path : paths) {
    auto clean = clean_container_path(path);
    if (!clean) return Fail(std::move(clean).error().context(field));
    cleaned.emplace_back(*clean);
  }
  return cleaned;
}

Result<json::object> linux_object(const SpecInput& input, const ProcessSpec& process, const MountPlan& plan,
                                  std::vector<std::string>& warnings) {
  json::object object;
  object["cgroupsPath"] = input.cgroups_path;
  object["namespaces"] = namespaces_array(input);
  TRY_ASSIGN(object["resources"], build_resources(input, warnings));
  if (!input.devices.empty()) object["devices"] = devices_array(input);
  TRY_ASSIGN(json::array masked, paths_array(security(input).masked_paths(), "masked_paths"));
  TRY_ASSIGN(json::array readonly, paths_array(security(input).readonly_paths(), "readonly_paths"));
  if (!security(input).privileged()) {
    if (!masked.empty()) object["maskedPaths"] = std::move(masked);
    if (!readonly.empty()) object["readonlyPaths"] = std::move(readonly);
  }
  if (!plan.rootfs_propagation.empty()) object["rootfsPropagation"] = plan.rootfs_propagation;
  if (process.seccomp) {
    TRY_ASSIGN(object["seccomp"], json::parse(seccomp_filter_json(*process.seccomp)));
  }
  return object;
}

json::array mounts_array(const MountPlan& plan) {
  json::array mounts;
  for (const OciMount& mount : plan.mounts)
    mounts.push_back(json::object{{"destination", mount.destination},
                                  {"type", mount.type},
                                  {"source", mount.source},
                                  {"options", to_array(mount.options)}});
  return mounts;
}

// Only what Keelson itself knows, under names of its own, for people who look at a bundle.
json::object annotations_object(const SpecInput& input) {
  return {{"dev.keelson.container.id", input.container_id}, {"dev.keelson.sandbox.id", input.sandbox_id}};
}

} // namespace

Result<BuiltSpec> build_spec(const SpecInput& input) {
  TRY(check_supported(input));
  BuiltSpec built;
  TRY_ASSIGN(built.process, build_process(input, built.warnings));
  TRY_ASSIGN(const MountPlan plan, plan_mounts(input));
  for (const OciMount& mount : plan.mounts)
    built.mounts.push_back({mount.destination, true, mount.type == "bind" ? mount.source : std::string()});
  json::object config;
  config["ociVersion"] = kOciVersion;
  config["process"] = process_object(built.process);
  config["root"] = json::object{{"path", input.rootfs}, {"readonly", security(input).readonly_rootfs()}};
  config["mounts"] = mounts_array(plan);
  config["annotations"] = annotations_object(input);
  TRY_ASSIGN(config["linux"], linux_object(input, built.process, plan, built.warnings));
  built.config_json = json::to_text(config);
  return built;
}

std::vector<std::string> default_masked_paths(unsigned cpus) {
  std::vector<std::string> paths = {"/proc/asound",     "/proc/acpi",        "/proc/interrupts",
                                    "/proc/kcore",      "/proc/keys",        "/proc/latency_stats",
                                    "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
                                    "/proc/scsi",       "/sys/firmware",     "/sys/devices/virtual/powercap"};
  for (unsigned cpu = 0; cpu < cpus; ++cpu)
    paths.push_back(fmt::format("/sys/devices/system/cpu/cpu{}/thermal_throttle", cpu));
  return paths;
}

std::vector<std::string> default_readonly_paths() {
  return {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
}

} // namespace keelson::cri
