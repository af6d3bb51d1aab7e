#include "base/process.hpp"
#include "base/text.hpp"
#include "cri/server/runtime_state.hpp"

#include <algorithm>

namespace keelson::cri {

namespace {

Result<std::shared_ptr<Container>> running_container(Runtime::State& state, const std::string& id) {
  TRY_ASSIGN(const auto container, state.containers.find(id));
  if (container->current_phase() == ContainerPhase::running) return container;
  return fail(Code::failed_precondition, "container {} is {}: commands run only in a running one", container->id,
              to_string(container->current_phase()));
}

// A runtime whose containers are not plain namespaces runs the command itself.
Result<ExecOutput> exec_by_runtime(const OciRuntime& runtime, const std::string& id,
                                   const std::vector<std::string>& argv, std::chrono::milliseconds timeout,
                                   std::size_t max_output) {
  SpawnOptions options;
  options.argv = runtime.exec_args(id, argv);
  RunLimits limits;
  limits.max_output = max_output;
  limits.deadline = timeout.count() > 0 ? Deadline::after(timeout) : Deadline::never();
  auto output = run_command(std::move(options), limits);
  if (!output && output.error().code == Code::deadline_exceeded) return ExecOutput{-1, true, {}, {}};
  if (!output) return Fail(std::move(output).error());
  return ExecOutput{output->status.code(), false, std::move(output->out), std::move(output->err)};
}

} // namespace

Result<v1::ExecSyncResponse> Runtime::exec_sync(const v1::ExecSyncRequest& request) {
  if (request.timeout() < 0) return fail(Code::invalid_argument, "timeout {} is negative", request.timeout());
  const std::int64_t seconds = std::min<std::int64_t>(request.timeout(), 365 * 24 * 3600);
  return exec_sync(request.container_id(), {request.cmd().begin(), request.cmd().end()}, std::chrono::seconds(seconds));
}

Result<v1::ExecSyncResponse> Runtime::exec_sync(const std::string& container_id, const std::vector<std::string>& argv,
                                                std::chrono::milliseconds timeout, std::size_t max_output) {
  if (argv.empty()) return fail(Code::invalid_argument, "cmd is empty");
  TRY_ASSIGN(const auto container, running_container(*state_, container_id));
  TRY_ASSIGN(const OciRuntime* runtime, state_->handler(container->handler));
  ExecOutput output;
  if (runtime->options().plain_namespaces) {
    TRY_ASSIGN(const auto sandbox, state_->sandboxes.find(container->sandbox_id));
    const auto monitor = sandbox->current_monitor();
    if (monitor == nullptr) return fail(Code::unavailable, "the monitor of sandbox {} is gone", sandbox->id);
    TRY_ASSIGN(const monitor::ExecRequest request, state_->exec_request(*container, argv, timeout));
    auto done = monitor->exec_sync(request, max_output);
    if (!done) {
      Error error = std::move(done).error();
      if (error.code == Code::not_found) error.code = Code::failed_precondition; // the program; the container is there
      return Fail(std::move(error));
    }
    output = std::move(*done);
  } else {
    TRY_ASSIGN(output, exec_by_runtime(*runtime, container->id, argv, timeout, max_output));
  }
  if (output.timed_out)
    return fail(Code::deadline_exceeded, "command {} in container {} timed out after {} s and was killed",
                printable(argv.front()), container->id, std::chrono::duration<double>(timeout).count());
  v1::ExecSyncResponse response;
  response.set_stdout(std::move(output.out));
  response.set_stderr(std::move(output.err));
  response.set_exit_code(output.exit_code);
  return response;
}

} // namespace keelson::cri
