// The supervisor's side of the protocol: connections, and one function per request.
#include "base/process.hpp"
#include "config.h"
#include "cri/monitor/infra.hpp"
#include "cri/monitor/monitor_log.hpp"
#include "cri/monitor/supervisor.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

namespace keelson::cri::monitor {
namespace {

constexpr std::size_t kMaxConnections = 512; // one for each exec that runs, and a few
constexpr std::size_t kMaxContainers = 1024;
constexpr std::size_t kMaxExecs = 1024;

bool is_allowed_peer(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == 0 || peer.uid == ::geteuid();
}

} // namespace

void Supervisor::accept_clients() {
  for (;;) {
    UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      return;
    }
    if (!is_allowed_peer(fd.get()) || connections_.size() >= kMaxConnections) continue;
    auto connection = std::make_unique<Connection>(next_id_++, std::move(fd));
    const auto watched = connection->watch(poller_, [this](Connection& readable) { serve(readable); });
    if (watched) connections_.push_back(std::move(connection));
  }
}

void Supervisor::serve(Connection& connection) {
  while (auto frame = connection.receive()) dispatch(connection, *frame);
}

Connection* Supervisor::find_connection(std::uint64_t id) {
  for (const auto& connection : connections_)
    if (connection->id() == id && !connection->closed()) return connection.get();
  return nullptr;
}

template <class Message>
void Supervisor::reply(Connection& connection, std::uint32_t tag, Type type, const Message& message,
                       std::vector<UniqueFd> fds) {
  auto frame = encode_frame(type, tag, message, fds.size());
  if (frame) return connection.send(std::move(*frame), std::move(fds));
  reply_error(connection, tag, frame.error());
}

void Supervisor::reply_error(Connection& connection, std::uint32_t tag, const Error& error) {
  log_message(LogLevel::debug, error.message);
  ErrorReply message;
  message.code = static_cast<std::uint64_t>(error.code);
  message.sys_errno = static_cast<std::uint64_t>(error.sys_errno);
  message.message = error.message.substr(0, 16384);
  if (auto frame = encode_frame(Type::error, tag, message)) connection.send(std::move(*frame));
}

void Supervisor::reply_done(Connection& connection, std::uint32_t tag, const Result<>& result) {
  if (result)
    reply(connection, tag, Type::done, Empty{});
  else
    reply_error(connection, tag, result.error());
}

template <class Message>
void Supervisor::publish(Type type, const Message& message) {
  const auto frame = encode_frame(type, 0, message);
  if (!frame) return;
  for (const auto& connection : connections_)
    if (connection->subscribed) connection->send(*frame);
}

template void Supervisor::publish(Type, const Empty&);
template void Supervisor::publish(Type, const ContainerExited&);
template void Supervisor::publish(Type, const ContainerOom&);
template void Supervisor::reply(Connection&, std::uint32_t, Type, const ProcessReply&, std::vector<UniqueFd>);
template void Supervisor::reply(Connection&, std::uint32_t, Type, const ErrorReply&, std::vector<UniqueFd>);
template void Supervisor::reply(Connection&, std::uint32_t, Type, const ExecStarted&, std::vector<UniqueFd>);
template void Supervisor::reply(Connection&, std::uint32_t, Type, const ExecExited&, std::vector<UniqueFd>);

template <class Message, class Handler>
void Supervisor::with(Connection& connection, const Frame& frame, Handler handler) {
  const auto message = decode<Message>(frame.payload);
  if (message)
    handler(*message);
  else
    reply_error(connection, frame.header.tag, message.error());
}

template <class Request, class Action>
void Supervisor::on_container(Connection& connection, const Frame& frame, Action action) {
  with<Request>(connection, frame, [&](const Request& request) {
    const auto found = std::find_if(containers_.begin(), containers_.end(),
                                    [&request](const auto& container) { return container->id() == request.id; });
    const std::uint32_t tag = frame.header.tag;
    if (found == containers_.end())
      return reply_done(connection, tag, fail(Code::not_found, "no container {} in this pod's monitor", request.id));
    reply_done(connection, tag, action(**found, request));
  });
}

void Supervisor::dispatch(Connection& connection, Frame& frame) {
  const std::uint32_t tag = frame.header.tag;
  switch (frame.header.type) {
  case Type::hello:
    return greet(connection, tag);
  case Type::subscribe:
    connection.subscribed = true;
    return reply_done(connection, tag, {});
  case Type::create:
    return with<CreateRequest>(connection, frame, [&](const CreateRequest& m) { create(connection, tag, m); });
  case Type::exec:
    return with<ExecRequest>(connection, frame, [&](const ExecRequest& m) { exec(connection, frame, m); });
  case Type::attach:
    return with<AttachRequest>(connection, frame, [&](const AttachRequest& m) { attach(connection, frame, m); });
  case Type::signal:
    return on_container<SignalRequest>(connection, frame, [](Container& container, const SignalRequest& m) {
      return container.signal(static_cast<int>(m.signal));
    });
  case Type::resize:
    return on_container<ResizeRequest>(connection, frame, [](Container& container, const ResizeRequest& m) {
      return container.resize(m.rows, m.columns);
    });
  case Type::reopen_log:
    return on_container<ContainerRequest>(connection, frame,
                                          [](Container& container, const auto&) { return container.reopen_log(); });
  case Type::close_stdin:
    return on_container<ContainerRequest>(connection, frame, [](Container& container, const auto&) {
      container.close_stdin();
      return Result<>{};
    });
  case Type::list:
    return list(connection, tag);
  case Type::forget:
    return with<ContainerRequest>(connection, frame,
                                  [&](const ContainerRequest& m) { reply_done(connection, tag, forget(m.id)); });
  case Type::start_infra:
    return start_infra_process(connection, tag);
  case Type::signal_exec:
    return with<SignalExecRequest>(connection, frame,
                                   [&](const SignalExecRequest& m) { reply_done(connection, tag, signal_exec(m)); });
  case Type::shutdown:
    return reply_done(connection, tag, shutdown());
  default:
    reply_error(connection, tag,
                Error{Code::unimplemented, 0,
                      fmt::format("this monitor (version {}) does not know request {}", KEELSON_VERSION,
                                  static_cast<unsigned>(frame.header.type))});
  }
}

void Supervisor::greet(Connection& connection, std::uint32_t tag) {
  const auto self = process_id_of(::getpid());
  if (!self) return reply_error(connection, tag, self.error());
  HelloReply hello;
  hello.program_version = KEELSON_VERSION;
  hello.pid = static_cast<std::uint64_t>(self->pid);
  hello.start_time = self->start_time;
  reply(connection, tag, Type::hello_reply, hello);
}

void Supervisor::create(Connection& connection, std::uint32_t tag, const CreateRequest& request) {
  const bool known = std::any_of(containers_.begin(), containers_.end(),
                                 [&request](const auto& container) { return container->id() == request.id; });
  if (known || request.id.empty())
    return reply_error(connection, tag,
                       Error{known ? Code::already_exists : Code::invalid_argument, 0,
                             fmt::format("create container \"{}\": {}", request.id,
                                         known ? "the monitor has it already" : "an id is needed")});
  if (containers_.size() >= kMaxContainers)
    return reply_error(connection, tag, Error{Code::resource_exhausted, 0, "too many containers in one pod"});
  if (auto home = own_.leave_pid_namespace(); !home) return reply_error(connection, tag, home.error());
  auto container = Container::create(request, poller_, scratch_);
  if (!container) return reply_error(connection, tag, container.error());
  Creating who{request.id, connection.id(), tag, {}};
  if (request.timeout_ms != 0)
    who.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(request.timeout_ms);
  creating_.push_back(std::move(who));
  containers_.push_back(std::move(*container));
}

void Supervisor::exec(Connection& connection, Frame& frame, const ExecRequest& request) {
  const std::uint32_t tag = frame.header.tag;
  const auto found = std::find_if(containers_.begin(), containers_.end(), [&request](const auto& container) {
    return container->id() == request.id && container->phase() == Container::Phase::running;
  });
  if (found == containers_.end())
    return reply_error(connection, tag,
                       Error{Code::failed_precondition, 0, fmt::format("container {} does not run", request.id)});
  if (execs_.size() >= kMaxExecs)
    return reply_error(connection, tag, Error{Code::resource_exhausted, 0, "too many execs at once in one pod"});
  auto exec = Exec::start(request, (*found)->init().pid, own_, std::move(frame.fds), next_id_++);
  if (!exec) return reply_error(connection, tag, exec.error());
  (*exec)->owner = {connection.id(), tag, request.kill_on_disconnect};
  Exec* raw = exec->get();
  execs_.push_back(std::move(*exec));
  if (auto watched = raw->watch_report(poller_, [this, raw] { advance(*raw); }); !watched) raw->kill_all();
}

Result<> Supervisor::signal_exec(const SignalExecRequest& request) {
  for (const auto& exec : execs_) {
    if (exec->id() != request.exec_id || exec->wait_status()) continue;
    if (::kill(exec->pid(), static_cast<int>(request.signal)) != 0) return fail_errno(errno, "signal an exec");
    return {};
  }
  return fail(Code::not_found, "no exec {} runs", request.exec_id);
}

void Supervisor::attach(Connection& connection, Frame& frame, const AttachRequest& request) {
  const std::uint32_t tag = frame.header.tag;
  const auto found = std::find_if(containers_.begin(), containers_.end(), [&request](const auto& container) {
    return container->id() == request.id && container->phase() == Container::Phase::running;
  });
  const std::size_t wanted = std::size_t{request.has_stdout} + std::size_t{request.has_stderr};
  if (found == containers_.end() || frame.fds.size() != wanted)
    return reply_error(connection, tag,
                       Error{Code::failed_precondition, 0, fmt::format("container {} does not run", request.id)});
  std::vector<UniqueFd> fds;
  if (request.want_stdin) {
    auto in = (*found)->stdin_for_attach();
    if (!in) return reply_error(connection, tag, in.error());
    fds.push_back(std::move(*in));
  }
  UniqueFd out = request.has_stdout ? std::move(frame.fds.front()) : UniqueFd();
  UniqueFd err = request.has_stderr ? std::move(frame.fds.back()) : UniqueFd();
  (*found)->attach(std::move(out), std::move(err));
  reply(connection, tag, Type::attached, Empty{}, std::move(fds));
}

void Supervisor::start_infra_process(Connection& connection, std::uint32_t tag) {
  if (infra_.pid != 0)
    return reply_error(connection, tag, Error{Code::already_exists, 0, "the pod has an infra process already"});
  if (auto home = own_.leave_pid_namespace(); !home) return reply_error(connection, tag, home.error());
  const auto pid = start_infra(dir_);
  if (!pid) return reply_error(connection, tag, pid.error());
  const auto id = process_id_of(*pid);
  if (!id) return reply_error(connection, tag, id.error());
  infra_ = *id;
  reply(connection, tag, Type::infra_started, ProcessReply{static_cast<std::uint64_t>(id->pid), id->start_time});
}

void Supervisor::list(Connection& connection, std::uint32_t tag) {
  ListReply message;
  for (const auto& container : containers_) message.containers.push_back(container->state());
  message.infra_pid = static_cast<std::uint64_t>(infra_.pid);
  message.infra_start_time = infra_.start_time;
  message.execs = execs_.size();
  reply(connection, tag, Type::listed, message);
}

Result<> Supervisor::forget(const std::string& id) {
  const auto found =
      std::find_if(containers_.begin(), containers_.end(), [&id](const auto& c) { return c->id() == id; });
  if (found == containers_.end()) return {};
  if ((*found)->phase() != Container::Phase::exited)
    return fail(Code::failed_precondition, "container {} still runs: stop it first", id);
  containers_.erase(found);
  return {};
}

Result<> Supervisor::shutdown() {
  if (anything_runs()) return fail(Code::failed_precondition, "containers still run in this pod: stop them first");
  stopping_ = true;
  return {};
}

} // namespace keelson::cri::monitor
