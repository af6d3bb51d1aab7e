// CNI where its directory holds a configuration, the built-in bridge where it holds none. A configuration that is
// installed later counts from the next pod on; pods keep the network that they were attached to.
#pragma once

#include "netns/bridge_network.hpp"
#include "netns/cni_network.hpp"

#include <memory>

namespace keelson::netns {

class AutoNetwork final : public PodNetwork {
 public:
  // The bridge is made when a pod first needs it, or if an earlier run left pods on it.
  static Result<std::unique_ptr<AutoNetwork>> open(const CniConfig& cni, BridgeConfig bridge);
  ~AutoNetwork() override;

  CniNetwork& cni();
  BridgeNetwork* bridge(); // nullptr: not made yet

  Result<PodAddresses> attach(const AttachRequest& request) override;
  Result<> detach(const DetachRequest& request) override;
  Result<PodAddresses> check(const std::string& sandbox_id, const std::string& netns_path) override;
  NetworkStatus status() override;
  Result<> reconcile(const std::vector<std::string>& live_sandbox_ids) override;

 private:
  struct State;
  explicit AutoNetwork(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

} // namespace keelson::netns
