#include "base/text.hpp"
#include "daemon/pods/pod_worker.hpp"
#include "daemon/pods/probe_settings.hpp"
#include "health/prober.hpp"

#include <algorithm>
#include <thread>

namespace keelson::daemon {

namespace {

constexpr std::chrono::milliseconds kStep{100};

} // namespace

// Blocks until the hook has ended, at most for the timeout.
Result<> PodWorker::run_hook(const api::Container& container, const api::LifecycleHandler& hook, const std::string& id,
                             const std::string& address, std::chrono::nanoseconds timeout) {
  if (hook.exec) {
    TRY_ASSIGN(const ExecAnswer answer,
               context_.runtime.exec(id, hook.exec->command, std::chrono::ceil<std::chrono::milliseconds>(timeout)));
    if (answer.exit_code == 0) return {};
    return fail(Code::unknown, "command {} exited with {}: {}",
                printable(fmt::format("{}", fmt::join(hook.exec->command, " "))), answer.exit_code,
                printable(answer.output));
  }
  if (hook.http_get) {
    TRY_ASSIGN(health::HttpAction action, http_action(container, *hook.http_get, address));
    const auto outcome = context_.prober.run(action, timeout);
    if (outcome.answered) return {}; // as in kubelet, a hook's answer is not judged
    return fail(Code::unknown, "{}", printable(outcome.message, 1024));
  }
  if (hook.sleep) {
    // In steps, so that an agent that ends is not held up.
    const SteadyTime until =
        context_.clock.now() + std::min<std::chrono::nanoseconds>(std::chrono::seconds(hook.sleep->seconds), timeout);
    while (context_.clock.now() < until && !context_.ending) std::this_thread::sleep_for(kStep);
  }
  return {};
}

} // namespace keelson::daemon
