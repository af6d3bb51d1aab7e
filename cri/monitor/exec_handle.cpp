#include "cri/monitor/exec_handle.hpp"

#include <poll.h>

#include <cerrno>

namespace keelson::cri {

using monitor::ExecExited;
using monitor::Type;

ExecHandle::ExecHandle(std::unique_ptr<State> state)
    : state_(std::move(state)) {}
ExecHandle::ExecHandle(ExecHandle&&) noexcept = default;
ExecHandle& ExecHandle::operator=(ExecHandle&&) noexcept = default;
ExecHandle::~ExecHandle() = default;

pid_t ExecHandle::pid() const {
  return static_cast<pid_t>(state_->started.pid);
}

int ExecHandle::terminal() const {
  return state_->terminal.get();
}

UniqueFd ExecHandle::release_terminal() {
  return std::move(state_->terminal);
}

int ExecHandle::exit_fd() const {
  return state_->socket.fd();
}

Result<ExecExited> ExecHandle::wait(Deadline deadline) {
  while (!state_->exited) {
    TRY_ASSIGN(const monitor::ReceivedFrame frame, state_->socket.receive(deadline));
    if (frame.header.type != Type::exec_exited) continue;
    TRY_ASSIGN(state_->exited, monitor::decode<ExecExited>(frame.payload));
  }
  return *state_->exited;
}

// On a connection of its own: replies and the end of the exec would meet on the exec's.
Result<> ExecHandle::signal(int signal) {
  TRY_ASSIGN(monitor::FrameSocket socket, monitor::FrameSocket::connect(state_->socket_path));
  const monitor::SignalExecRequest request{state_->started.exec_id, static_cast<std::uint64_t>(signal)};
  TRY(socket.call<monitor::Empty>(Type::signal_exec, request, Type::done, Deadline::after(std::chrono::seconds(10))));
  return {};
}

} // namespace keelson::cri
