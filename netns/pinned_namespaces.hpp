// The namespaces of a sandbox, kept alive by bind mounts of their nsfs files instead of a process:
//
//   <dir>/net   <dir>/ipc   <dir>/uts      (each only if the pod does not share the host's)
//
// They outlive the daemon. <dir> exists, belongs to one sandbox, and lies on a mount with private propagation (see
// make_private_mount), so that no other mount namespace receives copies that would keep the namespaces busy.
// Everything here needs root (CAP_SYS_ADMIN), blocks, and may be called from any thread; calls for one directory are
// the caller's to serialise.
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "netns/sysctl.hpp"

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace keelson::netns {

enum class NamespaceKind { net, ipc, uts };
std::string_view to_string(NamespaceKind kind); // also the name of the file

// Device and inode number of the nsfs file: equal for two processes exactly if they share the namespace.
struct NamespaceId {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const NamespaceId&) const = default;
};

struct NamespaceSpec {
  bool net = true; // false: the sandbox uses the host's
  bool ipc = true;
  bool uts = true;
  std::string hostname;        // for the new UTS namespace; empty: the host's name is inherited
  std::vector<Sysctl> sysctls; // results of validate_sysctl
};

// Descriptors of the namespaces that are the sandbox's own; empty ones are the host's. The mounts do not depend on
// them.
struct PinnedNamespaces {
  UniqueFd net;
  UniqueFd ipc;
  UniqueFd uts;
};

// Creates the namespaces on a thread of their own, sets the host name, brings loopback up, applies the parameters and
// pins. On an error nothing stays mounted. already_exists if something is pinned there.
Result<PinnedNamespaces> create_pinned_namespaces(const std::string& dir, const NamespaceSpec& spec);

// Opens what is pinned, for example after a restart of the daemon. not_found if nothing is.
Result<PinnedNamespaces> open_pinned_namespaces(const std::string& dir);

// Opens one. not_found if it is not pinned, also if a plain file of a create that died half-way is there.
Result<UniqueFd> open_pinned_namespace(const std::string& dir, NamespaceKind kind);

struct PinnedNamespace {
  NamespaceKind kind;
  NamespaceId id;
  std::string path;
};
Result<std::vector<PinnedNamespace>> list_pinned_namespaces(const std::string& dir);

// Unmounts (detached) and removes the files, also those of a create that died half-way. Succeeds if nothing is there,
// or if the directory is gone. The kernel frees a network namespace asynchronously, after the last user has left.
Result<> unpin_namespaces(const std::string& dir);

Result<NamespaceId> namespace_id(int namespace_fd);
std::string namespace_path(const std::string& dir, NamespaceKind kind);

// Makes dir a mount point of its own with private propagation. Succeeds if it is one already.
Result<> make_private_mount(const std::string& dir);

} // namespace keelson::netns
