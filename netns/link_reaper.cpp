#include "netns/link_reaper.hpp"

#include "netns/links.hpp"

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>

namespace keelson::netns {
namespace {

// Shared by the caller and the worker, whoever is last.
struct Removal {
  std::mutex mutex; // guards result
  std::condition_variable done;
  std::optional<Result<>> result;
};

Result<> remove_in_own_socket(const std::string& name) {
  TRY_ASSIGN(RouteSocket socket, RouteSocket::open());
  return delete_link(socket, name);
}

} // namespace

Result<> LinkReaper::remove(const std::string& name, const std::function<Result<bool>()>& is_gone) {
  auto removal = std::make_shared<Removal>();
  pool_.post([removal, name] {
    auto result = remove_in_own_socket(name);
    const std::lock_guard lock(removal->mutex);
    removal->result = std::move(result);
    removal->done.notify_all();
  });
  // The question waits in the kernel for the same lock as the removal, so it is rarely asked twice.
  for (;;) {
    TRY_ASSIGN(const bool gone, is_gone());
    if (gone) return {};
    std::unique_lock lock(removal->mutex);
    removal->done.wait_for(lock, std::chrono::microseconds(200), [&removal] { return removal->result.has_value(); });
    if (removal->result) return std::move(*removal->result);
  }
}

} // namespace keelson::netns
