// A container runtime in memory: containers run until they are stopped or told to exit.
#pragma once

#include "daemon/pods/pod_runtime.hpp"

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace keelson::daemon::test {

class FakeRuntime final : public PodRuntime {
 public:
  FakeRuntime();
  ~FakeRuntime() override;

  Result<PodRecord> observe(const std::string& uid) override;
  Result<std::vector<PodRecord>> list(const std::string& agent) override;
  Result<std::vector<std::string>> sandbox_uids() override;
  Result<std::string> run_sandbox(const ::runtime::v1::PodSandboxConfig& config, const std::string& handler) override;
  Result<> stop_sandbox(const std::string& id) override;
  Result<> remove_sandbox(const std::string& id) override;
  Result<std::string> create_container(const std::string& sandbox_id,
                                       const ::runtime::v1::ContainerConfig& config) override;
  Result<> start_container(const std::string& id) override;
  Result<> stop_container(const std::string& id, std::chrono::seconds grace) override;
  Result<> remove_container(const std::string& id) override;
  Result<ExecAnswer> exec(const std::string& id, const std::vector<std::string>& argv,
                          std::chrono::milliseconds timeout) override;
  Result<std::optional<ImageFacts>> image(const std::string& reference) override;
  Result<> pull(const std::string& reference, std::stop_token cancel) override;
  void listen(std::function<void(const std::string& uid)> on_change) override;

  // For the test.
  void exit(const std::string& container, int code); // the newest instance of that name
  std::vector<std::string> calls() const;            // "start web#0", "stop web#0 30", "exec web#0 /bin/true"
  std::size_t count(const std::string& call) const;
  std::size_t sandboxes() const;
  void set_exec_answer(int code);
  void set_pullable(const std::string& reference, bool pullable);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

} // namespace keelson::daemon::test
