#include "netns/auto_network.hpp"

#include "base/file.hpp"

#include <mutex>

namespace keelson::netns {

struct AutoNetwork::State {
  State(std::unique_ptr<CniNetwork> c, BridgeConfig b)
      : cni(std::move(c))
      , bridge_config(std::move(b)) {}

  Result<BridgeNetwork*> make_bridge();

  std::unique_ptr<CniNetwork> cni;
  BridgeConfig bridge_config;
  std::mutex mutex; // guards bridge: set once
  std::unique_ptr<BridgeNetwork> bridge;
};

Result<BridgeNetwork*> AutoNetwork::State::make_bridge() {
  const std::lock_guard lock(mutex);
  if (bridge == nullptr) {
    TRY_ASSIGN(bridge, BridgeNetwork::open(bridge_config));
  }
  return bridge.get();
}

AutoNetwork::AutoNetwork(std::unique_ptr<State> state)
    : state_(std::move(state)) {}
AutoNetwork::~AutoNetwork() = default;

Result<std::unique_ptr<AutoNetwork>> AutoNetwork::open(const CniConfig& cni, BridgeConfig bridge) {
  TRY_ASSIGN(auto cni_network, CniNetwork::open(cni));
  const auto attached = list_dir(bridge.state_dir + "/attachments");
  auto state = std::make_unique<State>(std::move(cni_network), std::move(bridge));
  if (!state->cni->has_configuration() || (attached && !attached->empty())) TRY(state->make_bridge());
  return std::unique_ptr<AutoNetwork>(new AutoNetwork(std::move(state)));
}

CniNetwork& AutoNetwork::cni() {
  return *state_->cni;
}

BridgeNetwork* AutoNetwork::bridge() {
  const std::lock_guard lock(state_->mutex);
  return state_->bridge.get();
}

Result<PodAddresses> AutoNetwork::attach(const AttachRequest& request) {
  if (state_->cni->has_configuration()) return state_->cni->attach(request);
  TRY_ASSIGN(BridgeNetwork * bridge, state_->make_bridge());
  return bridge->attach(request);
}

// Neither minds a sandbox that it never attached.
Result<> AutoNetwork::detach(const DetachRequest& request) {
  if (BridgeNetwork* made = bridge()) TRY(made->detach(request));
  return state_->cni->detach(request);
}

Result<PodAddresses> AutoNetwork::check(const std::string& sandbox_id, const std::string& netns_path) {
  if (BridgeNetwork* made = bridge()) {
    auto addresses = made->check(sandbox_id, netns_path);
    if (addresses || addresses.error().code != Code::not_found) return addresses;
  }
  return state_->cni->check(sandbox_id, netns_path);
}

NetworkStatus AutoNetwork::status() {
  if (state_->cni->has_configuration()) return state_->cni->status();
  const auto made = state_->make_bridge();
  return made ? (*made)->status() : NetworkStatus{false, made.error().message};
}

Result<> AutoNetwork::reconcile(const std::vector<std::string>& live_sandbox_ids) {
  if (BridgeNetwork* made = bridge()) TRY(made->reconcile(live_sandbox_ids));
  return state_->cni->reconcile(live_sandbox_ids);
}

} // namespace keelson::netns
