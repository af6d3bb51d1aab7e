// The OCI runtime spec (config.json, runtime-spec 1.0.2 as runc 1.1 and crun 1.8 read it) of a container, from what CRI
// asks and what the image says. Pure: everything that needs a system call is resolved before and comes in SpecInput.
//
// Image values are hostile: they decide command, environment, working directory and user, and nothing else. No label or
// annotation of a pod or an image reaches config.json: runtimes act on some (CVE-2024-3154, CVE-2026-53488).
#pragma once

#include "cri/images/image_config.hpp"
#include "cri/oci/container_user.hpp"
#include "cri/oci/devices.hpp"
#include "cri/oci/node_facts.hpp"
#include "cri/oci/process_spec.hpp"
#include "cri/oci/runtime_version.hpp"

#include <memory>
#include <string>
#include <vector>

namespace runtime::v1 {
class ContainerConfig;
class PodSandboxConfig;
} // namespace runtime::v1

namespace keelson::cri {

// own: a new namespace; host: the runtime's own one; path: joined, such as a pinned one or /proc/PID/ns/pid of a
// target.
struct NamespaceSource {
  enum class Kind { own, host, path };
  Kind kind = Kind::own;
  std::string path;

  static NamespaceSource own() { return {}; }
  static NamespaceSource host() { return {Kind::host, {}}; }
  static NamespaceSource at(std::string p) { return {Kind::path, std::move(p)}; }
};

struct ContainerNamespaces {
  NamespaceSource network;
  NamespaceSource ipc;
  NamespaceSource uts;
  NamespaceSource pid;
};

// Host paths that are mounted into the container; an empty one is left out.
struct GeneratedPaths {
  std::string hosts;
  std::string hostname;
  std::string resolv_conf;
  std::string shm; // directory of the sandbox' /dev/shm
};

struct SpecInput {
  const runtime::v1::ContainerConfig& container;
  const runtime::v1::PodSandboxConfig& sandbox;
  const ImageConfig& image;
  const NodeFacts& node;
  const RuntimeFeatures& runtime;

  std::string container_id;
  std::string sandbox_id;
  std::string rootfs;       // absolute
  std::string cgroups_path; // linux.cgroupsPath as the cgroup driver wants it
  std::string hostname;     // value of HOSTNAME: the sandbox' or the node's
  ResolvedUser user;        // of resolve_user()
  ContainerNamespaces namespaces;
  GeneratedPaths generated;
  std::vector<HostDevice> devices;               // of resolve_devices()
  std::vector<std::string> mount_sources;        // of resolve_mount_sources()
  std::shared_ptr<const SeccompProfile> seccomp; // of SeccompStore::choose(); null: unconfined
  std::vector<Rlimit> rlimits;                   // the daemon's defaults; clamped to the node's
  std::int64_t pids_limit = 0;                   // 0: none
};

struct MountTarget {
  std::string destination; // clean, absolute, in the container
  bool directory = true;   // as far as the builder knows; the source decides for bind mounts
  std::string source;      // host path of a bind mount, else empty
};

struct BuiltSpec {
  std::string config_json;
  ProcessSpec process;
  std::vector<MountTarget> mounts;   // in the order of config.json: input of prepare_rootfs()
  std::vector<std::string> warnings; // what was clamped or ignored, and why
};

// invalid_argument, unimplemented and failed_precondition name the field and say what to do.
Result<BuiltSpec> build_spec(const SpecInput& input);

// What kubelet sends for procMount Default; for containers of static pods, whose caller is Keelson itself. cpus: how
// many the node has; thermal counters of each are hidden.
std::vector<std::string> default_masked_paths(unsigned cpus);
std::vector<std::string> default_readonly_paths();

} // namespace keelson::cri
