// The monitor itself: the pod's containers, execs and infra process, and the clients that ask about them. One thread,
// one loop; nothing in it waits for a client, a container or the runtime.
#pragma once

#include "base/unique_fd.hpp"
#include "cri/monitor/connection.hpp"
#include "cri/monitor/container.hpp"
#include "cri/monitor/exec.hpp"
#include "cri/monitor/namespaces.hpp"
#include "cri/monitor/poller.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace keelson::cri::monitor {

class Supervisor {
 public:
  // listener: a listening unix socket, non-blocking. dir: the sandbox's state directory.
  static Result<std::unique_ptr<Supervisor>> make(std::string dir, UniqueFd listener);

  // Until a shutdown request, or SIGTERM while no container runs. 0, or 1 after an error that it cannot work with.
  int run();

 private:
  Supervisor(std::string dir, UniqueFd listener, Poller poller, Scratch scratch, OwnNamespaces own);
  Result<> start();

  // connections
  void accept_clients();
  void serve(Connection& connection);
  void dispatch(Connection& connection, Frame& frame);
  template <class Message, class Handler>
  void with(Connection& connection, const Frame& frame, Handler handler);
  template <class Message>
  void reply(Connection& connection, std::uint32_t tag, Type type, const Message& message,
             std::vector<UniqueFd> fds = {});
  void reply_done(Connection& connection, std::uint32_t tag, const Result<>& result);
  void reply_error(Connection& connection, std::uint32_t tag, const Error& error);
  template <class Message>
  void publish(Type type, const Message& message);
  Connection* find_connection(std::uint64_t id);

  // requests
  void greet(Connection& connection, std::uint32_t tag);
  void create(Connection& connection, std::uint32_t tag, const CreateRequest& request);
  void exec(Connection& connection, Frame& frame, const ExecRequest& request);
  void attach(Connection& connection, Frame& frame, const AttachRequest& request);
  void start_infra_process(Connection& connection, std::uint32_t tag);
  void list(Connection& connection, std::uint32_t tag);
  Result<> forget(const std::string& id);
  Result<> signal_exec(const SignalExecRequest& request);
  Result<> shutdown();
  template <class Request, class Action>
  void on_container(Connection& connection, const Frame& frame, Action action);

  // processes
  void on_signal();
  void reap();
  void handle_exit(pid_t pid, int wait_status);
  void handle_runtime_exit(Container& container, int wait_status);
  void handle_oom(Container& container, unsigned attempt = 0);
  void advance(Exec& exec);

  // time
  int next_timeout();
  void run_timers();
  void settle_ooms(SteadyTime now);
  void sweep();
  bool anything_runs() const;

  struct Creating { // who waits for a container's create
    std::string id;
    std::uint64_t connection = 0;
    std::uint32_t tag = 0;
    std::optional<SteadyTime> deadline;
  };
  struct Settling { // an OOM kill that the init may have survived
    std::string id;
    std::uint64_t kills = 0;
    unsigned attempt = 0;
    SteadyTime at;
  };
  struct Leftover { // the cgroup of an exec that has ended
    TrackingCgroup cgroup;
    bool kill = false;
    unsigned attempts = 0;
    SteadyTime at;
  };

  std::string dir_;
  UniqueFd listener_;
  Poller poller_;
  Scratch scratch_;
  OwnNamespaces own_;
  UniqueFd signals_;
  FdWatch listener_watch_;
  FdWatch signals_watch_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<std::unique_ptr<Container>> containers_;
  std::vector<std::unique_ptr<Exec>> execs_;
  std::vector<Creating> creating_;
  std::vector<Settling> settling_;
  std::vector<Leftover> leftovers_;
  ProcessId infra_;
  std::uint64_t next_id_ = 1;
  bool stopping_ = false;
  std::optional<SteadyTime> trim_at_;
};

} // namespace keelson::cri::monitor
