// Where the runtime keeps its state. <state> is a tmpfs such as /run/keelson, so that a reboot leaves no record of what
// it ended; <root> is on disk.
//
//   <state>/sandboxes/<id>/record          what was asked, what came of it (JSON, written atomically)
//   <state>/sandboxes/<id>/cgroup          path of the pod's cgroup, if it is ours to remove
//   <state>/sandboxes/<id>/ns/{net,ipc,uts,pid}   pinned namespaces
//   <state>/sandboxes/<id>/etc/{hosts,hostname,resolv.conf}   on a small tmpfs: containers can write to them
//   <state>/sandboxes/<id>/shm/    a tmpfs, the pod's /dev/shm
//   <state>/sandboxes/<id>/monitor.{sock,pid}
//   <state>/containers/<id>/record
//   <state>/containers/<id>/config.json    the OCI spec
//   <state>/containers/<id>/rootfs/        the mounted root file system
//   <state>/containers/<id>/images/<n>/    images that are mounted as volumes, by index of the mount
//   <state>/containers/<id>/exit           written by the monitor
//   <state>/runtimes/<handler>/<id>/       the OCI runtime's own state
//   <root>/volumes/<id>/<n>/             content of the image's volumes
#pragma once

#include <string>

namespace keelson::cri {

struct StatePaths {
  std::string root;
  std::string state;

  std::string sandboxes() const { return state + "/sandboxes"; }
  std::string sandbox(const std::string& id) const { return sandboxes() + "/" + id; }
  std::string owned_cgroup(const std::string& id) const { return sandbox(id) + "/cgroup"; }
  std::string namespaces(const std::string& id) const { return sandbox(id) + "/ns"; }
  std::string etc(const std::string& id) const { return sandbox(id) + "/etc"; }
  std::string shm(const std::string& id) const { return sandbox(id) + "/shm"; }

  std::string containers() const { return state + "/containers"; }
  std::string container(const std::string& id) const { return containers() + "/" + id; }
  std::string rootfs(const std::string& id) const { return container(id) + "/rootfs"; }
  std::string mounted_images(const std::string& id) const { return container(id) + "/images"; }
  std::string exit_record(const std::string& id) const { return container(id) + "/exit"; }

  std::string runtime_root(const std::string& handler) const { return state + "/runtimes/" + handler; }
  std::string image_volumes(const std::string& id) const { return root + "/volumes/" + id; }
};

} // namespace keelson::cri
