#include "cri/monitor/monitor_client.hpp"

#include "base/file.hpp"
#include "base/log.hpp"
#include "base/unix_socket.hpp"
#include "cri/monitor/exec_handle.hpp"
#include "cri/monitor/frame_socket.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <mutex>

namespace keelson::cri {

using monitor::FrameSocket;
using monitor::ReceivedFrame;
using monitor::Type;

namespace {

constexpr std::size_t kIdleConnections = 2;

std::string socket_path_in(const std::string& dir) {
  return dir + "/monitor.sock";
}

std::vector<std::string> monitor_command(const MonitorClient::StartOptions& options, int program_fd, int socket_fd) {
  std::vector<std::string> argv;
  argv.push_back(program_fd >= 0 ? fmt::format("/proc/self/fd/{}", program_fd) : options.binary);
  for (const std::string& argument :
       {std::string("--detach"), std::string("--dir"), options.dir, std::string("--socket-fd"),
        fmt::format("{}", socket_fd), std::string("--log-level"), options.log_level})
    argv.push_back(argument);
  if (!options.log_file.empty()) {
    argv.push_back("--log-file");
    argv.push_back(options.log_file);
  }
  return argv;
}

} // namespace

struct MonitorClient::State {
  State(std::string dir, FrameSocket event_socket, Loop& event_loop, Events handlers)
      : socket_path(socket_path_in(dir))
      , events(std::move(event_socket))
      , loop(event_loop)
      , callbacks(std::move(handlers)) {}
  ~State() {
    if (watch != 0) loop.unwatch(watch);
  }

  Result<FrameSocket> take_socket() {
    const std::lock_guard lock(mutex);
    if (idle.empty()) return FrameSocket::connect(socket_path);
    FrameSocket socket = std::move(idle.back());
    idle.pop_back();
    return socket;
  }
  void give_back(FrameSocket socket) {
    const std::lock_guard lock(mutex);
    if (idle.size() < kIdleConnections) idle.push_back(std::move(socket));
  }

  // A socket goes back only after a complete exchange: after a timeout its reply may still come.
  template <class Reply, class Request>
  Result<Reply> call(Type type, const Request& request, Type reply_type, Deadline deadline) {
    TRY_ASSIGN(FrameSocket socket, take_socket());
    auto reply = socket.call<Reply>(type, request, reply_type, deadline);
    const bool clean = reply || (reply.error().code != Code::deadline_exceeded &&
                                 reply.error().code != Code::unavailable && reply.error().code != Code::internal);
    if (clean) give_back(std::move(socket));
    return reply;
  }

  Result<> done(Type type, const auto& request, Deadline deadline) {
    TRY(call<monitor::Empty>(type, request, Type::done, deadline));
    return {};
  }

  void on_events();
  void deliver(const ReceivedFrame& frame);

  const std::string socket_path;
  FrameSocket events; // the loop's thread only, once it is watched
  Loop& loop;
  Events callbacks;
  Loop::Id watch = 0;
  monitor::HelloReply hello;
  std::mutex mutex; // guards idle
  std::vector<FrameSocket> idle;
};

void MonitorClient::State::deliver(const ReceivedFrame& frame) {
  switch (frame.header.type) {
  case Type::container_exited:
    if (const auto event = monitor::decode<monitor::ContainerExited>(frame.payload);
        event && callbacks.container_exited)
      callbacks.container_exited(*event);
    break;
  case Type::container_oom:
    if (const auto event = monitor::decode<monitor::ContainerOom>(frame.payload); event && callbacks.container_oom)
      callbacks.container_oom(*event);
    break;
  case Type::infra_exited:
    if (callbacks.infra_exited) callbacks.infra_exited();
    break;
  default:
    break; // of a newer monitor
  }
}

void MonitorClient::State::on_events() {
  while (watch != 0) {
    const auto frame = events.try_receive();
    if (!frame) {
      loop.unwatch(watch);
      watch = 0;
      if (frame.error().code != Code::unavailable) log::error("monitor {}: {}", socket_path, frame.error().message);
      if (callbacks.monitor_died) callbacks.monitor_died();
      return;
    }
    if (!frame->has_value()) return;
    deliver(**frame);
  }
}

MonitorClient::MonitorClient(std::shared_ptr<State> state)
    : state_(std::move(state)) {}
MonitorClient::MonitorClient(MonitorClient&&) noexcept = default;
MonitorClient& MonitorClient::operator=(MonitorClient&&) noexcept = default;
MonitorClient::~MonitorClient() = default;

Result<MonitorClient> MonitorClient::start(const StartOptions& options, Loop& loop, Events events, Deadline deadline) {
  // The socket listens before the monitor exists: the first request waits in it, and nobody waits for readiness.
  TRY_ASSIGN(const UniqueFd listener, listen_unix(socket_path_in(options.dir), 0600, SOCK_NONBLOCK));
  constexpr int kSocketFd = 3;
  constexpr int kProgramFd = 4;
  SpawnOptions spawn_options;
  spawn_options.env = std::vector<std::string>{};
  spawn_options.cwd = "/";
  spawn_options.new_session = true;
  spawn_options.inherit.emplace_back(listener.get(), kSocketFd);
  if (options.binary_fd >= 0) spawn_options.inherit.emplace_back(options.binary_fd, kProgramFd);
  spawn_options.argv = monitor_command(options, options.binary_fd >= 0 ? kProgramFd : -1, kSocketFd);
  TRY_ASSIGN(Child child, options.spawn(spawn_options));
  TRY_ASSIGN(const ExitStatus status, child.wait(deadline)); // the half that detaches ends at once
  if (!status.success())
    return fail(Code::internal, "start keelson-monitor: it ended with status {}; see {}", status.code(),
                options.log_file.empty() ? "its log (none is configured)" : options.log_file);
  return connect(options.dir, loop, std::move(events), deadline);
}

Result<MonitorClient> MonitorClient::connect(const std::string& dir, Loop& loop, Events events, Deadline deadline) {
  TRY_ASSIGN(FrameSocket socket, FrameSocket::connect(socket_path_in(dir)));
  TRY_ASSIGN(monitor::HelloReply hello,
             socket.call<monitor::HelloReply>(Type::hello, monitor::Hello{}, Type::hello_reply, deadline));
  TRY(socket.call<monitor::Empty>(Type::subscribe, monitor::Empty{}, Type::done, deadline));
  auto state = std::make_shared<State>(dir, std::move(socket), loop, std::move(events));
  state->hello = std::move(hello);
  // Armed from the loop's thread, which alone uses the socket and the watch from now on.
  loop.post([weak = std::weak_ptr<State>(state)] {
    const auto self = weak.lock();
    if (!self) return;
    auto watch = self->loop.watch(self->events.fd(), Loop::Wait::readable, [weak] {
      if (const auto alive = weak.lock()) alive->on_events();
    });
    if (!watch) return log::error("monitor {}: {}", self->socket_path, watch.error().message);
    self->watch = *watch;
    self->on_events();
  });
  return MonitorClient(std::move(state));
}

ProcessId MonitorClient::process() const {
  return {static_cast<pid_t>(state_->hello.pid), state_->hello.start_time};
}

const std::string& MonitorClient::version() const {
  return state_->hello.program_version;
}

Result<ProcessId> MonitorClient::create(const monitor::CreateRequest& request, Deadline deadline) {
  TRY_ASSIGN(const auto init, state_->call<monitor::ProcessReply>(Type::create, request, Type::created, deadline));
  return ProcessId{static_cast<pid_t>(init.pid), init.start_time};
}

Result<ExecHandle> MonitorClient::exec(const monitor::ExecRequest& request, const ExecFds& fds, Deadline deadline) {
  UniqueFd null;
  std::vector<int> streams;
  if (!request.tty) {
    if (fds.in < 0 || fds.out < 0 || fds.err < 0) {
      TRY_ASSIGN(null, open_at(AT_FDCWD, "/dev/null", O_RDWR));
    }
    for (const int fd : {fds.in, fds.out, fds.err}) streams.push_back(fd < 0 ? null.get() : fd);
  }
  TRY_ASSIGN(FrameSocket socket, state_->take_socket());
  TRY_ASSIGN(ReceivedFrame reply, socket.call_with_fds(Type::exec, request, streams, Type::exec_started, deadline));
  TRY_ASSIGN(const auto started, monitor::decode<monitor::ExecStarted>(reply.payload));
  UniqueFd terminal;
  if (!reply.fds.empty()) terminal = std::move(reply.fds.front());
  return ExecHandle(std::make_unique<ExecHandle::State>(
      ExecHandle::State{std::move(socket), state_->socket_path, started, std::move(terminal), std::nullopt}));
}

Result<> MonitorClient::signal(const std::string& id, int signal, Deadline deadline) {
  return state_->done(Type::signal, monitor::SignalRequest{id, static_cast<std::uint64_t>(signal)}, deadline);
}

Result<> MonitorClient::resize(const std::string& id, unsigned rows, unsigned columns, Deadline deadline) {
  return state_->done(Type::resize, monitor::ResizeRequest{id, rows, columns}, deadline);
}

Result<> MonitorClient::reopen_log(const std::string& id, Deadline deadline) {
  return state_->done(Type::reopen_log, monitor::ContainerRequest{id}, deadline);
}

Result<> MonitorClient::close_stdin(const std::string& id, Deadline deadline) {
  return state_->done(Type::close_stdin, monitor::ContainerRequest{id}, deadline);
}

Result<monitor::ListReply> MonitorClient::list(Deadline deadline) {
  return state_->call<monitor::ListReply>(Type::list, monitor::Empty{}, Type::listed, deadline);
}

Result<> MonitorClient::forget(const std::string& id, Deadline deadline) {
  return state_->done(Type::forget, monitor::ContainerRequest{id}, deadline);
}

Result<UniqueFd> MonitorClient::attach(const std::string& id, const AttachFds& fds, Deadline deadline) {
  const monitor::AttachRequest request{id, fds.want_stdin, fds.out >= 0, fds.err >= 0};
  std::vector<int> streams;
  for (const int fd : {fds.out, fds.err})
    if (fd >= 0) streams.push_back(fd);
  TRY_ASSIGN(FrameSocket socket, state_->take_socket());
  TRY_ASSIGN(ReceivedFrame reply, socket.call_with_fds(Type::attach, request, streams, Type::attached, deadline));
  UniqueFd in;
  if (!reply.fds.empty()) in = std::move(reply.fds.front());
  return in;
}

Result<ProcessId> MonitorClient::start_infra(Deadline deadline) {
  TRY_ASSIGN(const auto infra,
             state_->call<monitor::ProcessReply>(Type::start_infra, monitor::Empty{}, Type::infra_started, deadline));
  return ProcessId{static_cast<pid_t>(infra.pid), infra.start_time};
}

Result<> MonitorClient::shutdown(Deadline deadline) {
  return state_->done(Type::shutdown, monitor::Empty{}, deadline);
}

} // namespace keelson::cri
