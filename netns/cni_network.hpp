// Pod network by CNI plug-ins (specification 0.3.1 to 1.1.0). The first configuration of the directory in lexical order
// is used (.conf, .conflist, .json), as by containerd and CRI-O. Loopback is brought up by create_pinned_namespaces.
//
// On disk, below Config::cache_dir: <sandbox id>, JSON: the configuration that ADD used, its arguments and its result,
// so that DEL and CHECK after a restart, or after the directory has changed, get what ADD had.
#pragma once

#include "netns/pod_network.hpp"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace keelson::netns {

struct CniConfig {
  std::string config_dir = "/etc/cni/net.d";
  std::vector<std::string> plugin_dirs = {"/opt/cni/bin", "/usr/lib/cni"};
  std::string cache_dir; // <root>/node/cni
  std::string interface = kPodInterface;
  std::chrono::seconds plugin_timeout{60}; // of one plug-in call; then its process group is killed
};

// Each plug-in call is a process; no lock is held meanwhile.
class CniNetwork final : public PodNetwork {
 public:
  // A missing or empty directory is no error: status() is not ready until reload() finds a configuration.
  static Result<std::unique_ptr<CniNetwork>> open(const CniConfig& config);
  ~CniNetwork() override;

  // Reads the directory again; call it on inotify events. An error keeps the last good configuration, is shown by
  // status().
  Result<> reload();
  bool has_configuration() const; // a usable one is loaded
  std::string network_name() const;

  Result<PodAddresses> attach(const AttachRequest& request) override;
  Result<> detach(const DetachRequest& request) override;
  Result<PodAddresses> check(const std::string& sandbox_id, const std::string& netns_path) override;
  NetworkStatus status() override;
  Result<> reconcile(const std::vector<std::string>& live_sandbox_ids) override;

 private:
  struct State;
  explicit CniNetwork(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

} // namespace keelson::netns
